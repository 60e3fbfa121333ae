package nats

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// TestLoadNotices: each promise that the load checks can be seen broken.
func TestLoadNotices(t *testing.T) {
	at := time.Now()
	entry := func(s state, r federation.Revision) messaging.Entry {
		return messaging.Entry{Key: "w0.9", Value: s.value(), Revision: r}
	}
	for name, broken := range map[string]func(*load, *writer, *watcher){
		"a lost write":          func(_ *load, w *writer, _ *watcher) { w.check(map[string]messaging.Entry{"w0.9": entry(4, 9)}) },
		"a record that is gone": func(_ *load, w *writer, _ *watcher) { w.check(nil) },
		"half a batch": func(_ *load, w *writer, _ *watcher) {
			w.check(map[string]messaging.Entry{"w0.9": entry(5, 10), "w0.1": entry(7, 11)})
		},
		"an addition that is lost": func(l *load, _ *writer, _ *watcher) {
			l.counted[0].sure = 2
			l.checkCounters(map[string]messaging.Entry{"counter.0": entry(1, 3)})
		},
		"an addition that counts twice": func(l *load, _ *writer, _ *watcher) {
			l.checkCounters(map[string]messaging.Entry{"counter.0": entry(1, 3)})
		},
		"a reader that goes back": func(_ *load, _ *writer, f *watcher) {
			f.take(messaging.Change{Entry: entry(5, 10)})
			f.take(messaging.Change{Entry: entry(4, 9)})
		},
		"two holders": func(l *load, _ *writer, _ *watcher) {
			l.lease.granted(l, "a", at)
			l.lease.granted(l, "b", at)
		},
	} {
		l := &load{}
		w := newWriter(l, "w0", nil)
		*w.keys["w0.9"] = record{sure: 5, revision: 10}
		broken(l, w, &watcher{load: l, have: map[string]messaging.Entry{}})
		if len(l.faults) == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
	l := &load{broken: []span{{at.Add(time.Second), at.Add(3 * time.Second)}}}
	f := &watcher{load: l, progress: []moment{{7, at.Add(10 * time.Second)}}}
	worst, longest, missed := f.stale([]moment{{7, at}, {8, at}})
	if l.whole(worst) != 8*time.Second || longest.to.Sub(longest.from) != 10*time.Second || missed != 1 {
		t.Errorf("%v stale outside faults, %v in all, %d missed", l.whole(worst), longest.to.Sub(longest.from), missed)
	}
}
