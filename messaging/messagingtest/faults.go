package messagingtest

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Faults breaks the way between one caller and the bus.
type Faults struct {
	// Around are the buckets by a way that stays whole.
	Around messaging.Buckets
	// LoseAnswers lets everything through and loses what comes back, until mend.
	LoseAnswers func(t *testing.T) (mend func())
	// Cut lets nothing through, which the caller notices, until mend.
	Cut func(t *testing.T) (mend func())
}

// RunFaults runs the tests of a bus that cannot be reached; open is called for each
// test. Only Publisher, Requester, Buckets and Leaser of the roles are used, and all
// of them go the way that the faults break.
func RunFaults(t *testing.T, open func(t *testing.T) (Roles, Faults)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Roles, Faults)
	}{
		{"ambiguous writes", ambiguousWrites},
		{"cut off", cutOff},
		{"follow through", followThrough},
		{"follow ends while cut off", followEndsCutOff},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, f := open(t)
			c.test(t, r, f)
		})
	}
}

// eventually returns the record when the bus is reachable again.
func eventually(ctx context.Context, t *testing.T, b messaging.Bucket, key string) messaging.Entry {
	t.Helper()
	for {
		e, err := b.Get(ctx, key)
		if err == nil || errors.Is(err, messaging.ErrNotFound) || ctx.Err() != nil {
			return must[messaging.Entry](t)(e, err)
		}
	}
}

// ambiguousWrites: a write whose answer is lost is ErrUnknown, and who reads then finds
// what was written, all of it if it was a batch, and can go on from there.
func ambiguousWrites(t *testing.T, r Roles, f Faults) {
	ctx, b := bounded(t), bucket(t, r)
	leases := must[messaging.Bucket](t)(r.Buckets.Bucket(ctx, subject.Leases))
	one := must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), 0))
	mend := f.LoseAnswers(t)
	var put, batch, lease error
	var writing sync.WaitGroup
	writing.Go(func() { _, put = b.Put(ctx, "a.a", []byte("2"), one) })
	writing.Go(func() { _, batch = b.WriteAll(ctx, creations(100)) })
	writing.Go(func() { _, lease = r.Leaser.Acquire(ctx, "hub", []byte("me"), time.Minute, 0) })
	writing.Wait()
	mend()
	for _, err := range []error{put, batch, lease} {
		wants(t, err, messaging.ErrUnknown)
	}
	e := eventually(ctx, t, b, "a.a")
	if string(e.Value) != "2" {
		t.Fatalf("the record is %+v", e)
	}
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("3"), e.Revision))
	if got := snapshot(t, b); len(got) != 1+100 {
		t.Errorf("%d records are there", len(got))
	}
	held := must[messaging.Entry](t)(leases.Get(ctx, "hub"))
	if string(held.Value) != "me" {
		t.Fatalf("the lease is %+v", held)
	}
	must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("me"), time.Minute, held.Revision))
}

// short is the context of somebody who does not wait long.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// cutOff: nobody waits for what cannot come: messages and requests fail, writes say
// that they do not know; and all of it works again afterwards.
func cutOff(t *testing.T, r Roles, f Faults) {
	ctx, b := bounded(t), bucket(t, r)
	one := must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), 0))
	mend := f.Cut(t)
	began := time.Now()
	err := r.Publisher.Publish(subject.GatewayBeat(), []byte("x"))
	for ; err == nil && ctx.Err() == nil; err = r.Publisher.Publish(subject.GatewayBeat(), []byte("x")) {
		runtime.Gosched() // until the caller has noticed
	}
	wants(t, err, messaging.ErrDisconnected)
	if _, err := r.Requester.Request(short(t), subject.Hub(subject.HubDescribe), nil); !errors.Is(err, messaging.ErrDisconnected) && !errors.Is(err, messaging.ErrTimeout) {
		t.Errorf("a request fails with %v", err)
	}
	_, err = b.Put(ctx, "a.a", []byte("2"), one)
	wants(t, err, messaging.ErrUnknown)
	_, err = b.WriteAll(ctx, creations(3))
	wants(t, err, messaging.ErrUnknown)
	_, err = r.Leaser.Acquire(ctx, "hub", []byte("me"), time.Minute, 0)
	wants(t, err, messaging.ErrUnknown)
	if _, err := b.Get(short(t), "a.a"); err == nil || errors.Is(err, messaging.ErrNotFound) {
		t.Errorf("a read fails with %v", err)
	}
	if took := time.Since(began); took > limit/2 {
		t.Errorf("it takes %v to fail", took)
	}
	mend()
	if e := eventually(ctx, t, b, "a.a"); e.Revision != one {
		t.Errorf("the record is %+v", e)
	}
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("3"), one))
}

// followThrough: a follower goes on after a cut, without a gap and without anything
// twice, and knows what was deleted meanwhile.
func followThrough(t *testing.T, r Roles, f Faults) {
	ctx, b := bounded(t), bucket(t, r)
	around := must[messaging.Bucket](t)(f.Around.Bucket(ctx, subject.Workloads))
	revisions := must[[]federation.Revision](t)(around.WriteAll(ctx, creations(20)))
	wanted := map[string]federation.Revision{}
	for i, revision := range revisions {
		wanted[creations(20)[i].Key] = revision
	}
	reader, synced := newReading(), make(chan struct{})
	var seen federation.Revision
	reader.before = func(c messaging.Change) {
		switch {
		case c.Synced:
			close(synced)
		case c.Reset:
			t.Error("it is told to forget")
		case c.Revision <= seen:
			t.Errorf("revision %d comes after %d", c.Revision, seen)
		}
		seen = max(seen, c.Revision)
	}
	go reader.read(ctx, b)
	select {
	case <-synced:
	case <-ctx.Done():
		t.Fatal("not synced")
	}
	mend := f.Cut(t)
	if err := around.Delete(ctx, "batch.3", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	delete(wanted, "batch.3")
	wanted["batch.4"] = must[federation.Revision](t)(around.Put(ctx, "batch.4", []byte("new"), messaging.AnyRevision))
	mend()
	wanted["a.last"] = must[federation.Revision](t)(around.Put(ctx, "a.last", []byte("last"), 0))
	wants(t, <-reader.ended, errEnough)
	if !maps.Equal(reader.have, wanted) {
		t.Errorf("it has %v, there is %v", reader.have, wanted)
	}
}

// followEndsCutOff: a follower ends with its context, also when the bus is away.
func followEndsCutOff(t *testing.T, r Roles, f Faults) {
	ctx, stop := context.WithCancel(bounded(t))
	reader, synced := newReading(), make(chan struct{})
	reader.before = func(c messaging.Change) {
		if c.Synced {
			close(synced)
		}
	}
	go reader.read(ctx, bucket(t, r))
	<-synced
	defer f.Cut(t)()
	// Long enough that the follower has noticed and tries again.
	_, err := bucket(t, r).Put(bounded(t), "a.a", []byte("x"), 0)
	wants(t, err, messaging.ErrUnknown)
	stop()
	select {
	case err := <-reader.ended:
		wants(t, err, context.Canceled)
	case <-time.After(limit / 4):
		t.Error("it goes on")
	}
}
