package messagingtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Operator does to the buckets of a bus what operators, limits and failures do.
type Operator struct {
	// Remake makes a bucket anew.
	Remake func(t *testing.T, bucket string)
	// Backup copies the buckets that are kept on disk; restore brings the copies back.
	Backup func(t *testing.T) (restore func(t *testing.T))
	// Trim lets the limits of the bucket Events drop all but the newest records.
	Trim func(t *testing.T, keep int)
}

// RunResume runs the part of the suite about readers that resume. Buckets must
// implement messaging.Resumer.
func RunResume(t *testing.T, open func(t *testing.T) (messaging.Buckets, Operator)) {
	for _, c := range []struct {
		name string
		test func(*testing.T, world)
	}{
		{"extent", extent},
		{"resume", resume},
		{"resume in the middle of a snapshot", resumeMiddle},
		{"resume with nothing new", resumeIdle},
		{"many updates of few keys", manyUpdates},
		{"made anew", remade},
		{"made anew under a reader", remadeUnder},
		{"cut back", cutBack},
		{"cut back and grown again", cutBackAndGrown},
		{"cut back under a reader", cutBackUnder},
		{"restored, but not behind the reader", notBehind},
		{"dropped by limits", dropped},
	} {
		t.Run(c.name, func(t *testing.T) {
			buckets, operator := open(t)
			c.test(t, world{buckets, operator})
		})
	}
}

type world struct {
	buckets  messaging.Buckets
	operator Operator
}

// place is one bucket with its resumer.
type place struct {
	messaging.Bucket
	messaging.Resumer
	t *testing.T
}

func (w world) open(t *testing.T, name string) place {
	t.Helper()
	b := must[messaging.Bucket](t)(w.buckets.Bucket(t.Context(), name))
	r, ok := b.(messaging.Resumer)
	if !ok {
		t.Fatalf("bucket %s cannot be followed from a cursor", name)
	}
	return place{b, r, t}
}

func (p place) put(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		must[federation.Revision](p.t)(p.Put(bounded(p.t), key, []byte(key), messaging.AnyRevision))
	}
}

// putMany writes n records of that many keys, in batches, with the number as value.
func (p place) putMany(n, keys int) {
	p.t.Helper()
	for i := 0; i < n; {
		var writes []messaging.Write
		for ; i < n && len(writes) < min(keys, 1000); i++ {
			writes = append(writes, messaging.Write{Key: fmt.Sprintf("k.%d", i%keys), Value: fmt.Append(nil, i), Expected: messaging.AnyRevision})
		}
		if _, err := p.WriteAll(p.t.Context(), writes); err != nil {
			p.t.Fatal(err)
		}
	}
}

// reader holds what it has read, as one that keeps a snapshot does.
type reader struct {
	at    messaging.Extent
	holds map[string]string
	saw   []string // changes and marks, in order
}

func newReader() *reader { return &reader{holds: map[string]string{}} }

func (r *reader) take(c messaging.Change, at messaging.Extent) {
	switch {
	case c.Reset:
		clear(r.holds)
		r.saw = append(r.saw, "reset")
	case c.Synced:
		r.saw = append(r.saw, "synced")
	case c.Deleted:
		delete(r.holds, c.Key)
		r.saw = append(r.saw, "-"+c.Key)
	default:
		r.holds[c.Key] = string(c.Value)
		r.saw = append(r.saw, c.Key)
	}
	r.at = at
}

// readOn follows until enough says so.
func (r *reader) readOn(p place, enough func(messaging.Change) bool) {
	p.t.Helper()
	r.saw = nil
	err := p.FollowFrom(bounded(p.t), r.at.Cursor, func(c messaging.Change, at messaging.Extent) error {
		if !c.Reset && !c.Synced && c.Revision != at.Revision {
			p.t.Errorf("%+v leaves the reader at %+v", c, at)
		}
		r.take(c, at)
		if enough(c) {
			return errEnough
		}
		return nil
	})
	wants(p.t, err, errEnough)
}

