package messaging

import (
	"context"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Cursor says how far a reader has read a bucket, so that it can go on there after
// it was away. The zero value has read nothing. It may be kept on disk; only the bus
// that gave it can say whether it still holds.
type Cursor struct {
	// Life names the bucket's life; a bucket that is made anew has another one.
	Life string
	// Revision is the last one that was read.
	Revision federation.Revision
	// At is the latest time, by the clock of the bus, of which the reader knows that
	// the bucket was as it had read it. It tells what was written before the bus lost
	// something from what was written after.
	At time.Time
}

// Extent is what a bucket holds: the records from Oldest to the cursor's revision.
type Extent struct {
	Cursor
	// Oldest is a lower bound of the revisions of all records: what is older was
	// dropped by the bucket's limits, without a deletion marker.
	Oldest federation.Revision
}

// Resumer follows a bucket on from where an earlier reader stopped. A record that
// ends by itself, as a lease does, leaves no trace that it could tell.
type Resumer interface {
	// Extent returns what the bucket holds now, as the one who takes its writes
	// knows it: every write that returned before is within it.
	Extent(ctx context.Context) (Extent, error)
	// FollowFrom calls handle for the latest version of each key that was written or
	// deleted after from, deletion markers included, then for Change{Synced: true}, then for each later change.
	// When the bucket was made anew, or no longer has what from says was read (it was
	// cut back, or restored from a copy), Change{Reset: true} comes first, and then
	// everything. It ends as Follower.Follow does.
	//
	// at is where a reader stands that has taken the change: its Cursor is what to
	// keep, and what it holds below at.Oldest has to be forgotten.
	FollowFrom(ctx context.Context, from Cursor, handle func(c Change, at Extent) error) error
}
