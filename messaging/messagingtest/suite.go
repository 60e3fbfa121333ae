// Package messagingtest is the suite that every implementation of the roles in
// package messaging has to pass.
//
// It uses subjects and buckets that gateways and the hub have rights for, so that
// it runs on a bus with least privileges too.
package messagingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Roles are the parts of one bus, with empty buckets.
type Roles struct {
	Publisher  messaging.Publisher  // may speak as a gateway
	Subscriber messaging.Subscriber // hears gateways
	Requester  messaging.Requester  // may ask as a gateway
	Responder  messaging.Responder  // answers as the hub
	Buckets    messaging.Buckets    // as the hub
	Leaser     messaging.Leaser
	MaxPayload int // bytes
}

// limit bounds every wait.
const limit = 20 * time.Second

// Run runs the suite; open is called for each test.
func Run(t *testing.T, open func(t *testing.T) Roles) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Roles)
	}{
		{"publish", publish},
		{"request", request},
		{"compare and set", compareAndSet},
		{"delete", deletion},
		{"write all", writeAll},
		{"follow", follow},
		{"follow filter", followFilter},
		{"follow ends", followEnds},
		{"lease", lease},
		{"too large", tooLarge},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// publish: a subscriber hears in order.
func publish(t *testing.T, r Roles) {
	ctx := bounded(t)
	heard := make(chan messaging.Message, 100)
	stop := must[func()](t)(r.Subscriber.Subscribe(ctx, subject.GatewayBeat(), func(m messaging.Message) { heard <- m }))
	defer stop()
	first := make(chan struct{})
	say := func(text string) {
		if err := r.Publisher.Publish(subject.GatewayBeat(), []byte(text)); err != nil {
			t.Error(err)
		}
	}
	go func() { // until the subscription is known to the bus
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for heardOne := false; !heardOne && ctx.Err() == nil; {
			say("hello")
			select {
			case <-first:
				heardOne = true
			case <-ctx.Done():
			case <-ticks.C:
			}
		}
		for i := range 20 {
			say(fmt.Sprint(i))
		}
	}()
	next := func() string {
		select {
		case m := <-heard:
			return string(m.Data)
		case <-ctx.Done():
			t.Fatal("not heard")
		}
		return ""
	}
	next()
	close(first)
	for i := 0; i < 20; {
		if got := next(); got == fmt.Sprint(i) {
			i++
		} else if got != "hello" {
			t.Fatalf("heard %q, want %d", got, i)
		}
	}
}

// request: answers, errors with their kind, nobody there, no answer in time.
func request(t *testing.T, r Roles) {
	ctx := bounded(t)
	_, err := r.Requester.Request(ctx, subject.Hub(subject.HubDescribe), nil)
	wants(t, err, messaging.ErrNoResponder)
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	release := make(chan struct{})
	go func() {
		ended <- r.Responder.Respond(serving, subject.Hub(subject.HubDescribe), func(_ context.Context, m messaging.Message) ([]byte, error) {
			switch string(m.Data) {
			case "refuse":
				return nil, messaging.Errorf(messaging.Refused, "not now")
			case "break":
				return nil, errors.New("broken")
			case "wait":
				<-release
			}
			return append([]byte("re: "), m.Data...), nil
		})
	}()
	ask := func(text string) ([]byte, error) {
		return r.Requester.Request(ctx, subject.Hub(subject.HubDescribe), []byte(text))
	}
	answer, err := ask("hello")
	for ticks := time.NewTicker(5 * time.Millisecond); errors.Is(err, messaging.ErrNoResponder); answer, err = ask("hello") {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
	if err != nil || string(answer) != "re: hello" {
		t.Fatalf("got %q, %v", answer, err)
	}
	for text, kind := range map[string]messaging.Kind{"refuse": messaging.Refused, "break": messaging.InternalKind} {
		var remote *messaging.RemoteError
		if _, err := ask(text); !errors.As(err, &remote) || remote.Kind != kind {
			t.Errorf("%s: %v, want kind %s", text, err, kind)
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = r.Requester.Request(short, subject.Hub(subject.HubDescribe), []byte("wait"))
	wants(t, err, messaging.ErrTimeout)
	close(release)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("respond ended with %v", err)
	}
}

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

var errEnough = errors.New("enough")

// follow: the snapshot, the mark, then changes in their order, with deletions.
func follow(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("old"), 0))
	must[federation.Revision](t)(b.Put(ctx, "a.gone", []byte("x"), 0))
	must[federation.Revision](t)(b.Put(ctx, "a.a", []byte("1"), messaging.AnyRevision))
	must[federation.Revision](t)(b.Put(ctx, "a.b", []byte("2"), 0))
	if err := b.Delete(ctx, "a.gone", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	var seen []string
	var last federation.Revision
	err := b.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			seen = append(seen, "synced")
			must[federation.Revision](t)(b.Put(ctx, "a.c", []byte("3"), 0))
			return b.Delete(ctx, "a.b", messaging.AnyRevision)
		case c.Deleted:
			seen = append(seen, "-"+c.Key)
			return errEnough
		}
		if c.Revision <= last {
			t.Errorf("revision %d after %d", c.Revision, last)
		}
		last = c.Revision
		seen = append(seen, c.Key+"="+string(c.Value))
		return nil
	})
	wants(t, err, errEnough)
	if got, want := fmt.Sprint(seen), "[a.a=1 a.b=2 synced a.c=3 -a.b]"; got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
}

func followFilter(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	for _, key := range []string{"a.a", "b.a", "a.b"} {
		must[federation.Revision](t)(b.Put(ctx, key, []byte(key), 0))
	}
	var seen []string
	err := b.Follow(ctx, "a.>", func(c messaging.Change) error {
		if c.Synced {
			return errEnough
		}
		seen = append(seen, c.Key)
		return nil
	})
	wants(t, err, errEnough)
	if fmt.Sprint(seen) != "[a.a a.b]" {
		t.Errorf("saw %v", seen)
	}
}

// followEnds: with its context, also when nothing happens; an empty bucket is synced.
func followEnds(t *testing.T, r Roles) {
	ctx, stop := context.WithCancel(bounded(t))
	err := bucket(t, r).Follow(ctx, "", func(c messaging.Change) error {
		if !c.Synced {
			t.Errorf("an empty bucket says %+v", c)
		}
		stop()
		return nil
	})
	wants(t, err, context.Canceled)
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
