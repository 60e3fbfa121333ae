package membership

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// TestAnyHistory feeds arbitrary events at arbitrary times: the invariants hold
// after each, every edge exists, nothing counts twice, and a twin that is fed the
// same does the same.
func TestAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(Options{}), New(Options{})
		now := start
		health := map[string]federation.Health{}
		names := []string{"a", "b", "c", "d", "e"}[:rapid.IntRange(1, 5).Draw(t, "members")]
		for _, n := range names {
			a.Step(now, added(n))
			b.Step(now, added(n))
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "in time") {
				if due, ok := a.Deadline(); ok && due.Before(now) {
					now = due
				}
			}
			ev := drawEvent(t, names)
			out := a.Step(now, ev)
			if twin := b.Step(now, ev); fmt.Sprint(twin) != fmt.Sprint(out) {
				t.Fatalf("%#v: twins differ:\n%v\n%v", ev, out, twin)
			}
			if err := a.Check(); err != nil {
				t.Fatalf("after %#v: %v", ev, err)
			}
			follow(t, health, out)
		}
	})
}

func added(name string) MemberAdded {
	return MemberAdded{Spec: federation.MemberSpec{Name: name, Place: federation.Place{Region: "r-" + name}, ProbeURL: "https://127.0.0.1:7501"}}
}

func follow(t *rapid.T, health map[string]federation.Health, out []Effect) {
	for _, e := range out {
		tr, ok := e.(Transition)
		if !ok {
			continue
		}
		if tr.From != health[tr.Member] || !MayFollow(tr.From, tr.To) || tr.Record.Health != tr.To {
			t.Fatalf("%s was %v: %+v", tr.Member, health[tr.Member], tr)
		}
		health[tr.Member] = tr.To
	}
}

func drawEvent(t *rapid.T, names []string) Event {
	member := rapid.SampledFrom(names).Draw(t, "member")
	inc := federation.Incarnation(rapid.IntRange(1, 3).Draw(t, "incarnation"))
	signal := federation.Signal(rapid.IntRange(0, 2).Draw(t, "signal"))
	beat := federation.Beat{
		Member: member, Incarnation: inc, Sequence: uint64(rapid.IntRange(1, 200).Draw(t, "sequence")),
		Layers: federation.Layers{API: signal},
	}
	switch rapid.IntRange(0, 13).Draw(t, "event") {
	case 0, 1, 2, 3:
		return BeatArrived{Beat: beat}
	case 4, 5, 6:
		vantage := rapid.SampledFrom(append([]string{"hub"}, names...)).Draw(t, "vantage")
		return ProbeResult{Vantage: vantage, Reply: federation.ProbeReply{Member: member, Signal: signal}}
	case 7:
		return ReturnStep{Member: member, Incarnation: inc, Phase: Phase(rapid.IntRange(0, 2).Draw(t, "phase"))}
	case 8:
		return HubStalled{For: time.Duration(rapid.IntRange(0, 5000).Draw(t, "stall")) * time.Millisecond}
	case 9:
		return MaskSet{Mask: federation.FaultMask{Operation: "o", Members: []string{member}, Lifetime: time.Second}}
	case 10:
		return MaskLifted{Operation: "o"}
	case 11:
		beat.Goodbye = true
		return BeatArrived{Beat: beat}
	case 12:
		return Disconnected{Member: member}
	}
	return Tick{}
}

// TestNoVerdictWithoutAWitness: whatever the hub alone sees, within Options.Lone
// it gives up nobody whom another member still reaches.
func TestNoVerdictWithoutAWitness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New(Options{})
		now, seq := start, uint64(0)
		for _, n := range []string{"a", "b", "c"} {
			m.Step(now, added(n))
		}
		beat := func(names ...string) {
			seq++
			for _, n := range names {
				b := federation.Beat{Member: n, Incarnation: 1, Sequence: seq, Layers: federation.Layers{API: federation.Green}}
				m.Step(now, BeatArrived{Beat: b})
			}
		}
		beat("a", "b", "c")
		now = now.Add(250 * time.Millisecond)
		beat("a", "b", "c")
		for range 80 {
			now = now.Add(time.Duration(rapid.IntRange(1, 200).Draw(t, "ms")) * time.Millisecond)
			beat("b", "c")
			for _, e := range m.Step(now, Tick{}) {
				ask, ok := e.(AskProbe)
				if !ok {
					continue
				}
				m.Step(now, ProbeResult{Vantage: "hub", Reply: federation.ProbeReply{Member: "a", Signal: federation.Red}})
				if len(ask.Vantages) > 1 {
					m.Step(now, ProbeResult{Vantage: "b", Reply: federation.ProbeReply{Member: "a", Signal: federation.Green}})
				}
			}
			if r, _ := m.Record("a"); lost(r.Health) {
				t.Fatalf("lost: %s", r.Reason)
			}
		}
	})
}

func TestEdges(t *testing.T) {
	for from := federation.Joining; from <= federation.Degraded; from++ {
		if MayFollow(federation.Unreachable, from) && from != federation.Fenced && from != federation.Returning {
			t.Errorf("Unreachable -> %v exists", from)
		}
		if MayFollow(from, federation.Fenced) != (from == federation.Unreachable) {
			t.Errorf("%v -> Fenced", from)
		}
	}
}

func TestPhi(t *testing.T) {
	var regular, loose, slow arrivals
	for i := range window {
		regular.add(250*time.Millisecond, 0)
		loose.add(time.Duration(100+300*(i%2))*time.Millisecond, 0)
		slow.add(time.Second, 0)
	}
	for _, c := range []struct {
		of       *arrivals
		patience time.Duration
	}{
		{&regular, 1272 * time.Millisecond},
		{&loose, 1533 * time.Millisecond},
		{&slow, 2022 * time.Millisecond},
		{&arrivals{}, 1403 * time.Millisecond},
	} {
		got := c.of.patience()
		if d := got - c.patience; d.Abs() > 2*time.Millisecond {
			t.Errorf("phi reaches 8 after %v, want %v", got, c.patience)
		}
		if phi := c.of.phi(got); phi < 7.9 || phi > 8.1 {
			t.Errorf("phi(%v) = %.2f", got, phi)
		}
	}
	if phi := regular.phi(time.Hour); phi != 99 {
		t.Errorf("phi of an hour is %v", phi)
	}
	if phi := regular.phi(0); phi != 0 {
		t.Errorf("phi of no silence is %v", phi)
	}
}

func TestLocalMultiplier(t *testing.T) {
	var l local
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	if got := l.multiplier(start); got != 1 {
		t.Errorf("well: %v", got)
	}
	if got := l.stall(at(1000), time.Second); got != time.Second || l.multiplier(at(1000)) != 3 || l.multiplier(at(2500)) != 1.5 {
		t.Errorf("one second: credit %v, multiplier %v, then %v", got, l.multiplier(at(1000)), l.multiplier(at(2500)))
	}
	if got := l.stall(at(1100), time.Second); got != 100*time.Millisecond {
		t.Errorf("overlap is counted twice: %v", got)
	}
	l.stall(at(60000), 30*time.Second)
	if got := l.multiplier(at(60000)); got != mostMultiplier {
		t.Errorf("thirty seconds: %v", got)
	}
	if got := l.multiplier(at(68000)); got != 1 {
		t.Errorf("eight seconds later: %v", got)
	}
}
