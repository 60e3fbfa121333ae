package decision

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/hansa-io/hansa/federation"
)

// TestTogether: but for the order within one moment, it makes no difference whether
// reports come one by one or together.
func TestTogether(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		r := newRig(t)
		r.batched = true
		datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
			got := r.play(d)
			if slices.Equal(sortedLines(got), sortedLines(d.Expected)) {
				return d.Expected
			}
			return got
		})
	})
}

// TestEvidence: what says who is alive goes first, and each part keeps its order.
func TestEvidence(t *testing.T) {
	beat := func(n uint64) Event { return BeatArrived{Beat: federation.Beat{Sequence: n}} }
	status := func(n uint64) Event { return StatusChanged{Status: federation.WorkStatus{Sequence: n}} }
	lost := Disconnected{Member: "tokyo"}
	evidence, rest := Evidence([]Event{status(1), beat(1), Tick{}, status(2), lost, beat(2)})
	if want := []Event{beat(1), lost, beat(2)}; !reflect.DeepEqual(evidence, want) {
		t.Errorf("evidence: got %v, want %v", evidence, want)
	}
	if want := []Event{status(1), Tick{}, status(2)}; !reflect.DeepEqual(rest, want) {
		t.Errorf("the rest: got %v, want %v", rest, want)
	}
}

func sortedLines(text string) []string { return slices.Sorted(strings.SplitSeq(text, "\n")) }

// due takes the event at i out of what comes later, with those that may be stepped
// together with it.
func (r *rig) due(i int) []Event {
	if !r.batched {
		ev := r.later[i].ev
		r.later = slices.Delete(r.later, i, i+1)
		return []Event{ev}
	}
	var evs []Event
	var left []later
	for _, l := range r.later {
		if l.at.After(r.now) {
			left = append(left, l)
			continue
		}
		if evs = append(evs, l.ev); Together(evs) < len(evs) {
			evs, left = evs[:len(evs)-1], append(left, l)
			left = append(left, r.later[len(evs)+len(left):]...)
			break
		}
	}
	r.later = left
	return evs
}
