package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestModel lets readers of a mirror, some of them slow, see random puts, deletions,
// resets and restarts, and compares what each holds with the bucket whenever nothing
// moves any more. Time stands still until then.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := newModel(t.Context(), rt)
			defer m.end()
			m.start()
			rt.Repeat(map[string]func(*rapid.T){
				"put": m.put, "delete": m.delete, "batch": m.batch,
				"remake":       func(*rapid.T) { m.bus.Remake(subject.Events); m.restores = nil },
				"backup":       func(*rapid.T) { m.restores = append(m.restores, m.bus.Backup()) },
				"restore":      m.restore,
				"trim":         func(t *rapid.T) { m.bus.Trim(subject.Events, rapid.IntRange(0, 6).Draw(t, "keep")) },
				"start reader": m.read,
				"stop reader":  m.stopReader,
				"hold reader":  m.hold,
				"restart":      func(*rapid.T) { m.stop(); m.start() },
				"save":         func(*rapid.T) { <-time.After(2 * time.Second) }, // of the bubble
				"look":         m.look,
				"settle":       func(*rapid.T) { m.settle() },
			})
			m.settle()
		})
	})
}

type model struct {
	t        *rapid.T
	outer    context.Context
	dir      string
	bus      *inproc.Bus
	bucket   messaging.Bucket // of the bus
	restores []func()
	readers  []*modelReader
	set      *Set
	stop     func()
}

func newModel(ctx context.Context, t *rapid.T) *model {
	dir, err := os.MkdirTemp("", "mirror")
	if err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, outer: ctx, dir: dir, bus: inproc.New()}
	m.bucket, _ = m.bus.Bucket(ctx, subject.Events) // never fails
	return m
}

// start begins a life of the process: a mirror that reads its snapshot.
func (m *model) start() {
	set, err := Open(m.outer, m.bus, Options{Buckets: []string{subject.Events}, Dir: m.dir, Every: time.Second})
	if err != nil {
		m.t.Fatal(err)
	}
	m.set = set
	ctx, cancel := context.WithCancel(m.outer)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := set.Run(ctx); !errors.Is(err, context.Canceled) {
			m.t.Errorf("the mirrors ended with %v", err)
		}
	}()
	m.stop = func() {
		for len(m.readers) > 0 {
			m.endReader(0)
		}
		cancel()
		<-done
	}
}

func (m *model) end() {
	m.stop()
	_ = os.RemoveAll(m.dir) // of temporary files
}

func key(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b"}).Draw(t, "first") + "." + fmt.Sprint(rapid.IntRange(0, 4).Draw(t, "second"))
}

func (m *model) put(t *rapid.T) {
	if _, err := m.bucket.Put(m.outer, key(t), rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "value"), messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
}

func (m *model) delete(t *rapid.T) {
	if err := m.bucket.Delete(m.outer, key(t), messaging.AnyRevision); err != nil && !errors.Is(err, messaging.ErrNotFound) {
		t.Fatal(err)
	}
}

func (m *model) batch(t *rapid.T) {
	var writes []messaging.Write
	for range rapid.IntRange(1, 5).Draw(t, "writes") {
		writes = append(writes, messaging.Write{Key: key(t), Expected: messaging.AnyRevision, Delete: rapid.Bool().Draw(t, "delete")})
	}
	if _, err := m.bucket.WriteAll(m.outer, writes); err != nil {
		t.Fatal(err)
	}
}

func (m *model) restore(t *rapid.T) {
	if len(m.restores) == 0 {
		t.Skip("no backup")
	}
	rapid.SampledFrom(m.restores).Draw(t, "backup")()
}

// modelReader holds what a reader of the mirror was told.
type modelReader struct {
	filter string
	stop   func()

	mu       sync.Mutex
	gate     chan struct{} // closed when the reader is slow no more; nil while it is not
	holds    map[string]messaging.Entry
	synced   bool
	last     federation.Revision
	problems []string
}

func (r *modelReader) take(c messaging.Change) error {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	if gate != nil {
		<-gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.Reset:
		r.holds, r.synced, r.last = map[string]messaging.Entry{}, false, 0
		return nil
	case c.Synced && r.synced, c.Deleted && !r.synced, !c.Synced && c.Revision <= r.last, !c.Synced && !subject.Matches(r.filter, c.Key):
		r.problems = append(r.problems, fmt.Sprintf("%+v after revision %d, synced: %v", c, r.last, r.synced))
	case c.Synced:
		r.synced = true
		return nil
	}
	r.last = c.Revision
	if c.Deleted {
		delete(r.holds, c.Key)
	} else {
		r.holds[c.Key] = c.Entry
	}
	return nil
}

