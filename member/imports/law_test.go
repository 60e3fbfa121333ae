package imports

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/clusterset"
)

// TestLaws: whatever members do and however often the hub begins anew, a service is in
// the cluster while somebody exports it, endpoints of lost members are not, and in the end
// the cluster is what the exports make together.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		members := []string{"a", "b", "c"}
		w := newWorld(t, members...)
		truth := map[string]federation.Export{}
		term := uint64(1)
		w.tell(term)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			had := w.have.Imports[web] != nil
			member := rapid.SampledFrom(members).Draw(rt, "member")
			switch rapid.SampledFrom([]string{"export", "end", "lose", "find", "wait", "hub"}).Draw(rt, "step") {
			case "export":
				if !w.table.serves(member) {
					break // it is lost, and nobody hears of it
				}
				p := http
				p.Port = int32(rapid.IntRange(80, 81).Draw(rt, "port"))
				truth[member] = export(member, time.Duration(rapid.IntRange(0, 3).Draw(rt, "age"))*time.Hour, []federation.Port{p}, "10.0.0."+fmt.Sprint(member[0]))
				w.tell(term, truth[member])
			case "end":
				if _, is := truth[member]; is && w.table.serves(member) {
					delete(truth, member)
					w.tell(term, gone(member))
				}
			case "lose":
				w.source(member, federation.SourceWithdrawn)
			case "find":
				w.source(member, federation.SourceCurrent)
				if e, is := truth[member]; is {
					w.tell(term, e)
				}
			case "wait":
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "seconds")) * time.Second)
			case "hub": // it knows nothing, and hears from those that are there in time
				term++
				w.tell(term)
				w.settle()
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "late")) * time.Second)
				w.settle()
				w.stillThere(rt, had, truth)
				for _, m := range slices.Sorted(maps.Keys(truth)) {
					if w.table.serves(m) {
						w.tell(term, truth[m])
					}
				}
			}
			w.settle()
			w.stillThere(rt, had, truth)
		}
		w.ends(rt, term, truth)
	})
}

// stillThere: what is imported stays while somebody exports it, and has no endpoints of
// members that are lost.
func (w *world) stillThere(t *rapid.T, had bool, truth map[string]federation.Export) {
	if had && len(truth) > 0 && w.have.Imports[web] == nil {
		t.Fatalf("%v export it, and it is gone", slices.Sorted(maps.Keys(truth)))
	}
	for _, s := range w.have.Slices {
		if m := field[string](s, "metadata", "labels", SourceLabel); !w.table.serves(m) {
			t.Fatalf("endpoints of %s, which is lost", m)
		}
	}
}

// ends brings every member back and waits: the cluster is then as one that never saw any
// of it.
func (w *world) ends(t *rapid.T, term uint64, truth map[string]federation.Export) {
	for _, s := range w.sources {
		w.source(s.Member, federation.SourceCurrent)
	}
	for _, m := range slices.Sorted(maps.Keys(truth)) {
		w.tell(term, truth[m])
	}
	w.now = w.now.Add(Patience)
	w.settle()
	if len(truth) == 0 {
		if len(w.have.Imports)+len(w.have.Services)+len(w.have.Slices) > 0 {
			t.Fatalf("nobody exports it, and there is %v", w.have)
		}
		return
	}
	merged := clusterset.Merge(slices.Collect(maps.Values(truth)))
	if got, want := show(field[[]any](w.have.Imports[web], "spec", "ports")), fmt.Sprintf(`[{"name":"http","port":%d,"protocol":"TCP"}]`, merged.Ports[0].Port); got != want {
		t.Fatalf("ports %s, want %s", got, want)
	}
	if got := len(field[[]any](w.have.Imports[web], "status", "clusters")); got != len(truth) {
		t.Fatalf("it is imported of %d members, and %d export it", got, len(truth))
	}
}
