package hub

import (
	"context"
	"fmt"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// following is what is done with a bucket that is followed.
type following struct {
	take   func(messaging.Entry)     // every version of every record
	synced func()                    // all that was stored has been taken
	came   func(federation.Revision) // the follower has come so far
}

// followWhole follows a whole bucket until ctx ends, or the bucket cannot be continued.
func followWhole(ctx context.Context, name string, bucket messaging.Follower, do following) error {
	first := true
	err := bucket.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Reset && !first:
			return errReset
		case c.Reset:
		case c.Synced:
			do.synced()
		default:
			do.take(c.Entry)
		}
		first = false
		do.came(c.Revision)
		return nil
	})
	return fmt.Errorf("follow bucket %s: %w", name, err)
}
