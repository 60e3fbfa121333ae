package supervise

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// world is a set of parts with what can be seen of them.
type world struct {
	parts *Parts
	ctx   context.Context // ends with the first failure
	log   bytes.Buffer

	mu    sync.Mutex
	order []string
}

func newWorld(t *testing.T) *world {
	w := &world{}
	ctx, fail := context.WithCancelCause(t.Context())
	w.ctx = ctx
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	w.parts = New(log, fail)
	return w
}

// start starts a part that needs the given time to stop.
func (w *world) start(name string, needs time.Duration) {
	w.parts.Start(w.ctx, name, func(ctx context.Context) error {
		<-ctx.Done()
		<-time.After(needs)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.order = append(w.order, name)
		return ctx.Err()
	})
}

// stopped names the parts that have stopped so far, in that order.
func (w *world) stopped() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.order, " ")
}

func TestStopInOppositeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, name := range []string{"etcd", "api", "nodes"} {
			w.start(name, time.Second)
		}
		began := time.Now()
		w.parts.Stop(10 * time.Second)
		if got := w.stopped(); got != "nodes api etcd" {
			t.Fatalf("stopped %s", got)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Fatalf("took %v: parts must stop one after the other", took)
		}
		if w.ctx.Err() != nil {
			t.Fatalf("a part that was told to stop counts as failed: %v", context.Cause(w.ctx))
		}
	})
}

func TestStopLeavesSlowPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start("etcd", 0)
		w.start("slow", time.Hour)
		began := time.Now()
		w.parts.Stop(4 * time.Second)
		if took := time.Since(began); took != 4*time.Second {
			t.Fatalf("took %v, want the limit", took)
		}
		if !strings.Contains(w.log.String(), `msg="part did not stop in time" part=slow`) {
			t.Fatalf("the slow part is not named: %s", &w.log)
		}
		synctest.Wait()
		if got := w.stopped(); got != "etcd" {
			t.Fatalf("stopped %q: the parts after a slow one must be told too", got)
		}
		<-time.After(time.Hour)
	})
}

func TestStartContextOutlivesCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		caller, cancel := context.WithCancel(w.ctx)
		stopped := false
		w.parts.Start(caller, "part", func(ctx context.Context) error {
			<-ctx.Done()
			stopped = true
			return nil
		})
		cancel()
		synctest.Wait()
		if stopped {
			t.Fatal("the part ended with the context of the caller of Start")
		}
		w.parts.Stop(time.Second)
		if !stopped {
			t.Fatal("the part did not end with Stop")
		}
	})
}

func TestFailure(t *testing.T) {
	broken := errors.New("disk full")
	for _, test := range []struct {
		err  error
		want string
	}{
		{broken, "run etcd: disk full"},
		{nil, "etcd ended unexpectedly"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.parts.Start(w.ctx, "etcd", func(context.Context) error { return test.err })
			<-w.ctx.Done()
			w.parts.Start(w.ctx, "api", func(context.Context) error { return errors.New("no etcd") })
			synctest.Wait()
			if got := context.Cause(w.ctx); got.Error() != test.want {
				t.Fatalf("got %v, want %s", got, test.want)
			}
			w.parts.Stop(time.Second)
		})
	}
}
