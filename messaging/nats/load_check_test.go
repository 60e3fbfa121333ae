package nats

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// mostStale is the longest that a follower may not know of an acknowledged write while
// one of three servers is lost, and longestPause the longest that no write succeeds. The
// time during which the network between servers is broken on purpose is not counted for
// the first: a follower at a server that is cut off is told nothing, and that its
// heartbeats go on says nothing about the stream.
const (
	mostStale    = 15 * time.Second
	longestPause = 15 * time.Second
)

// check ends the load and compares what everybody knows.
func (l *load) check(t *testing.T, hub *Conn) {
	t.Helper()
	if !l.more(200, 30*time.Second) {
		t.Errorf("nothing is written at the end")
	}
	l.stop()
	l.writing.Wait()
	end := hub.end(t)
	for _, f := range l.followers {
		if !within(mostStale, func() bool { return f.last() >= end }) {
			t.Errorf("%s is at revision %d of %d", f.name, f.last(), end)
		}
	}
	store := l.read(t, workloads(hub))
	for _, w := range l.writers {
		w.check(store)
	}
	l.checkCounters(store)
	for _, f := range l.followers {
		f.check(t, store)
	}
	l.report(t)
}

// end is the last revision of the bucket.
func (c *Conn) end(t *testing.T) federation.Revision {
	t.Helper()
	stream, err := c.js.Stream(t.Context(), streamName(subject.Workloads))
	must(t, err)
	return federation.Revision(stream.CachedInfo().State.LastSeq)
}

// read asks the bus for every record.
func (l *load) read(t *testing.T, b messaging.Bucket) map[string]messaging.Entry {
	t.Helper()
	var keys []string
	for _, w := range l.writers {
		for key := range w.keys {
			keys = append(keys, key)
		}
	}
	for i := range loadCounters {
		keys = append(keys, fmt.Sprint("counter.", i))
	}
	all := map[string]messaging.Entry{}
	for _, key := range keys {
		e, err := b.Get(t.Context(), key)
		if errors.Is(err, messaging.ErrNotFound) {
			continue
		}
		must(t, err)
		all[key] = e
	}
	return all
}

// check compares what a writer knows with what there is.
func (w *writer) check(store map[string]messaging.Entry) {
	for key, r := range w.keys {
		e := store[key]
		now := stateOf(e)
		if now == r.sure && e.Revision == r.revision || slices.Contains(r.maybe, now) {
			continue
		}
		w.load.fault("%s: %s is %d at revision %d in the end, and %+v is known", w.name, key, now, e.Revision, *r)
	}
	first := store[w.key(0)]
	for i := range keysTogether {
		if e := store[w.key(i)]; string(e.Value) != string(first.Value) {
			w.load.fault("%s: %s is %q, and %s, which was written with it, is %q", w.name, e.Key, e.Value, first.Key, first.Value)
		}
	}
}

// checkCounters: every acknowledged addition counts, once.
func (l *load) checkCounters(store map[string]messaging.Entry) {
	for i, c := range l.counted {
		if now := int(stateOf(store[fmt.Sprint("counter.", i)])); now < c.sure || now > c.sure+c.maybe {
			l.fault("counter %d is %d after %d acknowledged additions and %d of unknown outcome", i, now, c.sure, c.maybe)
		}
	}
}

// check compares what a follower knows with what there is, and tells how stale it was.
func (f *watcher) check(t *testing.T, store map[string]messaging.Entry) {
	t.Helper()
	worst, longest, missed := f.stale(f.load.written)
	f.mu.Lock()
	defer f.mu.Unlock()
	outside := f.load.whole(worst)
	t.Logf("%s: at most %v stale (until %s), and %v (until %s) not counting broken wires; %d times begun anew", f.name,
		longest.to.Sub(longest.from).Round(time.Millisecond), longest.to.Format("15:04:05.000"),
		outside.Round(time.Millisecond), worst.to.Format("15:04:05.000"), f.resets)
	if outside > mostStale || missed > 0 {
		t.Errorf("%s: %v stale, %d acknowledged writes not seen", f.name, outside, missed)
	}
	if len(f.have) != len(store) {
		t.Errorf("%s has %d records of %d", f.name, len(f.have), len(store))
	}
	for key, e := range store {
		if f.have[key].Revision != e.Revision {
			t.Errorf("%s has %s at revision %d, it is at %d", f.name, key, f.have[key].Revision, e.Revision)
		}
	}
}

// report tells what happened, and what must not have.
func (l *load) report(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fault := range l.faults {
		t.Error(fault)
	}
	if l.pause > longestPause {
		t.Errorf("for %v no write was acknowledged", l.pause)
	}
	if l.lease.grants == 0 {
		t.Error("nobody got the lease")
	}
	t.Logf("%d writes acknowledged, %d of unknown outcome (%d had happened), %d conflicts with them; longest pause %v; lease granted %d times, passed on %d times",
		len(l.written), l.unknown, l.happened, l.conflicts, l.pause.Round(time.Millisecond), l.lease.grants, l.lease.passed-1)
}