func synced(c messaging.Change) bool { return c.Synced }

func (r *reader) wantSeen(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(r.saw, " "); got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
}

// wantFresh compares what is held with what a reader of everything gets.
func (r *reader) wantFresh(p place) {
	p.t.Helper()
	fresh := newReader()
	fresh.readOn(p, synced)
	if !maps.Equal(r.holds, fresh.holds) {
		p.t.Errorf("the reader holds %v, and a new one %v", r.holds, fresh.holds)
	}
}

// extent: what was written is within it.
func extent(t *testing.T, w world) {
	p := w.open(t, subject.Workloads)
	empty := must[messaging.Extent](t)(p.Extent(bounded(t)))
	if empty.Revision != 0 || empty.Life == "" {
		t.Errorf("an empty bucket has %+v", empty)
	}
	last := must[federation.Revision](t)(p.Put(bounded(t), "a.a", nil, 0))
	if got := must[messaging.Extent](t)(p.Extent(bounded(t))); got.Revision != last || got.Life != empty.Life || got.Oldest != last {
		t.Errorf("after revision %d it has %+v", last, got)
	}
}

// resume: only what is new, with deletions.
func resume(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b", "a.c", "a.d")
	r.readOn(p, synced)
	r.wantSeen(t, "a.a a.b a.c a.d synced")
	p.put("a.b", "a.e", "a.b", "a.f")
	for _, key := range []string{"a.c", "a.f"} {
		if err := p.Delete(bounded(t), key, messaging.AnyRevision); err != nil {
			t.Fatal(err)
		}
	}
	r.readOn(p, synced)
	r.wantSeen(t, "a.e a.b -a.c -a.f synced")
	r.wantFresh(p)
}

