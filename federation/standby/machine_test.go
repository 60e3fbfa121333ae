package standby

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// world drives one standby hub in virtual time: members beat at 4 Hz while they are in
// beating, a leader while leads is set, and probes answer as refused.
type world struct {
	t        *testing.T
	m        *Machine
	now      time.Time
	sequence uint64
	beating  map[string]bool
	leads    bool
	opinions []federation.Opinion
	saidAt   []time.Time
	asked    []AskProbe
}

func newWorld(t *testing.T, members ...string) *world {
	w := &world{t: t, m: New(Options{Hub: "i2", Name: "hub-2"}), now: time.Unix(1_800_000_000, 0), beating: map[string]bool{}, leads: true}
	for _, name := range members {
		w.beating[name] = true
		w.step(MemberChanged{Spec: federation.MemberSpec{Name: name, ProbeURL: "https://" + name, JoinedAt: w.now}})
		w.step(HealthLoaded{Record: federation.HealthRecord{Member: name, Health: federation.Healthy, Incarnation: 1, Since: w.now}})
	}
	return w
}

func (w *world) step(ev Event) {
	w.t.Helper()
	for _, e := range w.m.Step(w.now, ev) {
		switch e := e.(type) {
		case SendOpinion:
			w.opinions, w.saidAt = append(w.opinions, e.Opinion), append(w.saidAt, w.now)
		case AskProbe:
			w.asked = append(w.asked, e)
			for _, vantage := range e.Vantages {
				w.step(ProbeResult{Vantage: vantage, Reply: federation.ProbeReply{Member: e.Request.Member, Signal: federation.Red, Detail: "connection refused"}})
			}
		}
	}
	if err := w.m.Check(); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets d pass in steps of 10 ms.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	for n := range int(d / (10 * time.Millisecond)) {
		w.now = w.now.Add(10 * time.Millisecond)
		if n%25 == 0 {
			w.beat()
		}
		if at, ok := w.m.Deadline(); ok && !w.now.Before(at) {
			w.step(Tick{})
		}
	}
}

func (w *world) beat() {
	w.t.Helper()
	w.sequence++
	for name, beats := range w.beating {
		if beats {
			w.step(BeatArrived{Beat: federation.Beat{
				Member: name, Incarnation: 1, Sequence: w.sequence, HubSequence: w.sequence,
				Layers: federation.Layers{API: federation.Green, Etcd: federation.Green, NodesReady: 1, Nodes: 1},
			}})
		}
	}
	if w.leads {
		w.step(LeaderBeat{Beat: federation.HubBeat{Hub: "i1", Term: 3, Sequence: w.sequence}})
	}
}

func (w *world) last() federation.Opinion {
	w.t.Helper()
	if len(w.opinions) == 0 {
		w.t.Fatal("it has said nothing")
	}
	return w.opinions[len(w.opinions)-1]
}

func TestSaysNothingBeforeItHasListened(t *testing.T) {
	w := newWorld(t, "tokyo")
	w.pass(5 * time.Second)
	if len(w.opinions) > 0 {
		t.Fatalf("before its records were in it said %v", w.opinions[0])
	}
	w.step(Synced{})
	began := w.now
	w.pass(5 * time.Second)
	if w.last(); w.saidAt[0].Before(began.Add(Listen)) {
		t.Errorf("it spoke %s after its records were in, before it had listened for %s", w.saidAt[0].Sub(began), Listen)
	}
}

func TestNamesOnlyWhoIsNotWell(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt", "virginia")
	w.step(Synced{})
	w.pass(5 * time.Second)
	if o := w.last(); len(o.Members) > 0 || o.Term != 3 || o.Hub != "i2" {
		t.Fatalf("while all are well it says %+v", o)
	}
	w.beating["tokyo"] = false
	w.pass(3 * time.Second)
	o := w.last()
	if line, found := o.Of("tokyo"); len(o.Members) != 1 || !found || !line.Silent || line.API != federation.Red {
		t.Errorf("of one that is dead, while a leader speaks, it says %+v", o.Members)
	}
	for _, asked := range w.asked {
		if len(asked.Vantages) != 1 {
			t.Errorf("while a leader speaks it has others look: %v", asked.Vantages)
		}
	}
}

func TestAsksOthersWhenNobodyLeads(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt", "virginia")
	w.step(Synced{})
	w.pass(5 * time.Second)
	w.leads, w.beating["tokyo"] = false, false
	w.pass(3 * time.Second)
	most := 0
	for _, asked := range w.asked {
		most = max(most, len(asked.Vantages))
	}
	if most < 2 {
		t.Errorf("with the leader dead, %d vantage points were asked about tokyo", most)
	}
	if line, _ := w.last().Of("tokyo"); !line.Withdrawn {
		t.Errorf("of a member that died with the leader it says %+v", line)
	}
}

func TestSpeaksAtMostOnceInEvery(t *testing.T) {
	w := newWorld(t, "tokyo", "frankfurt")
	w.step(Synced{})
	w.pass(12 * time.Second)
	if n := len(w.opinions); n < 38 || n > 44 { // 10.5 s at 4 Hz
		t.Errorf("in health it spoke %d times in 10.5 s", n)
	}
	for i := 1; i < len(w.saidAt); i++ {
		if between := w.saidAt[i].Sub(w.saidAt[i-1]); between < gap {
			t.Errorf("it spoke twice within %s", between)
		}
	}
}

func TestALateHubIsQuiet(t *testing.T) {
	w := newWorld(t, "tokyo")
	w.step(Synced{})
	w.pass(5 * time.Second)
	before := len(w.opinions)
	w.now = w.now.Add(10 * time.Second) // it did not run
	w.step(Stalled{For: 10 * time.Second})
	w.step(Tick{})
	if len(w.opinions) > before {
		t.Errorf("having been late itself it says %+v", w.last())
	}
	w.pass(5 * time.Second)
	if o := w.last(); len(o.Members) > 0 {
		t.Errorf("its own lateness is taken for that of a member: %+v", o.Members)
	}
}
