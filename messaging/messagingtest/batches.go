package messagingtest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// maxBatch is the most that WriteAll takes.
const maxBatch = 1000

// creations are n writes of records that must not exist.
func creations(n int) []messaging.Write {
	writes := make([]messaging.Write, n)
	for i := range writes {
		writes[i] = messaging.Write{Key: fmt.Sprintf("batch.%d", i), Value: fmt.Append(nil, i)}
	}
	return writes
}

// snapshot returns what a new follower is told before it is synced, by key.
func snapshot(t *testing.T, b messaging.Bucket) map[string]messaging.Entry {
	t.Helper()
	all := map[string]messaging.Entry{}
	err := b.Follow(bounded(t), "", func(c messaging.Change) error {
		if c.Synced {
			return errEnough
		}
		all[c.Key] = c.Entry
		return nil
	})
	wants(t, err, errEnough)
	return all
}

// batchLimits: a thousand writes go together; one more, a conflict or a value that is
// too large among them leaves nothing.
func batchLimits(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	taken := must[federation.Revision](t)(b.Put(ctx, "taken.a", []byte("taken"), 0))

	_, err := b.WriteAll(ctx, creations(maxBatch+1))
	wants(t, err, messaging.ErrTooLarge)
	for _, at := range []int{0, maxBatch / 2, maxBatch - 1} {
		conflicting := creations(maxBatch)
		conflicting[at] = messaging.Write{Key: "taken.a", Value: []byte("x")}
		_, err = b.WriteAll(ctx, conflicting)
		wants(t, err, messaging.ErrConflict)
		large := creations(10)
		large[at%10].Value = bytes.Repeat([]byte("x"), r.MaxPayload+1)
		_, err = b.WriteAll(ctx, large)
		wants(t, err, messaging.ErrTooLarge)
	}
	if got := snapshot(t, b); len(got) != 1 || string(got["taken.a"].Value) != "taken" {
		t.Fatalf("batches that were refused left %d records", len(got))
	}

	all := creations(maxBatch)
	all[7] = messaging.Write{Key: "taken.a", Expected: taken, Delete: true}
	revisions := must[[]federation.Revision](t)(b.WriteAll(ctx, all))
	got := snapshot(t, b)
	if len(revisions) != maxBatch || len(got) != maxBatch-1 {
		t.Fatalf("%d revisions, %d records", len(revisions), len(got))
	}
	for i, w := range all {
		if e := got[w.Key]; !w.Delete && (e.Revision != revisions[i] || !bytes.Equal(e.Value, w.Value)) {
			t.Fatalf("write %d has revision %d and is %+v", i, revisions[i], e)
		}
		if i > 0 && revisions[i] <= revisions[i-1] {
			t.Fatalf("revision %d after %d", revisions[i], revisions[i-1])
		}
	}
	if revisions := must[[]federation.Revision](t)(b.WriteAll(ctx, nil)); len(revisions) != 0 {
		t.Errorf("an empty batch has revisions %v", revisions)
	}
}

// batchOverMarkers: what was deleted does not exist, for a batch as for a Put.
func batchOverMarkers(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), 0))
	must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("1"), 0))
	if err := b.Delete(ctx, "a.a", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	_, err := b.WriteAll(ctx, []messaging.Write{{Key: "a.a", Value: []byte("x")}, {Key: "a.b", Value: []byte("x")}})
	wants(t, err, messaging.ErrConflict)
	revisions := must[[]federation.Revision](t)(b.WriteAll(ctx, []messaging.Write{{Key: "a.a", Value: []byte("2")}, {Key: "a.c", Value: []byte("2")}}))
	if e := must[messaging.Entry](t)(b.Get(ctx, "a.a")); string(e.Value) != "2" || len(revisions) != 2 || e.Revision != revisions[0] {
		t.Errorf("revisions %v; got %+v", revisions, e)
	}
}

// deletionMarkers: they are told to those who follow, are no part of a snapshot, and
// stand in nobody's way.
func deletionMarkers(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	one := must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), 0))
	var told messaging.Entry
	err := b.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			return b.Delete(ctx, "a.a", one)
		case c.Deleted:
			told = c.Entry
			return errEnough
		}
		return nil
	})
	wants(t, err, errEnough)
	if told.Key != "a.a" || told.Revision <= one || told.Value != nil {
		t.Errorf("told of %+v", told)
	}
	wants(t, b.Delete(ctx, "a.a", messaging.AnyRevision), messaging.ErrNotFound)
	wants(t, b.Delete(ctx, "a.a", one), messaging.ErrNotFound)
	_, err = b.Put(ctx, "a.a", []byte("x"), one)
	wants(t, err, messaging.ErrConflict)
	if got := snapshot(t, b); len(got) != 0 {
		t.Errorf("a new follower is told %v", got)
	}
	again := must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("2"), 0))
	if again <= told.Revision {
		t.Errorf("revision %d after %d", again, told.Revision)
	}
	empty := must[federation.Revision](t)(b.Put(ctx, "a.a", nil, again))
	if e := must[messaging.Entry](t)(b.Get(ctx, "a.a")); e.Deleted || len(e.Value) != 0 || e.Revision != empty {
		t.Errorf("a record without a value is %+v", e)
	}
}