// resumeMiddle: a snapshot that was not complete is completed.
func resumeMiddle(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b", "a.c", "a.d")
	r.readOn(p, func(c messaging.Change) bool { return c.Key == "a.b" })
	p.put("a.a")
	if err := p.Delete(bounded(t), "a.b", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	r.readOn(p, synced)
	r.wantSeen(t, "a.c a.d a.a -a.b synced")
	r.wantFresh(p)
}

func resumeIdle(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	r.readOn(p, synced)
	r.wantSeen(t, "synced")
	r.readOn(p, synced)
	r.wantSeen(t, "synced")
	p.put("a.a")
	r.readOn(p, synced)
	r.wantSeen(t, "a.a synced")
	r.readOn(p, synced)
	r.wantSeen(t, "synced")
	r.readOn(p, func(c messaging.Change) bool {
		if c.Synced {
			p.put("a.b")
		}
		return c.Key == "a.b"
	})
	r.wantSeen(t, "synced a.b")
}

// manyUpdates: what a reader has to read is bounded by keys, not by writes.
func manyUpdates(t *testing.T, w world) {
	writes := 100_000
	if testing.Short() {
		writes = 10_000
	}
	p, r := w.open(t, subject.Status), newReader()
	p.putMany(3000, 3000)
	r.readOn(p, synced)
	p.putMany(writes, 1000)
	r.readOn(p, synced)
	if len(r.saw) != 1001 {
		t.Errorf("%d writes of 1,000 keys came as %d changes", writes, len(r.saw)-1)
	}
	r.wantFresh(p)
}

// remade: another bucket under the same name, with as many records.
func remade(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b", "a.c")
	r.readOn(p, synced)
	w.operator.Remake(t, subject.Workloads)
	p.put("b.a", "b.b", "b.c", "b.d")
	r.readOn(p, synced)
	r.wantSeen(t, "reset b.a b.b b.c b.d synced")
	r.wantFresh(p)
}

// remadeUnder: while the reader follows, also when the new one has fewer records.
func remadeUnder(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b", "a.c")
	again := false
	r.readOn(p, func(c messaging.Change) bool {
		if c.Synced && !again {
			again = true
			w.operator.Remake(t, subject.Workloads)
			p.put("b.a")
		}
		return c.Key == "b.a"
	})
	if !slices.Contains(r.saw, "reset") {
		t.Errorf("saw %q", r.saw)
	}
	r.wantFresh(p)
}

// cutBack: to before the cursor.
func cutBack(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b")
	restore := w.operator.Backup(t)
	p.put("a.b", "a.c", "a.d")
	r.readOn(p, synced)
	restore(t)
	r.readOn(p, synced)
	r.wantSeen(t, "reset a.a a.b synced")
	r.wantFresh(p)
}

// cutBackAndGrown: the last revision is beyond the cursor again, of other records.
func cutBackAndGrown(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b")
	restore := w.operator.Backup(t)
	p.put("a.b", "a.c", "a.d")
	r.readOn(p, synced)
	restore(t)
	p.put("b.a", "b.b", "b.c", "b.d", "b.e")
	r.readOn(p, synced)
	r.wantSeen(t, "reset a.a a.b b.a b.b b.c b.d b.e synced")
	r.wantFresh(p)
}

// cutBackUnder: while the reader follows.
func cutBackUnder(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b")
	restore := w.operator.Backup(t)
	p.put("a.b", "a.c", "a.d")
	ctx := bounded(t)
	marks, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() {
		ended <- p.FollowFrom(ctx, messaging.Cursor{}, func(c messaging.Change, at messaging.Extent) error {
			r.take(c, at)
			switch {
			case c.Synced:
				marks <- struct{}{}
			case c.Key == "b.c":
				return errEnough
			}
			return nil
		})
	}()
	<-marks
	restore(t)
	p.put("b.a", "b.b", "b.c")
	wants(t, <-ended, errEnough)
	if !slices.Contains(r.saw, "reset") {
		t.Errorf("saw %q", r.saw)
	}
	r.wantFresh(p)
}

// notBehind: what the reader has read is still there, and it goes on.
func notBehind(t *testing.T, w world) {
	p, r := w.open(t, subject.Workloads), newReader()
	p.put("a.a", "a.b")
	r.readOn(p, synced)
	restore := w.operator.Backup(t)
	p.put("a.c")
	restore(t)
	p.put("b.a")
	r.readOn(p, synced)
	if got := strings.TrimPrefix(strings.Join(r.saw, " "), "reset a.a a.b "); got != "b.a synced" {
		t.Errorf("saw %q", r.saw)
	}
	r.wantFresh(p)
}

// dropped: records that the limits dropped are below at.Oldest.
func dropped(t *testing.T, w world) {
	p := w.open(t, subject.Events)
	p.put("1", "2", "3", "4", "5")
	revisions := map[string]federation.Revision{}
	var at messaging.Extent
	read := func() {
		err := p.FollowFrom(bounded(t), at.Cursor, func(c messaging.Change, now messaging.Extent) error {
			if at = now; c.Synced {
				return errEnough
			}
			revisions[c.Key] = c.Revision
			return nil
		})
		wants(t, err, errEnough)
		maps.DeleteFunc(revisions, func(_ string, r federation.Revision) bool { return r < at.Oldest })
	}
	read()
	w.operator.Trim(t, 3)
	p.put("6")
	read()
	fresh := newReader()
	fresh.readOn(p, synced)
	if got, want := slices.Sorted(maps.Keys(revisions)), slices.Sorted(maps.Keys(fresh.holds)); !slices.Equal(got, want) || len(got) == 6 {
		t.Errorf("the reader holds %v, and a new one %v", got, want)
	}
	if e := must[messaging.Extent](t)(p.Extent(bounded(t))); e.Oldest != at.Oldest {
		t.Errorf("it holds %+v, and told %+v", e, at)
	}
}
