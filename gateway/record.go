package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/trace"
)

// record is one record of desired state that is to be written or removed.
type record struct {
	grpcserver.Applied        // what is told of it; what was done is added
	about              string // in errors: "workload shop/web"
	list               string // the command that lists those that exist
	key                string
	value              []byte
	// same reports whether what is stored asks for the same thing.
	same func(stored []byte) bool
}

// Bounds of what is written at once. The bytes leave room for how they travel in the one
// message that asks the hub for them.
const (
	mostAtOnce  = 500
	bytesAtOnce = 4 << 20
	readsAtOnce = 16
)

// change is a record on its way into the store.
type change struct {
	record
	due      bool                // the store has something else
	tried    string              // the action of a write whose outcome is not known
	expected federation.Revision // of what is in its place
}

// writeAll writes records unless they are already as wanted: all or none of those that go
// out at once. It returns what became of those that it is done with, in order.
func writeAll(ctx context.Context, bucket messaging.Bucket, records []record, dryRun bool) ([]grpcserver.Applied, error) {
	changes := make([]*change, len(records))
	for i, r := range records {
		changes[i] = &change{record: r}
	}
	var done []grpcserver.Applied
	for len(changes) > 0 {
		n := atOnce(changes)
		if err := write(ctx, bucket, changes[:n], dryRun); err != nil {
			return done, err
		}
		for _, c := range changes[:n] {
			done = append(done, c.Applied)
		}
		changes = changes[n:]
	}
	return done, nil
}

// atOnce says how many of the first changes are written together.
func atOnce(changes []*change) int {
	n, size := 1, len(changes[0].value)
	for n < min(len(changes), mostAtOnce) {
		if size += len(changes[n].value); size > bytesAtOnce {
			break
		}
		n++
	}
	return n
}

// write writes all that is not as wanted, or nothing. A write whose outcome is not known
// is looked up and, if need be, made again: a bus that lost a server elects.
func write(ctx context.Context, bucket messaging.Bucket, changes []*change, dryRun bool) error {
	unknown := time.Time{}
	for conflicts := 0; conflicts < conflictTries; {
		if err := compare(ctx, bucket, changes); err != nil {
			return err
		}
		due := slices.DeleteFunc(slices.Clone(changes), func(c *change) bool { return !c.due })
		if len(due) == 0 || dryRun {
			return nil
		}
		err := put(ctx, bucket, due)
		switch {
		case errors.Is(err, messaging.ErrConflict):
			conflicts++
		case errors.Is(err, messaging.ErrUnknown) && (unknown.IsZero() || time.Since(unknown) < unknownFor):
			for _, c := range due {
				c.tried = c.Action // if the write is there after all
			}
			if unknown.IsZero() {
				unknown = time.Now()
			}
		default:
			return err
		}
	}
	return messaging.Errorf(messaging.Conflict, "%s is being changed by others: try again", changes[0].others(len(changes)))
}

// others names a record that stands for several.
func (c *change) others(all int) string {
	if all == 1 {
		return c.about
	}
	return fmt.Sprintf("%s, or one of %d others,", c.about, all-1)
}

// compare finds what the store has in the records' places.
func compare(ctx context.Context, bucket messaging.KV, changes []*change) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readsAtOnce)
	for _, c := range changes {
		group.Go(func() error {
			entry, err := bucket.Get(ctx, c.key)
			switch {
			case errors.Is(err, messaging.ErrNotFound):
				c.Action, c.expected, c.due = "created", 0, true
			case err != nil:
				return err
			case c.same(entry.Value):
				c.Action, c.Revision, c.due = cmp.Or(c.tried, "unchanged"), entry.Revision, false
			default:
				c.Action, c.expected, c.due = "configured", entry.Revision, true
			}
			return nil
		})
	}
	return group.Wait()
}

// put writes changes over what they were compared with.
func put(ctx context.Context, bucket messaging.Bucket, changes []*change) error {
	if c := changes[0]; len(changes) == 1 { // which may be as large as the bus takes
		var err error
		c.Revision, err = bucket.Put(ctx, c.key, c.value, c.expected)
		return err
	}
	writes := make([]messaging.Write, len(changes))
	for i, c := range changes {
		writes[i] = messaging.Write{Key: c.key, Value: c.value, Expected: c.expected, Trace: trace.Parent(ctx)}
	}
	revisions, err := bucket.WriteAll(ctx, writes)
	for i, revision := range revisions {
		changes[i].Revision = revision
	}
	return err
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
