package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/placement"
)

// shadow is the second detector of a drill of level L5a. It is fed all evidence
// under the drill's mask; what it concludes is looked at and not acted upon.
type shadow struct {
	detector *membership.Machine
	lost     map[string]bool
	seen     recovery.ShadowSeen
}

// startShadow sets up the second detector as the first one is now.
func (m *Machine) startShadow(o *operation) {
	s := &shadow{detector: newHealth(m.opts), lost: map[string]bool{}}
	o.shadow = s
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		m.feedShadow(o, membership.MemberAdded{Spec: mem.spec.stored})
		m.feedShadow(o, membership.Restored{Record: mem.verdict})
	}
	m.feedShadow(o, membership.MaskSet{Mask: federation.FaultMask{
		Operation: o.id, Members: o.value().Members, Level: "L5a", Lifetime: 15 * time.Minute,
	}})
}

// feedShadows passes evidence to every second detector.
func (m *Machine) feedShadows(ev membership.Event) {
	for _, o := range m.runningOperations() {
		if o.shadow != nil && o.wants.Shadow {
			m.feedShadow(o, ev)
		}
	}
}

func (m *Machine) feedShadow(o *operation, ev membership.Event) {
	for _, e := range o.shadow.detector.Step(m.now, ev) {
		switch e := e.(type) {
		case membership.Transition:
			m.shadowTransition(o, e)
		case membership.AskProbe:
			m.askProbe(e)
		case membership.RealFault:
			m.realFault(o.id, e.Reason)
		}
	}
}

func (m *Machine) shadowTransition(o *operation, t membership.Transition) {
	s := o.shadow
	if !o.covers[t.Member] {
		return
	}
	m.lookAgain = true
	switch t.To {
	case federation.Suspect:
		s.seen.SuspectAt = m.now
	case federation.Unreachable:
		s.lost[t.Member] = true
		if len(s.lost) == len(o.covers) {
			s.seen.VerdictAt = m.now
			s.seen.Different = m.compare(o)
		}
	}
}

// compare decides as after a real loss, carries nothing out, and says how that
// differs from the simulation; empty when it does not.
func (m *Machine) compare(o *operation) string {
	snap, err := m.snapshotWith(func(p *placement.Member) {
		if o.covers[p.Spec.Name] {
			p.Health = federation.Unreachable
		}
	})
	if err != nil {
		return err.Error()
	}
	before, err := m.snapshot()
	if err != nil {
		return err.Error()
	}
	reqs := m.requests()
	sim, err := placement.Simulate(before, reqs, federation.SimulationRequest{Lose: []federation.Scope{o.value().Request.Scope}})
	if err != nil {
		return err.Error()
	}
	want := map[string]int64{}
	for _, move := range sim.Moves {
		want[move.Workload.String()+" in "+move.Member] = move.To
	}
	for i, d := range placement.PlaceAll(reqs, snap) {
		for _, s := range d.Members {
			had := shareOf(reqs[i].Current, s.Member)
			if s.Replicas == had {
				continue
			}
			if at := d.Workload.String() + " in " + s.Member; want[at] != s.Replicas {
				return fmt.Sprintf("%s would get %d, the simulation says %d", at, s.Replicas, want[at])
			}
		}
	}
	return ""
}

func shareOf(shares []federation.AssignedMember, member string) int64 {
	for _, s := range shares {
		if s.Member == member {
			return s.Replicas
		}
	}
	return 0
}
