package messagingtest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

func bucket(t *testing.T, r Roles) messaging.Bucket {
	t.Helper()
	return must[messaging.Bucket](t)(r.Buckets.Bucket(t.Context(), subject.Workloads))
}

func compareAndSet(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	_, err := b.Get(ctx, "a.b")
	wants(t, err, messaging.ErrNotFound)
	_, err = b.Put(ctx, "a.b", []byte("x"), 7)
	wants(t, err, messaging.ErrConflict)
	one := must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("1"), 0))
	_, err = b.Put(ctx, "a.b", []byte("x"), 0)
	wants(t, err, messaging.ErrConflict)
	two := must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("2"), one))
	_, err = b.Put(ctx, "a.b", []byte("x"), one)
	wants(t, err, messaging.ErrConflict)
	three := must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("3"), messaging.AnyRevision))
	e := must[messaging.Entry](t)(b.Get(ctx, "a.b"))
	if one >= two || two >= three || e.Revision != three || string(e.Value) != "3" || e.Key != "a.b" || e.Deleted {
		t.Errorf("revisions %d, %d, %d; got %+v", one, two, three, e)
	}
}

func deletion(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	wants(t, b.Delete(ctx, "a.b", messaging.AnyRevision), messaging.ErrNotFound)
	one := must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("1"), 0))
	wants(t, b.Delete(ctx, "a.b", one+5), messaging.ErrConflict)
	if err := b.Delete(ctx, "a.b", one); err != nil {
		t.Fatal(err)
	}
	_, err := b.Get(ctx, "a.b")
	wants(t, err, messaging.ErrNotFound)
	again := must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("2"), 0))
	if again <= one {
		t.Errorf("revision %d after %d", again, one)
	}
}

func writeAll(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	one := must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), 0))
	_, err := b.WriteAll(ctx, []messaging.Write{{Key: "a.b", Value: []byte("x")}, {Key: "a.a", Value: []byte("x"), Expected: one + 9}})
	wants(t, err, messaging.ErrConflict)
	_, err = b.Get(ctx, "a.b")
	wants(t, err, messaging.ErrNotFound)
	got := must[[]federation.Revision](t)(b.WriteAll(ctx, []messaging.Write{
		{Key: "a.b", Value: []byte("2")}, {Key: "a.a", Expected: one, Delete: true}, {Key: "a.c", Value: []byte("3"), Expected: messaging.AnyRevision},
	}))
	if len(got) != 3 || got[0] >= got[1] || got[1] >= got[2] {
		t.Errorf("revisions %v", got)
	}
	_, err = b.Get(ctx, "a.a")
	wants(t, err, messaging.ErrNotFound)
	if e := must[messaging.Entry](t)(b.Get(ctx, "a.c")); e.Revision != got[2] || string(e.Value) != "3" {
		t.Errorf("got %+v", e)
	}
}

func lease(t *testing.T, r Roles) {
	ctx := bounded(t)
	one := must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("a"), time.Minute, 0))
	_, err := r.Leaser.Acquire(ctx, "hub", []byte("b"), time.Minute, 0)
	wants(t, err, messaging.ErrConflict)
	two := must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("a"), time.Second, one))
	wants(t, r.Leaser.Release(ctx, "hub", one), messaging.ErrConflict)
	if two <= one {
		t.Errorf("revision %d after %d", two, one)
	}
	_, err = r.Leaser.Acquire(ctx, "hub", []byte("b"), time.Minute, 0)
	for ticks := time.NewTicker(20 * time.Millisecond); errors.Is(err, messaging.ErrConflict); _, err = r.Leaser.Acquire(ctx, "hub", []byte("b"), time.Minute, 0) {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Fatal("the lease does not end")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func tooLarge(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	_, err := b.Put(ctx, "a.b", bytes.Repeat([]byte("x"), r.MaxPayload+1), 0)
	wants(t, err, messaging.ErrTooLarge)
	_, err = b.Get(ctx, "a.b")
	wants(t, err, messaging.ErrNotFound)
}
