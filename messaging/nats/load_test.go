package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// What uses a bus while it is broken.
const (
	loadWriters   = 4
	keysOfWriter  = 80
	keysTogether  = 5 // keys of a writer that are only written together
	loadCounters  = 3
	loadFollowers = 3
	loadPause     = 5 * time.Millisecond // of a writer, between two writes
)

// load is what uses a bus while it is broken: writers, followers, and those who want
// the one lease. It notes whatever breaks a promise of package messaging.
type load struct {
	stop    context.CancelFunc // of writers and holders
	writing sync.WaitGroup

	acknowledged atomic.Int64

	mu        sync.Mutex
	faults    []string
	written   []moment // acknowledged, in no order
	counted   [loadCounters]struct{ sure, maybe int }
	unknown   int // writes of unknown outcome
	happened  int // of them, those that had happened
	conflicts int
	lastAck   time.Time
	broken    []span        // when the network was, on purpose
	pause     time.Duration // the longest time without an acknowledged write

	writers   []*writer
	followers []*watcher
	lease     leaseRecord
}

// moment is when somebody knew of a revision.
type moment struct {
	revision federation.Revision
	at       time.Time
}

// span is a time from and to.
type span struct{ from, to time.Time }

// whole is how much of a span the network was whole.
func (l *load) whole(s span) time.Duration {
	rest := s.to.Sub(s.from)
	for _, b := range l.broken { // they do not overlap
		from, to := b.from, b.to
		if from.Before(s.from) {
			from = s.from
		}
		if to.After(s.to) {
			to = s.to
		}
		rest -= max(0, to.Sub(from))
	}
	return rest
}

func (l *load) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) < 50 {
		l.faults = append(l.faults, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (l *load) ack(revisions ...federation.Revision) {
	now := time.Now()
	l.acknowledged.Add(int64(len(revisions)))
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range revisions {
		l.written = append(l.written, moment{r, now})
	}
	if !l.lastAck.IsZero() {
		l.pause = max(l.pause, now.Sub(l.lastAck))
	}
	l.lastAck = now
}

// startLoad begins; each of its parts has a connection of its own.
func startLoad(t *testing.T, connect func() (*Conn, error)) *load {
	t.Helper()
	reading, cancel := context.WithCancel(context.Background())
	ctx, stop := context.WithCancel(reading)
	l := &load{stop: stop}
	var following sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		l.writing.Wait()
		following.Wait()
	})
	dial := func() *Conn {
		c, err := connect()
		must(t, err)
		t.Cleanup(c.Close)
		return c
	}
	for i := range loadFollowers {
		f := &watcher{load: l, name: fmt.Sprint("follower ", i), have: map[string]messaging.Entry{}}
		l.followers = append(l.followers, f)
		c := dial()
		following.Go(func() { f.run(reading, c) })
	}
	for i := range loadWriters {
		w := newWriter(l, fmt.Sprint("w", i), workloads(dial()))
		l.writers = append(l.writers, w)
		l.writing.Go(func() { w.run(ctx) })
	}
	for i := range 2 {
		h := &holder{load: l, name: fmt.Sprint("holder ", i), conn: dial()}
		l.writing.Go(func() { h.run(ctx) })
	}
	return l
}

func workloads(c *Conn) messaging.Bucket {
	return &bucket{conn: c, stream: streamName(subject.Workloads), prefix: subject.RecordPrefix(subject.Workloads)}
}

// more waits until n more writes are acknowledged, or returns false when that takes
// longer than limit.
func (l *load) more(n int64, limit time.Duration) bool {
	wanted := l.acknowledged.Load() + n
	return within(limit, func() bool { return l.acknowledged.Load() >= wanted })
}

// within asks until it holds, or the limit is over.
func within(limit time.Duration, holds func() bool) bool {
	over := time.After(limit)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-over:
			return holds()
		case <-ticks.C:
		}
	}
	return true
}

// state of a record: a number that the writer gave it, or gone. Numbers are never
// used twice.
type state int

const gone state = 0

// record is what its writer knows of a record.
type record struct {
	sure     state
	revision federation.Revision // of sure; 0 when gone
	maybe    []state             // of writes whose outcome is not known
}

// writer writes its own keys, one after the other, and knows what must be there.
type writer struct {
	load   *load
	name   string
	bucket messaging.Bucket
	keys   map[string]*record
	last   state
}

func newWriter(l *load, name string, b messaging.Bucket) *writer {
	w := &writer{load: l, name: name, bucket: b, keys: map[string]*record{}}
	for i := range keysOfWriter {
		w.keys[w.key(i)] = &record{}
	}
	return w
}

func (w *writer) key(i int) string { return fmt.Sprintf("%s.%d", w.name, i) }

