package route

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// hubs drives a builder: what the hub that leads and the others say, every 250 ms.
type hubs struct {
	b        *Builder
	now      time.Time
	sequence uint64
	silent   map[string]bool // hubs that do not speak
	against  map[string]bool // hubs to which tokyo is unreachable
	term     uint64          // that they have heard
}

func newHubs(count int64) *hubs {
	h := &hubs{b: NewBuilder(), now: start, silent: map[string]bool{}, against: map[string]bool{}, term: 3}
	h.b.SetMember(federation.MemberSpec{Name: "tokyo"}, 1)
	h.lead(3, count, federation.Healthy)
	return h
}

func (h *hubs) lead(term uint64, count int64, tokyo federation.Health) {
	h.sequence++
	h.b.SetBeat(federation.HubBeat{
		Term: term, Sequence: h.sequence, Hub: "hub-1", Hubs: count,
		Members: []federation.MemberBeat{{Member: "tokyo", Health: tokyo, Withdrawn: tokyo == federation.Unreachable}},
	}, h.now)
}

// speak lets the others speak for d, and reports whether tokyo is out of the answers.
func (h *hubs) speak(d time.Duration, names ...string) bool {
	for end := h.now.Add(d); h.now.Before(end); {
		h.now = h.now.Add(250 * time.Millisecond)
		h.sequence++
		for _, name := range names {
			if h.silent[name] {
				continue
			}
			o := federation.Opinion{Hub: name, Term: h.term, Sequence: h.sequence}
			if h.against[name] {
				o.Members = []federation.MemberOpinion{{Member: "tokyo", Health: federation.Unreachable, Silent: true, Withdrawn: true}}
			}
			h.b.SetOpinion(o, h.now)
		}
	}
	table := h.b.Table()
	return len(table.Withdrawn) == 1 && table.Members["tokyo"].Withdrawn()
}

// TestCouncil: while no hub leads, the endpoints of a member leave the answers when most
// of all hubs agree, and not before.
func TestCouncil(t *testing.T) {
	for _, c := range []struct {
		what   string
		count  int64
		hubs   []string
		change func(*hubs)
		want   bool
	}{
		{"two of three", 3, []string{"hub-2", "hub-3"}, func(h *hubs) { h.against["hub-2"], h.against["hub-3"] = true, true }, true},
		{"one of three", 3, []string{"hub-2", "hub-3"}, func(h *hubs) { h.against["hub-2"] = true }, false},
		{"one of three, the other silent", 3, []string{"hub-2", "hub-3"}, func(h *hubs) { h.against["hub-2"], h.silent["hub-3"] = true, true }, false},
		{"two of five", 5, []string{"hub-2", "hub-3"}, func(h *hubs) { h.against["hub-2"], h.against["hub-3"] = true, true }, false},
		{"one of two", 2, []string{"hub-2"}, func(h *hubs) { h.against["hub-2"] = true }, false},
		{"one that came after the leader of one", 1, []string{"hub-2"}, func(h *hubs) { h.against["hub-2"] = true }, false},
		{"three of three, the one that led among them", 3, []string{"hub-1", "hub-2", "hub-3"}, func(h *hubs) { h.against["hub-1"], h.against["hub-3"] = true, true }, true},
		{"two that have not heard the last leader", 3, []string{"hub-2", "hub-3"}, func(h *hubs) { h.against["hub-2"], h.against["hub-3"], h.term = true, true, 2 }, false},
	} {
		h := newHubs(c.count)
		c.change(h)
		if h.speak(500*time.Millisecond, c.hubs...) {
			t.Errorf("%s: withdrawn while the leader may still speak", c.what)
		}
		if got := h.speak(2*time.Second, c.hubs...); got != c.want {
			t.Errorf("%s: withdrawn %v, want %v", c.what, got, c.want)
		}
	}
}

// TestCouncilEnds: what the hubs agreed on holds while they do, and while the next leader
// has no verdict yet; what that says is right.
func TestCouncilEnds(t *testing.T) {
	agreed := func() *hubs {
		h := newHubs(3)
		h.against["hub-2"], h.against["hub-3"] = true, true
		if !h.speak(2*time.Second, "hub-2", "hub-3") {
			t.Fatal("not even withdrawn")
		}
		return h
	}
	if got := agreed().b.Table().Members["tokyo"].Health(); got != federation.Unreachable {
		t.Errorf("it is shown as %v", got)
	}
	t.Run("one hears it again", func(t *testing.T) {
		h := agreed()
		h.against["hub-2"] = false
		if h.speak(250*time.Millisecond, "hub-2", "hub-3") {
			t.Error("still withdrawn")
		}
	})
	t.Run("the next leader hears it", func(t *testing.T) {
		h := agreed()
		h.lead(4, 2, federation.Healthy)
		if len(h.b.Table().Withdrawn) != 0 {
			t.Error("still withdrawn")
		}
	})
	t.Run("the next leader has no verdict", func(t *testing.T) {
		h := agreed()
		h.lead(4, 2, federation.Suspect)
		if len(h.b.Table().Withdrawn) != 1 {
			t.Error("it is back while the leader asks")
		}
		h.now = h.now.Add(500 * time.Millisecond)
		h.lead(4, 2, federation.Unreachable)
		if len(h.b.Table().Withdrawn) != 1 {
			t.Error("it is back after the verdict")
		}
	})
	t.Run("the next leader comes to none", func(t *testing.T) {
		h := agreed()
		for range 30 {
			h.now = h.now.Add(250 * time.Millisecond)
			h.lead(4, 2, federation.Suspect)
		}
		if len(h.b.Table().Withdrawn) != 0 {
			t.Error("still withdrawn, and no leader says so")
		}
	})
}

// TestOpinionsOutOfOrder: a late one counts for nothing, and while a hub leads none does.
func TestOpinionsOutOfOrder(t *testing.T) {
	h := newHubs(3)
	against := func(hub string, sequence uint64, members ...federation.MemberOpinion) bool {
		return h.b.SetOpinion(federation.Opinion{Hub: hub, Term: 3, Sequence: sequence, Members: members}, h.now)
	}
	line := federation.MemberOpinion{Member: "tokyo", Withdrawn: true}
	if against("hub-2", 5, line) || against("hub-3", 5, line) || len(h.b.Table().Withdrawn) != 0 {
		t.Error("withdrawn while a hub leads")
	}
	h.now = h.now.Add(900 * time.Millisecond)
	against("hub-2", 6, line)
	against("hub-3", 6)
	h.now = h.now.Add(200 * time.Millisecond)
	if against("hub-3", 4, line) {
		t.Error("a late word counts")
	}
	if !against("hub-3", 7, line) || against("hub-3", 8, line) {
		t.Error("the change is not told, or told twice")
	}
}
