package messagingtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// overhead is room for what a bus sends along with a value.
const overhead = 4 << 10

// oversize: what is too large is refused by name, whichever way it is sent, and what
// just fits arrives whole.
func oversize(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	large := bytes.Repeat([]byte("x"), r.MaxPayload+1)
	wants(t, r.Publisher.Publish(subject.GatewayBeat(), large), messaging.ErrTooLarge)
	_, err := r.Requester.Request(ctx, subject.Hub(subject.HubDescribe), large)
	wants(t, err, messaging.ErrTooLarge)
	_, err = b.WriteAll(ctx, []messaging.Write{{Key: "a.a", Value: []byte("x")}, {Key: "a.b", Value: large}})
	wants(t, err, messaging.ErrTooLarge)
	_, err = r.Leaser.Acquire(ctx, "hub", large, time.Minute, 0)
	wants(t, err, messaging.ErrTooLarge)

	whole := bytes.Repeat([]byte("y"), r.MaxPayload-overhead)
	must[federation.Revision](t)(b.Put(ctx, "a.whole", whole, 0))
	if e := must[messaging.Entry](t)(b.Get(ctx, "a.whole")); !bytes.Equal(e.Value, whole) {
		t.Errorf("of %d bytes %d are read", len(whole), len(e.Value))
	}
	if got := snapshot(t, b); len(got) != 1 || !bytes.Equal(got["a.whole"].Value, whole) {
		t.Errorf("a follower is told %d records", len(got))
	}
}

// serving lets the hub answer until the test ends, and returns when it does, with how
// to ask it.
func serving(t *testing.T, r Roles, answer func(string) ([]byte, error)) func(string) ([]byte, error) {
	t.Helper()
	return served(t, r, func(ctx context.Context, a answering) error {
		return r.Responder.Respond(ctx, subject.Hub(subject.HubDescribe), a)
	}, answer)
}

type answering = func(context.Context, messaging.Message) ([]byte, error)

func served(t *testing.T, r Roles, respond func(context.Context, answering) error, answer func(string) ([]byte, error)) func(string) ([]byte, error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- respond(ctx, func(_ context.Context, m messaging.Message) ([]byte, error) {
			if string(m.Data) == "ready?" {
				return nil, nil
			}
			return answer(string(m.Data))
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("respond ended with %v", err)
		}
	})
	asking := bounded(t)
	ask := func(text string) ([]byte, error) {
		return r.Requester.Request(asking, subject.Hub(subject.HubDescribe), []byte(text))
	}
	for _, err := ask("ready?"); err != nil; _, err = ask("ready?") {
		if !errors.Is(err, messaging.ErrNoResponder) || asking.Err() != nil {
			t.Fatal(err)
		}
	}
	return ask
}

// longRefusal: a refusal of any length reaches the one who asked, and an answer that
// does not fit is a refusal.
func longRefusal(t *testing.T, r Roles) {
	long := "the first line\nand " + strings.Repeat("ü", 1<<20)
	ask := serving(t, r, func(text string) ([]byte, error) {
		if text == "large" {
			return bytes.Repeat([]byte("x"), r.MaxPayload+1), nil
		}
		return []byte("not to be seen"), messaging.Errorf(messaging.Refused, "%s", long)
	})
	var remote *messaging.RemoteError
	if data, err := ask("refuse"); !errors.As(err, &remote) || remote.Kind != messaging.Refused || !strings.HasPrefix(remote.Text, "the first line\nand üü") || data != nil {
		t.Errorf("refused with %.100q, %.100v", data, err)
	}
	if _, err := ask("large"); !errors.As(err, &remote) || remote.Kind != messaging.InternalKind || !strings.Contains(remote.Text, messaging.ErrTooLarge.Error()) {
		t.Errorf("an answer that is too large is %.100v", err)
	}
}

// manyRequests: those that wait for an answer do not keep the others from theirs, and
// each gets its own.
func manyRequests(t *testing.T, r Roles) {
	release := make(chan struct{})
	ask := serving(t, r, func(text string) ([]byte, error) {
		if strings.HasPrefix(text, "slow") {
			<-release
		}
		return []byte("re: " + text), nil
	})
	check := func(text string) {
		if got, err := ask(text); err != nil || string(got) != "re: "+text {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	var asking sync.WaitGroup
	for i := range 16 {
		asking.Go(func() { check(fmt.Sprint("slow ", i)) })
	}
	for i := range 500 {
		asking.Go(func() { check(fmt.Sprint("quick ", i)) })
		if i%50 == 0 {
			check(fmt.Sprint("now ", i))
		}
	}
	close(release)
	asking.Wait()
}

// admission: what is not let in is refused at once, also while what was let in waits,
// and takes nobody's turn.
func admission(t *testing.T, r Roles) {
	if r.Admitter == nil {
		t.Skip("a bus that lets everything in")
	}
	release := make(chan struct{})
	respond := func(ctx context.Context, a answering) error {
		return r.Admitter.RespondAdmitted(ctx, subject.Hub(subject.HubDescribe), func(m messaging.Message) error {
			if strings.HasPrefix(string(m.Data), "too many") {
				return messaging.Errorf(messaging.Unavailable, "ask again later")
			}
			return nil
		}, a)
	}
	ask := served(t, r, respond, func(text string) ([]byte, error) {
		if text == "slow" {
			<-release
		}
		return []byte("re: " + text), nil
	})
	var asking sync.WaitGroup
	for range 16 {
		asking.Go(func() {
			if got, err := ask("slow"); err != nil || string(got) != "re: slow" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	var remote *messaging.RemoteError
	for i := range 500 {
		if _, err := ask(fmt.Sprint("too many ", i)); !errors.As(err, &remote) || remote.Kind != messaging.Unavailable {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if got, err := ask("one"); err != nil || string(got) != "re: one" {
		t.Errorf("got %q, %v", got, err)
	}
	close(release)
	asking.Wait()
}
