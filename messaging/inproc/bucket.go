package inproc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/trace"
)

// record is the latest version of a key; ends is zero unless it is a lease.
type record struct {
	messaging.Entry
	ends time.Time
}

type bucket struct {
	bus *Bus

	mu        sync.Mutex
	life      int // changes when the bucket is made anew or given an older copy
	last      federation.Revision
	oldest    federation.Revision // what is older was dropped
	records   map[string]record   // deletion markers included
	followers map[*follower]struct{}
}

func newBucket(bus *Bus) *bucket {
	return &bucket{bus: bus, oldest: 1, records: map[string]record{}, followers: map[*follower]struct{}{}}
}

// live returns the record unless it was deleted or has ended. bucket.mu is held.
func (b *bucket) live(key string) (record, bool) {
	r, ok := b.records[key]
	return r, ok && !r.Deleted && (r.ends.IsZero() || time.Now().Before(r.ends))
}

// Get returns the latest version.
func (b *bucket) Get(_ context.Context, key string) (messaging.Entry, error) {
	if err := b.bus.fail("get", key); err != nil {
		return messaging.Entry{}, fmt.Errorf("get %s: %w", key, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.live(key)
	if !ok {
		return messaging.Entry{}, fmt.Errorf("get %s: %w", key, messaging.ErrNotFound)
	}
	return r.Entry, nil
}

// Put writes under the rule of messaging.KV.
func (b *bucket) Put(ctx context.Context, key string, value []byte, expected federation.Revision) (federation.Revision, error) {
	revisions, err := b.WriteAll(ctx, []messaging.Write{{Key: key, Value: value, Expected: expected, Trace: trace.Parent(ctx)}})
	if err != nil {
		return 0, err
	}
	return revisions[0], nil
}

// Delete leaves a deletion marker.
func (b *bucket) Delete(ctx context.Context, key string, expected federation.Revision) error {
	b.mu.Lock()
	_, ok := b.live(key)
	b.mu.Unlock()
	if !ok {
		return fmt.Errorf("delete %s: %w", key, messaging.ErrNotFound)
	}
	_, err := b.WriteAll(ctx, []messaging.Write{{Key: key, Expected: expected, Delete: true, Trace: trace.Parent(ctx)}})
	return err
}

// maxBatch is the real bus's limit of one atomic batch.
const maxBatch = 1000

// WriteAll writes all or none.
func (b *bucket) WriteAll(_ context.Context, writes []messaging.Write) ([]federation.Revision, error) {
	if len(writes) > maxBatch {
		return nil, fmt.Errorf("write %d records: %w: at most %d in a batch", len(writes), messaging.ErrTooLarge, maxBatch)
	}
	for _, w := range writes {
		if err := errors.Join(b.bus.fail("put", w.Key), tooLarge(len(w.Value))); err != nil {
			return nil, fmt.Errorf("write %s: %w", w.Key, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range writes {
		if err := b.check(w.Key, w.Expected); err != nil {
			return nil, err
		}
	}
	var out []federation.Revision
	for _, w := range writes {
		out = append(out, b.write(w, time.Time{}))
	}
	for _, w := range writes {
		if err := b.bus.lose("put", w.Key); err != nil {
			return nil, fmt.Errorf("write %s: %w", w.Key, err)
		}
	}
	return out, nil
}

// check compares the revision. bucket.mu is held.
func (b *bucket) check(key string, expected federation.Revision) error {
	r, ok := b.live(key)
	if !ok {
		r = record{}
	}
	if expected != messaging.AnyRevision && r.Revision != expected {
		return fmt.Errorf("write %s: %w: it has revision %d, expected was %d", key, messaging.ErrConflict, r.Revision, expected)
	}
	return nil
}

// write stores one version and tells the followers. bucket.mu is held.
func (b *bucket) write(w messaging.Write, ends time.Time) federation.Revision {
	b.last++
	e := messaging.Entry{Key: w.Key, Revision: b.last, Deleted: w.Delete, Trace: w.Trace}
	if !w.Delete {
		e.Value = append([]byte{}, w.Value...)
	}
	b.records[w.Key] = record{Entry: e, ends: ends}
	b.tell(messaging.Change{Entry: e})
	return b.last
}

// Acquire writes a record that ends after lifetime.
func (b *Bus) Acquire(_ context.Context, key string, value []byte, lifetime time.Duration, expected federation.Revision) (federation.Revision, error) {
	if err := errors.Join(b.fail("put", key), tooLarge(len(value))); err != nil {
		return 0, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	l := b.leases()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(key, expected); err != nil {
		return 0, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	revision := l.write(messaging.Write{Key: key, Value: value}, time.Now().Add(lifetime))
	if err := b.lose("put", key); err != nil {
		return 0, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	return revision, nil
}

// Release ends a lease that still has the revision.
func (b *Bus) Release(ctx context.Context, key string, held federation.Revision) error {
	return b.leases().Delete(ctx, key, held)
}