func (w *writer) run(ctx context.Context) {
	ticks := time.NewTicker(loadPause)
	defer ticks.Stop()
	for turn := 0; ctx.Err() == nil; turn++ {
		i := keysTogether + turn%(keysOfWriter-keysTogether)
		switch turn % 10 {
		case 3:
			w.together(ctx)
		case 6:
			w.count(ctx, turn/10%loadCounters)
		case 9:
			w.remove(ctx, w.key(i))
		default:
			w.put(ctx, w.key(i))
		}
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
}

func (w *writer) next() state {
	w.last++
	return w.last
}

func (s state) value() []byte { return fmt.Append(nil, int(s)) }

func (w *writer) put(ctx context.Context, key string) {
	r, s := w.keys[key], w.next()
	revision, err := w.bucket.Put(ctx, key, s.value(), r.revision)
	if err == nil {
		*r = record{sure: s, revision: revision}
		w.load.ack(revision)
		return
	}
	w.failed(ctx, err, s, key)
}

// remove deletes a record; the answer says no revision, so it counts for no follower.
func (w *writer) remove(ctx context.Context, key string) {
	r := w.keys[key]
	if r.sure == gone {
		return
	}
	err := w.bucket.Delete(ctx, key, r.revision)
	switch {
	case err == nil:
		*r = record{}
		w.load.acknowledged.Add(1)
	case errors.Is(err, messaging.ErrNotFound) && slices.Contains(r.maybe, gone):
		*r = record{}
	case unread(err):
	default:
		w.failed(ctx, err, gone, key)
	}
}

// unread reports an error of reading a record before it is written: nothing was.
func unread(err error) bool {
	if errors.Is(err, messaging.ErrUnknown) {
		return false
	}
	return errors.Is(err, messaging.ErrTimeout) || errors.Is(err, messaging.ErrNoResponder) || errors.Is(err, messaging.ErrDisconnected)
}

// together writes several keys as one batch.
func (w *writer) together(ctx context.Context) {
	s := w.next()
	var writes []messaging.Write
	var keys []string
	for i := range keysTogether {
		keys = append(keys, w.key(i))
		writes = append(writes, messaging.Write{Key: w.key(i), Value: s.value(), Expected: w.keys[w.key(i)].revision})
	}
	revisions, err := w.bucket.WriteAll(ctx, writes)
	if err != nil {
		w.failed(ctx, err, s, keys...)
		return
	}
	for i, key := range keys {
		*w.keys[key] = record{sure: s, revision: revisions[i]}
	}
	w.load.ack(revisions...)
}

// failed finds out what became of a write.
func (w *writer) failed(ctx context.Context, err error, s state, keys ...string) {
	if ctx.Err() != nil {
		for _, key := range keys {
			w.keys[key].maybe = append(w.keys[key].maybe, s)
		}
		return
	}
	switch {
	case errors.Is(err, messaging.ErrUnknown):
		w.load.mu.Lock()
		w.load.unknown++
		w.load.mu.Unlock()
		for _, key := range keys {
			w.keys[key].maybe = append(w.keys[key].maybe, s)
		}
	case errors.Is(err, messaging.ErrConflict) && len(w.keys[keys[0]].maybe) > 0:
		w.load.mu.Lock()
		w.load.conflicts++
		w.load.mu.Unlock()
	default:
		w.load.fault("%s: a write of %s fails with %v, expecting %+v", w.name, keys, err, *w.keys[keys[0]])
	}
	if !within(30*time.Second, func() bool { return w.resolve(ctx, s, keys) || ctx.Err() != nil }) {
		w.load.fault("%s: %s cannot be read, or are not written together", w.name, keys)
	}
}

// resolve reads keys that were written together and reports whether it could.
func (w *writer) resolve(ctx context.Context, s state, keys []string) bool {
	found := make([]messaging.Entry, len(keys))
	for i, key := range keys {
		e, err := w.bucket.Get(ctx, key)
		if err != nil && !errors.Is(err, messaging.ErrNotFound) {
			return false
		}
		if found[i] = e; string(e.Value) != string(found[0].Value) {
			return false // it lands just now
		}
	}
	for i, key := range keys {
		r, now := w.keys[key], stateOf(found[i])
		switch {
		case now == r.sure && found[i].Revision == r.revision:
		case slices.Contains(r.maybe, now):
			if i == 0 && now == s {
				w.load.mu.Lock()
				w.load.happened++
				w.load.mu.Unlock()
			}
			*r = record{sure: now, revision: found[i].Revision, maybe: r.maybe[slices.Index(r.maybe, now)+1:]}
		default:
			w.load.fault("%s: %s is %d at revision %d, and %+v is known", w.name, key, now, found[i].Revision, *r)
		}
	}
	return true
}

func stateOf(e messaging.Entry) state {
	if e.Revision == 0 || e.Deleted {
		return gone
	}
	var s state
	_, _ = fmt.Sscan(strings.TrimSpace(string(e.Value)), &s) // what cannot be read is no state
	return s
}

// count adds one to a counter that all writers use.
func (w *writer) count(ctx context.Context, i int) {
	key := fmt.Sprint("counter.", i)
	e, err := w.bucket.Get(ctx, key)
	if err != nil && !errors.Is(err, messaging.ErrNotFound) {
		return
	}
	revision, err := w.bucket.Put(ctx, key, (stateOf(e) + 1).value(), e.Revision)
	w.load.mu.Lock()
	switch {
	case err == nil:
		w.load.counted[i].sure++
	case !errors.Is(err, messaging.ErrConflict):
		w.load.counted[i].maybe++
	}
	w.load.mu.Unlock()
	if err == nil {
		w.load.ack(revision)
	}
}