func (m *model) read(t *rapid.T) {
	r := &modelReader{filter: rapid.SampledFrom([]string{">", "a.>", "*.1", "b.2"}).Draw(t, "filter"), holds: map[string]messaging.Entry{}}
	m.open(r)
	m.readers = append(m.readers, r)
}

func (m *model) open(r *modelReader) {
	b, err := m.set.Over(m.bus).Bucket(m.outer, subject.Events)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.outer)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Follow(ctx, r.filter, r.take); !errors.Is(err, context.Canceled) {
			m.t.Errorf("a reader ended with %v", err)
		}
	}()
	r.stop = func() { cancel(); <-done }
}

func (m *model) endReader(i int) {
	r := m.readers[i]
	r.release()
	r.stop()
	m.readers = slices.Delete(m.readers, i, i+1)
	if len(r.problems) > 0 {
		m.t.Errorf("a reader was told: %q", r.problems)
	}
}

func (m *model) pick(t *rapid.T) int {
	if len(m.readers) == 0 {
		t.Skip("no reader")
	}
	return rapid.IntRange(0, len(m.readers)-1).Draw(t, "reader")
}

func (m *model) stopReader(t *rapid.T) { m.endReader(m.pick(t)) }

// hold makes a reader slow until all is settled.
func (m *model) hold(t *rapid.T) {
	r := m.readers[m.pick(t)]
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gate == nil {
		r.gate = make(chan struct{})
	}
}

func (r *modelReader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gate != nil {
		close(r.gate)
		r.gate = nil
	}
}

// settle waits until nothing moves and compares every reader with the bucket. What
// limits dropped is told to readers that begin, and not to those that are there.
func (m *model) settle() {
	for _, r := range m.readers {
		r.release()
	}
	fresh := &modelReader{filter: ">", holds: map[string]messaging.Entry{}}
	m.open(fresh)
	<-time.After(10 * time.Second) // of the bubble: every wait in the mirror is over
	synctest.Wait()
	want := m.present()
	m.compare("a new reader", fresh, want)
	fresh.stop()
	oldest := m.oldest()
	for _, r := range m.readers {
		maps.DeleteFunc(r.holds, func(_ string, e messaging.Entry) bool { return e.Revision < oldest })
		m.compare("a reader of "+r.filter, r, want)
	}
}

func (m *model) compare(who string, r *modelReader, want map[string]messaging.Entry) {
	matching := maps.Clone(want)
	maps.DeleteFunc(matching, func(k string, _ messaging.Entry) bool { return !subject.Matches(r.filter, k) })
	if !r.synced || !maps.EqualFunc(r.holds, matching, same) || len(r.problems) > 0 {
		m.t.Fatalf("%s, synced: %v, holds\n%v\nand the bucket has\n%v\n%q", who, r.synced, sorted(r.holds), sorted(matching), r.problems)
	}
}

func sorted(entries map[string]messaging.Entry) []messaging.Entry {
	return slices.SortedFunc(maps.Values(entries), func(a, b messaging.Entry) int { return cmp.Compare(a.Revision, b.Revision) })
}

var errRead = errors.New("read")

// look: a snapshot has everything that was written before it was asked for.
func (m *model) look(t *rapid.T) {
	m.put(t)
	b, err := m.set.Over(m.bus).Bucket(m.outer, subject.Events)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.snapshot(b), m.present(); !maps.EqualFunc(got, want, same) {
		t.Fatalf("a snapshot has\n%v\nand the bucket\n%v", sorted(got), sorted(want))
	}
}

// present asks the bus itself.
func (m *model) present() map[string]messaging.Entry { return m.snapshot(m.bucket) }

func (m *model) snapshot(b messaging.Follower) map[string]messaging.Entry {
	out := map[string]messaging.Entry{}
	err := b.Follow(m.outer, "", func(c messaging.Change) error {
		if c.Synced {
			return errRead
		}
		out[c.Key] = c.Entry
		return nil
	})
	if !errors.Is(err, errRead) {
		m.t.Fatal(err)
	}
	return out
}

func (m *model) oldest() federation.Revision {
	e, err := m.bucket.(messaging.Resumer).Extent(m.outer)
	if err != nil {
		m.t.Fatal(err)
	}
	return e.Oldest
}
