package lease

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func text(effects []Effect) string {
	var out []string
	for _, e := range effects {
		out = append(out, strings.TrimPrefix(fmt.Sprintf("%T%v", e, e), "lease."))
	}
	return strings.Join(out, " ")
}

func TestLeader(t *testing.T) {
	type step struct {
		at   time.Duration
		ev   Event
		want string
	}
	for name, steps := range map[string][]step{
		"wins, renews, resigns": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Granted{1, 7}, "Lead{7}"},
			{1010 * time.Millisecond, Tick{}, "Acquire{2 7}"},
			{1020 * time.Millisecond, Granted{2, 8}, ""},
			{1500 * time.Millisecond, Resign{}, "StepDown{resigned} Release{8}"},
			{time.Hour, Tick{}, ""},
		},
		"follows while another holds it": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Refused{1, 7}, ""},
			{500 * time.Millisecond, Tick{}, "Acquire{2 0}"},
		},
		"asks often when another hub's lease is about to end, until it is renewed": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Refused{1, 7}, ""},
			{500 * time.Millisecond, Tick{}, "Acquire{2 0}"},
			{510 * time.Millisecond, Refused{2, 8}, ""},
			{1000 * time.Millisecond, Tick{}, "Acquire{3 0}"},
			{4500 * time.Millisecond, Refused{3, 8}, "Acquire{4 0}"},
			{4510 * time.Millisecond, Refused{4, 8}, ""},
			{4559 * time.Millisecond, Tick{}, ""},
			{4560 * time.Millisecond, Tick{}, "Acquire{5 0}"},
			{4570 * time.Millisecond, Refused{5, 9}, ""},
			{5059 * time.Millisecond, Tick{}, ""},
			{5060 * time.Millisecond, Tick{}, "Acquire{6 0}"},
			{5070 * time.Millisecond, Refused{6, 0}, ""},
		},
		"loses it to another": {
			{0, Tick{}, "Acquire{1 0}"},
			{0, Granted{1, 7}, "Lead{7}"},
			{time.Second, Tick{}, "Acquire{2 7}"},
			{time.Second, Refused{2, 8}, "StepDown{another hub holds the lease}"},
		},
		"steps down by its own clock": {
			{0, Tick{}, "Acquire{1 0}"},
			{300 * time.Millisecond, Granted{1, 7}, "Lead{7}"},
			{1300 * time.Millisecond, Tick{}, "Acquire{2 7}"},
			{2300 * time.Millisecond, Unknown{2}, "Acquire{3 7}"},
			{4000 * time.Millisecond, Tick{}, "StepDown{the lease was not renewed in time}"},
			{4100 * time.Millisecond, Granted{3, 9}, ""},
			{4500 * time.Millisecond, Tick{}, "Acquire{4 0}"},
		},
		"leads above a term that was heard": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Granted{1, 7}, "Lead{7}"},
			{20 * time.Millisecond, TermHeard{6}, ""},
			{30 * time.Millisecond, TermHeard{900}, "StepDown{term 900 was heard, which another hub led in} Release{7}"},
			{530 * time.Millisecond, Tick{}, "Acquire{2 0}"},
			{540 * time.Millisecond, Granted{2, 9}, "Lead{4294967305}"},
			{550 * time.Millisecond, TermHeard{900}, ""},
		},
		"leads above its own term when another hub has led in it": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Granted{1, 7}, "Lead{7}"},
			{20 * time.Millisecond, TermHeard{7}, "StepDown{term 7 was heard, which another hub led in} Release{7}"},
			{520 * time.Millisecond, Tick{}, "Acquire{2 0}"},
			{530 * time.Millisecond, Granted{2, 8}, "Lead{8}"},
		},
		"stays in its generation when the store has caught up": {
			{0, TermHeard{900}, "Acquire{1 0}"},
			{10 * time.Millisecond, Granted{1, 901}, "Lead{901}"},
		},
		"does not believe in a term out of this world": {
			{0, Tick{}, "Acquire{1 0}"},
			{10 * time.Millisecond, Granted{1, 7}, "Lead{7}"},
			{20 * time.Millisecond, TermHeard{1 << 63}, ""},
		},
		"wakes after a pause": {
			{0, Tick{}, "Acquire{1 0}"},
			{0, Granted{1, 7}, "Lead{7}"},
			{30 * time.Second, Granted{1, 8}, "StepDown{the lease was not renewed in time}"},
		},
		"an answer that took too long": {
			{0, Tick{}, "Acquire{1 0}"},
			{4500 * time.Millisecond, Granted{1, 7}, "Release{7} Acquire{2 0}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLeader(LeaderOptions{})
			for _, s := range steps {
				if got := text(l.Step(after(s.at), s.ev)); got != s.want {
					t.Fatalf("at %v %T: %q, want %q", s.at, s.ev, got, s.want)
				}
			}
		})
	}
}

