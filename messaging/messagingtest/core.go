package messagingtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

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
