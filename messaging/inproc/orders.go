package inproc

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// mostOrders bounds how many orders are handed on together.
const mostOrders = 256

// WorkBucket returns the works of the member of that account, as the hub writes them.
func (b *Bus) WorkBucket(_ context.Context, account string) (messaging.Bucket, error) {
	return b.bucket(subject.WorkBucket(account)), nil
}

// Works returns the works of the member of that account, as its agent reads them. What
// an agent has acknowledged is known to this value only: keep it for a new life of the
// agent, or begin again with another.
func (b *Bus) Works(account string) messaging.Orders {
	return &orders{bucket: b.bucket(subject.WorkBucket(account))}
}

type orders struct {
	bucket *bucket

	mu   sync.Mutex // held while an agent reads
	read federation.Revision
}

// Follow reads until ctx ends or handle fails.
func (o *orders) Follow(ctx context.Context, handle func([]messaging.Change) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	watching := make(chan error, 1)
	go func() {
		watching <- o.bucket.Follow(ctx, "", func(messaging.Change) error {
			select {
			case changed <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	defer func() { <-watching }() //nolint:errcheck // why it ended is known
	defer cancel()
	for synced := false; ; {
		if err := o.drain(ctx, handle); err != nil {
			return err
		}
		if !synced {
			synced = true
			if err := handle([]messaging.Change{{Synced: true}}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// drain hands on what waits.
func (o *orders) drain(ctx context.Context, handle func([]messaging.Change) error) error {
	for ctx.Err() == nil {
		waiting := o.bucket.after(o.read)
		waiting = waiting[:min(len(waiting), mostOrders)]
		if len(waiting) == 0 {
			return nil
		}
		if err := handle(waiting); err != nil {
			return err
		}
		o.read = waiting[len(waiting)-1].Revision
	}
	return ctx.Err()
}

// after lists the latest version of each key that is newer than revision, deletion
// markers included, in the order of revisions.
func (b *bucket) after(revision federation.Revision) []messaging.Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []messaging.Change
	for _, r := range b.records {
		if r.Revision > revision {
			out = append(out, messaging.Change{Entry: r.Entry})
		}
	}
	slices.SortFunc(out, func(a, b messaging.Change) int { return cmp.Compare(a.Revision, b.Revision) })
	return out
}
