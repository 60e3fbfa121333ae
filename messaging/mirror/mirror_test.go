package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// run runs a set until the test ends or stop is called.
func run(t testing.TB, bus messaging.Buckets, o Options) (set *Set, stop func()) {
	t.Helper()
	set, err := Open(t.Context(), bus, o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := set.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("the mirrors ended with %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return set, stop
}

func bucketOf(t testing.TB, b messaging.Buckets, name string) messaging.Bucket {
	t.Helper()
	bucket, err := b.Bucket(t.Context(), name)
	must(t, err)
	return bucket
}

// snapshotOf returns the values of what is there, by key.
func snapshotOf(t testing.TB, f messaging.Follower) map[string]string {
	t.Helper()
	out := map[string]string{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := f.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			return errRead
		case c.Reset:
			clear(out)
		case c.Deleted:
			delete(out, c.Key)
		default:
			out[c.Key] = string(c.Value)
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		t.Fatalf("a snapshot ended with %v", err)
	}
	return out
}

// TestSuite: readers of a mirror get what readers of the bus get.
func TestSuite(t *testing.T) {
	messagingtest.Run(t, func(t *testing.T) messagingtest.Roles {
		b := inproc.New()
		set, _ := run(t, b, Options{Buckets: []string{subject.Workloads}})
		works, err := b.Bucket(t.Context(), subject.WorkBucket("tokyo"))
		if err != nil {
			t.Fatal(err)
		}
		return messagingtest.Roles{
			Publisher: b, Subscriber: b, Requester: b, Responder: b, Buckets: set.Over(b), Leaser: b,
			Works: works, Orders: b.Works("tokyo"), MaxPayload: inproc.MaxPayload,
		}
	})
}

// TestSlowReader: it holds nobody up, and finds one version of each record.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := inproc.New()
		set, stop := run(t, bus, Options{Buckets: []string{subject.Status}})
		defer stop()
		b := bucketOf(t, set.Over(bus), subject.Status)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		slow, saw := make(chan struct{}), 0
		go func() {
			_ = b.Follow(ctx, "", func(messaging.Change) error {
				<-slow
				saw++
				return nil
			}) // ends with ctx
		}()
		synctest.Wait()
		for i := range 10_000 {
			_, err := b.Put(ctx, fmt.Sprint(i%10), nil, messaging.AnyRevision)
			must(t, err)
		}
		must(t, b.Delete(ctx, "3", messaging.AnyRevision))
		if got := snapshotOf(t, b); len(got) != 9 {
			t.Errorf("another reader has %v", got)
		}
		close(slow)
		synctest.Wait()
		if saw != 1+10 {
			t.Errorf("it saw %d changes", saw)
		}
		m := set.mirrors[subject.Status]
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.records.byKey) != 9 || len(m.records.markers) != 0 {
			t.Errorf("the mirror keeps %d records and %d markers", len(m.records.byKey), len(m.records.markers))
		}
	})
}

// deaf is a source that stops telling after the first Synced, until it is followed anew.
type deaf struct{ messaging.Resumer }

func (d deaf) FollowFrom(ctx context.Context, from messaging.Cursor, handle func(messaging.Change, messaging.Extent) error) error {
	synced := false
	return d.Resumer.FollowFrom(ctx, from, func(c messaging.Change, at messaging.Extent) error {
		if synced {
			return nil
		}
		synced = c.Synced
		return handle(c, at)
	})
}

// TestStuck: a follower of the bus that brings nothing is replaced; a bus that does
// not answer is asked again.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := inproc.New()
		b := bucketOf(t, bus, subject.Status)
		asked := 0
		bus.Fail = func(operation, _ string) error {
			if operation == "extent" {
				if asked++; asked < 3 {
					return messaging.ErrDisconnected
				}
			}
			return nil
		}
		m := newMirror(subject.Status, deaf{b.(messaging.Resumer)}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.follow(ctx) }()
		synctest.Wait()
		_, err := b.Put(ctx, "a", nil, 0)
		must(t, err)
		if got := snapshotOf(t, m); len(got) != 1 {
			t.Errorf("got %v", got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
}

// lines is a log for tests.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestNoDirectory: what cannot be kept is told once, and nothing else changes.
func TestNoDirectory(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"not a directory", "no snapshots are kept"},
		{"no file can be made", "no snapshot is kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, log, bus := t.TempDir(), &lines{}, inproc.New()
			blocker := filepath.Join(dir, "status.snapshot.new")
			must(t, os.MkdirAll(filepath.Join(blocker, "x"), 0o700))
			if c.name == "not a directory" {
				dir = filepath.Join(dir, "file")
				must(t, os.WriteFile(dir, nil, 0o600))
			}
			set, stop := run(t, bus, Options{Buckets: []string{subject.Status}, Dir: dir, Every: time.Millisecond, Log: log.logger()})
			b := bucketOf(t, set.Over(bus), subject.Status)
			for i := range 20 {
				_, err := b.Put(t.Context(), fmt.Sprint(i), nil, 0)
				must(t, err)
				if got := snapshotOf(t, b); len(got) != i+1 {
					t.Errorf("got %v", got)
				}
			}
			stop()
			if n := log.count(c.text); n != 1 {
				t.Errorf("%q is logged %d times", c.text, n)
			}
		})
	}
}

// TestUnlisted: a bucket that is not mirrored is the bus's own.
func TestUnlisted(t *testing.T) {
	bus := inproc.New()
	set, _ := run(t, bus, Options{Buckets: []string{subject.Status}})
	if b := bucketOf(t, set.Over(bus), subject.Tokens); b != bucketOf(t, bus, subject.Tokens) {
		t.Errorf("got %T", b)
	}
	if _, err := Open(t.Context(), set.Over(bus), Options{Buckets: []string{subject.Status}}); err == nil || !strings.Contains(err.Error(), "cannot be followed from a cursor") {
		t.Errorf("a mirror of a mirror: %v", err)
	}
}
