package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestAgain: what is not answered is asked again beside the first question, and the first
// answer counts.
func TestAgain(t *testing.T) {
	away := errors.New("away")
	lost := func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }
	late := func(d time.Duration, err error) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { <-time.After(d); return int(d / time.Millisecond), err }
	}
	for name, c := range map[string]struct {
		asks []func(context.Context) (int, error) // the first ones; what comes after them is lost
		want int
		err  error
		at   time.Duration
	}{
		"answered at once":                {asks: asks(late(0, nil)), want: 0, at: 0},
		"the first two are lost":          {asks: asks(lost, lost, late(7*time.Millisecond, nil)), want: 7, at: 2*askAgain + 7*time.Millisecond},
		"the first is late, and counts":   {asks: asks(late(400*time.Millisecond, nil)), want: 400, at: 400 * time.Millisecond},
		"nobody answers":                  {err: context.DeadlineExceeded, at: time.Second},
		"refused":                         {asks: asks(late(0, away)), err: away, at: 0},
		"refused while the first is open": {asks: asks(late(300*time.Millisecond, nil), late(0, away)), want: 300, at: 300 * time.Millisecond},
		"both are refused":                {asks: asks(late(200*time.Millisecond, away), late(0, away)), want: 200, err: away, at: 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				began, n := time.Now(), make(chan int, 100)
				got, err := again(ctx, askAgain, func(ctx context.Context) (int, error) {
					n <- 0
					if i := len(n) - 1; i < len(c.asks) {
						return c.asks[i](ctx)
					}
					return lost(ctx)
				})
				if got != c.want || !errors.Is(err, c.err) || time.Since(began) != c.at {
					t.Errorf("%d and %v after %v, want %d and %v after %v", got, err, time.Since(began), c.want, c.err, c.at)
				}
				synctest.Wait()
			})
		})
	}
}

func asks(all ...func(context.Context) (int, error)) []func(context.Context) (int, error) { return all }

// TestLostQuestion: what a bucket holds is known as soon as there is somebody who says so,
// although what was asked before was lost.
func TestLostQuestion(t *testing.T) {
	w := open(t)
	conn, err := w.server.Dial(HubRole)
	must(t, err)
	t.Cleanup(conn.Close)
	must(t, conn.EnsureBuckets(t.Context()))
	b := conn.bucket(subject.Workloads)
	written, err := b.Put(t.Context(), "shop.web", nil, messaging.AnyRevision)
	must(t, err)
	asked := 0
	_, err = conn.nc.Subscribe("LOSSY.>", func(m *nats.Msg) {
		if asked++; asked > 2 {
			_ = conn.nc.PublishRequest("$JS.API"+strings.TrimPrefix(m.Subject, "LOSSY"), m.Reply, m.Data) // who asks waits for it
		}
	})
	must(t, err)
	conn.js, err = jetstream.NewWithAPIPrefix(conn.nc, "LOSSY")
	must(t, err)
	if e, err := b.Extent(t.Context()); err != nil || e.Revision != written {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestConsumerTwice: a consumer that is asked for several times is one consumer, which
// gives everything once.
func TestConsumerTwice(t *testing.T) {
	everywhere(t, func(t *testing.T, w world) {
		conn := w.dialHub(t)
		must(t, conn.EnsureBuckets(t.Context()))
		b := conn.bucket(subject.Workloads)
		for i := range 20 {
			_, err := b.Put(t.Context(), fmt.Sprintf("shop.web-%d", i), nil, messaging.AnyRevision)
			must(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		config := followConfig(b.prefix+">", 0)
		config.Name = "one"
		var making errgroup.Group
		for range 4 {
			making.Go(func() error {
				_, err := conn.js.CreateConsumer(ctx, b.stream, config)
				return err
			})
		}
		must(t, making.Wait())
		consumer, err := conn.js.CreateConsumer(ctx, b.stream, config)
		must(t, err)
		if n := consumer.CachedInfo().NumPending; n != 20 {
			t.Fatalf("%d messages wait, want 20", n)
		}
		messages, err := consumer.Messages()
		must(t, err)
		defer messages.Stop()
		for i := range 20 {
			m, err := messages.Next(jetstream.NextContext(ctx))
			must(t, err)
			if meta, err := m.Metadata(); err != nil || meta.Sequence.Consumer != uint64(i+1) || meta.NumPending != uint64(19-i) {
				t.Errorf("message %d is %+v, %v", i+1, meta, err)
			}
			if i == 10 { // one more that comes late
				_, err := conn.js.CreateConsumer(ctx, b.stream, config)
				must(t, err)
			}
		}
	})
}
