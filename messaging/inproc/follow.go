package inproc

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/subject"
)

// step is a change, and where a reader stands that has taken it.
type step struct {
	messaging.Change
	at messaging.Extent
}

type follower struct {
	filter string
	box    *mailbox.Box[step]
}

// Follow tells the snapshot, Synced, and every later change.
func (b *bucket) Follow(ctx context.Context, filter string, handle func(messaging.Change) error) error {
	if filter == "" {
		filter = ">"
	}
	return b.follow(ctx, filter, messaging.Cursor{}, func(s step) error { return handle(s.Change) })
}

// FollowFrom tells what was written after the cursor, Synced, and every later change.
func (b *bucket) FollowFrom(ctx context.Context, from messaging.Cursor, handle func(messaging.Change, messaging.Extent) error) error {
	return b.follow(ctx, ">", from, func(s step) error { return handle(s.Change, s.at) })
}

// Extent says what the bucket holds.
func (b *bucket) Extent(context.Context) (messaging.Extent, error) {
	if err := b.bus.fail("extent", ""); err != nil {
		return messaging.Extent{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.extent(b.last), nil
}

// extent is where a reader stands at that revision. bucket.mu is held.
func (b *bucket) extent(at federation.Revision) messaging.Extent {
	return messaging.Extent{Cursor: messaging.Cursor{Life: strconv.Itoa(b.life), Revision: at}, Oldest: b.oldest}
}

func (b *bucket) follow(ctx context.Context, filter string, from messaging.Cursor, handle func(step) error) error {
	f := &follower{filter: filter, box: mailbox.New[step]()}
	b.mu.Lock()
	if from.Revision > 0 && (from.Life != strconv.Itoa(b.life) || from.Revision > b.last) {
		f.box.Put(step{messaging.Change{Reset: true}, b.extent(0)})
		from = messaging.Cursor{}
	}
	b.begin(f, from.Revision)
	b.followers[f] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.followers, f)
		b.mu.Unlock()
	}()
	return drain(ctx, f.box, handle)
}

// begin tells a follower what came after a revision. bucket.mu is held.
func (b *bucket) begin(f *follower, after federation.Revision) {
	for _, r := range b.since(after) {
		if subject.Matches(f.filter, r.Key) {
			f.box.Put(step{messaging.Change{Entry: r.Entry}, b.extent(r.Revision)})
		}
	}
	f.box.Put(step{messaging.Change{Synced: true, Entry: messaging.Entry{Revision: b.last}}, b.extent(b.last)})
}

// since lists what is there and was written after a revision, in the order of
// revisions; with deletion markers, unless it lists everything. bucket.mu is held.
func (b *bucket) since(after federation.Revision) []record {
	var out []record
	for key, r := range b.records {
		if _, live := b.live(key); r.Revision > after && (live || r.Deleted && after > 0) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b record) int { return cmp.Compare(a.Revision, b.Revision) })
	return out
}

// tell hands a new version to the followers. bucket.mu is held.
func (b *bucket) tell(c messaging.Change) {
	for f := range b.followers {
		if subject.Matches(f.filter, c.Key) {
			f.box.Put(step{c, b.extent(c.Revision)})
		}
	}
}

// drain hands over what comes until ctx ends or handle fails.
func drain[T any](ctx context.Context, box *mailbox.Box[T], handle func(T) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-box.Ready():
		}
		for _, v := range box.Take() {
			if err := handle(v); err != nil {
				return err
			}
		}
	}
}

// Remake makes a bucket anew: it is empty and counts from 1 again.
func (b *Bus) Remake(name string) {
	b.bucket(name).replace(0, 1, map[string]record{})
}

// Backup copies every bucket; restore brings the copies back, as if what was written
// in between had never been.
func (b *Bus) Backup() (restore func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []func()
	for _, bucket := range b.buckets {
		bucket.mu.Lock()
		last, oldest, records := bucket.last, bucket.oldest, maps.Clone(bucket.records)
		bucket.mu.Unlock()
		all = append(all, func() { bucket.replace(last, oldest, maps.Clone(records)) })
	}
	return func() {
		for _, one := range all {
			one()
		}
	}
}

// replace begins another life with these records.
func (b *bucket) replace(last, oldest federation.Revision, records map[string]record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.life++
	b.last, b.oldest, b.records = last, oldest, records
	for f := range b.followers {
		f.box.Put(step{messaging.Change{Reset: true}, b.extent(0)})
		b.begin(f, 0)
	}
}

// Trim drops the oldest records of a bucket until keep are left, as its limits do:
// without deletion markers, and without a word to followers.
func (b *Bus) Trim(name string, keep int) {
	k := b.bucket(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.SortedFunc(maps.Values(k.records), func(a, b record) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, r := range all[:max(0, len(all)-keep)] {
		k.oldest = r.Revision + 1
		delete(k.records, r.Key)
	}
}
