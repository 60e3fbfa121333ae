package decision

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

// TestHearers: few members hear every beat. Of many each hears at least every third, and
// at once what has changed about it.
func TestHearers(t *testing.T) {
	for _, c := range []struct{ members, turns int }{{3, 1}, {everyBeat - 1, 1}, {everyBeat, 2}, {1000, 3}} {
		m := New(Options{})
		var e SendHubBeat
		for i := range c.members {
			name := fmt.Sprintf("m%04d", i)
			m.members[name] = &member{name: name}
			e.Beat.Members = append(e.Beat.Members, federation.MemberBeat{Member: name, Health: federation.Healthy})
		}
		if got := m.hearers(e); len(got) != c.members {
			t.Errorf("%d of %d hear the first beat", len(got), c.members)
		}
		heard := map[string]int{}
		for range 2 * c.turns {
			for i := range e.Beat.Members {
				e.Beat.Members[i].HeardAge++
			}
			for _, name := range m.hearers(e) {
				heard[name]++
			}
		}
		for _, line := range e.Beat.Members {
			if heard[line.Member] != 2 {
				t.Errorf("%d members: %s hears %d of %d beats", c.members, line.Member, heard[line.Member], 2*c.turns)
			}
		}
		for _, change := range []func(){
			func() { e.Beat.Members[1].Health = federation.Suspect },
			func() { e.Looks = map[string][]federation.Look{"m0001": {{Member: "m0002", IngressAt: "10.0.0.1:80"}}} },
			func() { e.Beat.Members[1].Masked = true },
			func() {}, // a mask is renewed with every beat
			func() { e.Beat.Members[1].Masked = false },
		} {
			change()
			if !slices.Contains(m.hearers(e), "m0001") {
				t.Errorf("%d members: one does not hear at once what has changed about it: %+v", c.members, e.Beat.Members[1])
			}
		}
	}
}
