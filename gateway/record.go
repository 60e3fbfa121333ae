package gateway

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/messaging"
)

// record is one record of desired state that is to be written or removed.
type record struct {
	about string // in errors: "workload shop/web"
	list  string // the command that lists those that exist
	key   string
	value []byte
	// same reports whether what is stored asks for the same thing.
	same func(stored []byte) bool
}

// write writes a record unless it is already as wanted, and notes what was done. A write
// whose outcome is not known is looked up and, if need be, made again: a bus that lost a
// server elects.
func write(ctx context.Context, bucket messaging.KV, r record, dryRun bool, done *grpcserver.Applied) error {
	action, unknown := "", time.Time{}
	for conflicts := 0; conflicts < conflictTries; {
		entry, err := bucket.Get(ctx, r.key)
		switch {
		case errors.Is(err, messaging.ErrNotFound):
			done.Action, entry.Revision = "created", 0
		case err != nil:
			return err
		case r.same(entry.Value):
			done.Action, done.Revision = cmp.Or(action, "unchanged"), entry.Revision
			return nil
		default:
			done.Action = "configured"
		}
		if dryRun {
			return nil
		}
		done.Revision, err = bucket.Put(ctx, r.key, r.value, entry.Revision)
		switch {
		case errors.Is(err, messaging.ErrConflict):
			conflicts++
		case errors.Is(err, messaging.ErrUnknown) && (unknown.IsZero() || time.Since(unknown) < unknownFor):
			action = done.Action // if the write is there after all
			if unknown.IsZero() {
				unknown = time.Now()
			}
		default:
			return err
		}
	}
	return messaging.Errorf(messaging.Conflict, "%s is being changed by others: try again", r.about)
}

// remove takes a record away.
func remove(ctx context.Context, bucket messaging.KV, r record, dryRun bool) error {
	for began, tried := time.Now(), false; ; tried = true {
		_, err := bucket.Get(ctx, r.key)
		if errors.Is(err, messaging.ErrNotFound) && tried {
			return nil
		}
		if err == nil && !dryRun {
			err = bucket.Delete(ctx, r.key, messaging.AnyRevision)
		}
		switch {
		case errors.Is(err, messaging.ErrNotFound) && !tried:
			return messaging.Errorf(messaging.NotFound, "%s does not exist: see %q", r.about, r.list)
		case errors.Is(err, messaging.ErrUnknown) && time.Since(began) < unknownFor, errors.Is(err, messaging.ErrConflict):
			continue
		}
		return err
	}
}
