package messagingtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// followTraces: each follower learns of which trace a write was, of the snapshot and
// of later changes, of single writes and of a batch.
func followTraces(t *testing.T, r Roles) {
	ctx, b := bounded(t), bucket(t, r)
	put, _ := trace.Start(ctx, "put")
	late, _ := trace.Start(ctx, "batch")
	must[federation.Revision](t)(b.Put(put, "a.a", nil, 0))
	must[federation.Revision](t)(b.Put(ctx, "a.b", nil, 0))
	var seen []string
	err := b.Follow(ctx, "", func(c messaging.Change) error {
		if c.Synced {
			must[[]federation.Revision](t)(b.WriteAll(ctx, []messaging.Write{{Key: "a.c", Trace: trace.Parent(late)}, {Key: "a.d"}}))
			return nil
		}
		seen = append(seen, c.Key+" "+trace.IDOf(c.Trace))
		if c.Key == "a.d" {
			return errEnough
		}
		return nil
	})
	wants(t, err, errEnough)
	if got, want := fmt.Sprint(seen), fmt.Sprintf("[a.a %s a.b  a.c %s a.d ]", trace.ID(put), trace.ID(late)); got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
}

// requestTrace: who answers is in the trace of who asks.
func requestTrace(t *testing.T, r Roles) {
	ctx, cancel := context.WithCancel(bounded(t))
	ended := make(chan error, 1)
	go func() {
		ended <- r.Responder.Respond(ctx, subject.Hub(subject.HubDescribe), func(ctx context.Context, _ messaging.Message) ([]byte, error) {
			return []byte(trace.ID(ctx)), nil
		})
	}()
	asking, _ := trace.Start(ctx, "ask")
	for ticks := time.NewTicker(10 * time.Millisecond); ; <-ticks.C {
		answer, err := r.Requester.Request(asking, subject.Hub(subject.HubDescribe), nil)
		if err != nil && ctx.Err() == nil {
			continue // nobody answers yet
		}
		if err != nil || string(answer) != trace.ID(asking) {
			t.Errorf("the trace %s is answered as %q, %v", trace.ID(asking), answer, err)
		}
		break
	}
	cancel()
	wants(t, <-ended, context.Canceled)
}
