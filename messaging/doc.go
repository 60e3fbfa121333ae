// Package messaging names what the rest of Hansa asks of the bus, as roles of
// one to three methods, and the errors that a caller branches on.
//
// Two implementations exist: package messaging/nats (the real one) and package
// messaging/inproc (a deterministic twin in the process, for tests). Both pass
// the suite in package messaging/messagingtest.
//
// Promises of every implementation:
//
//  1. A write that returned without error is durable (fsync) and is seen by
//     every follower in the order of revisions of its bucket.
//  2. A write with an expected revision happens only if the record still has it;
//     otherwise ErrConflict.
//  3. After ErrUnknown the write may or may not have happened: read before
//     writing again.
//  4. Follow delivers a snapshot (the latest version of each key), then one
//     Change with Synced set, then every later change; after a reconnect it goes
//     on without a gap, or starts again with Reset set when it cannot. FollowFrom
//     does the same across the lives of a reader.
//  5. Core messages (Publish, Request) may be lost, never doubled by the bus, and
//     are not kept for anybody who was away.
//  6. A Stream of a tunnel is whole and in order, or it ends with an error. A slow
//     reader stops the writer of its own stream, after StreamWindow, and no other.
//
// All roles are safe for concurrent use. Byte slices that are handed over belong
// to the receiver, but for the values of a Change, which nobody may change.
package messaging
