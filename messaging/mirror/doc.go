// Package mirror keeps the records of buckets in memory, so that a reader that
// begins is fed from there, and in snapshot files, so that a process that starts
// reads from the bus only what changed while it was away.
//
// A mirror follows one bucket for as long as the process lives. Any number of
// readers follow the mirror, with the promises of messaging.Follower:
//
//  1. A reader gets the records that exist at one moment, in the order of their
//     revisions, then Synced, then every later change in order.
//  2. What was written before Follow was called is in the snapshot, whoever wrote
//     it: Follow asks the bus for the last revision first, and says Synced only when
//     the mirror has come that far. So a hub whose term begins has all that the
//     leader before it has written.
//  3. A slow reader delays nobody. Of a record that changed several times meanwhile
//     it sees the last version, so that it holds back at most one old version of
//     each record; deletion markers are kept until every reader has passed them.
//  4. A bucket that was made anew or cut back is read again, and readers get Reset.
//
// Records that the limits of a bucket dropped leave the mirror when the next reader
// begins. A bucket whose records end by themselves, as leases do, has no mirror.
//
// A snapshot file has the records as they are on the bus, sealed or not, and so is
// as secret as the store of the bus; its mode is 0600. On a hub both lie in the same
// directory; a gateway that keeps snapshots keeps on its own disk what its
// credentials let it read. A file is replaced whole. One that is damaged, or of
// another bucket or a newer format, is ignored: everything is then read from the
// bus, and nothing is lost but time. Every process needs a directory of its own.
//
// Locking: one mutex for each mirror guards what it holds. Nothing is called and no
// file is touched while it is locked; entries are never changed once they are in.
package mirror
