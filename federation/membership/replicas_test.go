package membership

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// otherHub speaks with each beat of the hub: silent are the members that it does not
// hear, and of them those whose API server or agent answers it.
type otherHub struct {
	sequence uint64
	silent   map[string]federation.MemberOpinion
}

// hub NAME [silent=M|up=M|agent=M]...: another hub hears all members but those; "gone" ends it.
func (r *rig) hub(words []string, args map[string]string) {
	if slices.Contains(words, "gone") {
		delete(r.hubs, words[0])
		return
	}
	h := &otherHub{silent: map[string]federation.MemberOpinion{}}
	if old := r.hubs[words[0]]; old != nil {
		h.sequence = old.sequence
	}
	for how, line := range map[string]federation.MemberOpinion{
		"silent": {API: federation.Red}, "up": {API: federation.Green}, "agent": {API: federation.Red, Agent: federation.Green},
	} {
		if m, ok := args[how]; ok {
			line.Member, line.Health, line.Silent, line.HeardAge = m, federation.Suspect, true, time.Second
			h.silent[m] = line
		}
	}
	if r.hubs == nil {
		r.hubs = map[string]*otherHub{}
	}
	r.hubs[words[0]] = h
}

// opine lets every other hub speak.
func (r *rig) opine(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(r.hubs)) {
		h := r.hubs[name]
		h.sequence++
		o := federation.Opinion{Hub: name, Name: name, Term: 7, Sequence: h.sequence}
		for _, m := range slices.Sorted(maps.Keys(h.silent)) {
			o.Members = append(o.Members, h.silent[m])
		}
		r.feed(t, OpinionArrived{Opinion: o})
	}
}

// TestOpinionsInOrder: what comes late, or twice, counts for nothing; a hub that was away
// may begin anew.
func TestOpinionsInOrder(t *testing.T) {
	m := New(Options{})
	for _, c := range []struct {
		after    time.Duration
		sequence uint64
		want     uint64
	}{{0, 5, 5}, {0, 4, 5}, {0, 5, 5}, {250 * time.Millisecond, 6, 6}, {opinionHolds, 1, 1}} {
		now := m.now.Add(c.after)
		if m.now.IsZero() {
			now = start
		}
		m.Step(now, OpinionArrived{Opinion: federation.Opinion{Hub: "hub-2/A", Sequence: c.sequence}})
		if got := m.replicas["hub-2/A"].opinion.Sequence; got != c.want {
			t.Errorf("after %d the last is %d, want %d", c.sequence, got, c.want)
		}
	}
	m.Step(m.now, OpinionArrived{})
	if len(m.replicas) != 1 {
		t.Errorf("a hub without a name counts: %v", m.replicas)
	}
}

// TestRoster: hubs count while they were heard in the last ten minutes, and each once.
func TestRoster(t *testing.T) {
	var r Roster
	if n := r.Count(start, "a"); n != 1 {
		t.Errorf("alone it counts %d", n)
	}
	r.Hear(start, "a")
	r.Hear(start, "b")
	r.Hear(start, "")
	r.Hear(start.Add(time.Minute), "b")
	r.Hear(start, "b")
	other := r.Clone()
	other.Hear(start, "c")
	for after, want := range map[time.Duration]int64{0: 2, remembered: 2, remembered + time.Minute: 1} {
		if n := r.Count(start.Add(after), "a"); n != want {
			t.Errorf("after %s it counts %d, want %d", after, n, want)
		}
	}
	if n := other.Count(start, "d"); n != 4 {
		t.Errorf("the copy counts %d", n)
	}
}

// TestHeardBefore: the silence of a member that another machine has measured goes on, and
// that of one which was heard since does not.
func TestHeardBefore(t *testing.T) {
	m := New(Options{ProbeEvery: -1})
	for _, name := range []string{"frankfurt", "tokyo"} {
		m.Step(start, MemberAdded{Spec: federation.MemberSpec{Name: name}})
		m.Step(start, Restored{Record: federation.HealthRecord{Member: name, Health: federation.Healthy, Incarnation: 1}})
	}
	m.Step(start, BeatArrived{Beat: federation.Beat{Member: "tokyo", Incarnation: 1, Sequence: 1}})
	before := start.Add(-5 * time.Second)
	m.Step(start, HeardBefore{At: map[string]time.Time{"frankfurt": before, "tokyo": before, "tokio": before}})
	for name, want := range map[string]federation.Health{"frankfurt": federation.Suspect, "tokyo": federation.Healthy} {
		if v, _ := m.View(start, name); v.Record.Health != want || (v.HeardAge == 5*time.Second) != (want == federation.Suspect) {
			t.Errorf("%s is %v, heard %s ago", name, v.Record.Health, v.HeardAge)
		}
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
}