// store is a record with a lifetime, as the bus keeps it.
type store struct {
	revision federation.Revision
	ends     time.Time
}

func (s *store) acquire(now time.Time, expected federation.Revision) bool {
	held := s.revision
	if !now.Before(s.ends) {
		held = 0
	}
	if held != expected {
		return false
	}
	s.revision++
	s.ends = now.Add(5 * time.Second)
	return true
}

// TestOneLeads: whatever answers are late or lost, and whoever pauses, no two hubs
// think that they lead, and terms grow.
func TestOneLeads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hubs := []*Leader{NewLeader(LeaderOptions{}), NewLeader(LeaderOptions{})}
		var s store
		s.revision = 1
		term := uint64(0)
		type answer struct {
			hub int
			ev  Event
			at  time.Time
		}
		var wire []answer
		now := start
		step := func(i int, ev Event) {
			for _, e := range hubs[i].Step(now, ev) {
				switch e := e.(type) {
				case Acquire:
					ev := Event(Refused{ID: e.ID})
					if s.acquire(now, e.Expected) {
						ev = Granted{ID: e.ID, Revision: s.revision}
					}
					if rapid.IntRange(0, 9).Draw(t, "lost") == 0 {
						ev = Unknown{ID: e.ID}
					}
					wire = append(wire, answer{i, ev, now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "delay")) * time.Millisecond)})
				case Release:
					if s.revision == e.Expected {
						s.ends = now
					}
				case Lead:
					if e.Term <= term {
						t.Fatalf("term %d after %d", e.Term, term)
					}
					term = e.Term
				}
			}
			if hubs[0].Leading(now) && hubs[1].Leading(now) {
				t.Fatalf("both lead at %v", now.Sub(start))
			}
		}
		for range 150 {
			now = now.Add(time.Duration(rapid.IntRange(1, 700).Draw(t, "ms")) * time.Millisecond)
			var left []answer
			for _, a := range wire {
				if a.at.After(now) {
					left = append(left, a)
				}
			}
			due := wire
			wire = left
			for _, a := range due {
				if !a.at.After(now) {
					step(a.hub, a.ev)
				}
			}
			if i := rapid.IntRange(0, 2).Draw(t, "who"); i < 2 {
				step(i, Tick{})
			}
		}
	})
}

// TestPutBack: the first leadership on a store that was put back is above every term
// of the generation that is known of, and no later one is below it.
func TestPutBack(t *testing.T) {
	for _, known := range []uint64{0, 1, 7, generation - 1, generation, 5*generation + 9, highestTerm} {
		l := NewLeader(LeaderOptions{Above: PutBack(known)})
		l.Step(start, Tick{})
		out := l.Step(after(time.Millisecond), Granted{1, 3})
		lead, ok := out[0].(Lead)
		if !ok || lead.Term/generation != known/generation+1 {
			t.Errorf("after term %d: %s", known, text(out))
		}
	}
	if above := PutBack(highestTerm + 1); above != 0 {
		t.Errorf("a term that cannot be is taken for %d", above)
	}
}
