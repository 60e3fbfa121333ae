package membership

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// View is what is known of one member.
type View struct {
	Record federation.HealthRecord
	// HeardAge is the time since the last beat that counts; under a mask since
	// the last one before it. Less than 0: never heard.
	HeardAge  time.Duration
	Withdrawn bool
	// Silent is set while no beats arrive that count.
	Silent bool
	// DwellFactor, at least 1, and Absent, the evidence that the site does not
	// give ("api", "ingress") or nobody else gave ("witness").
	DwellFactor float64
	Absent      []string
	// Real is what the member looks like underneath its mask: Healthy or Suspect.
	// Without a mask it is Record.Health.
	Real federation.Health
	// Reversals counts the verdicts of the last ten minutes, goodbyes not counted.
	Reversals int
	// Layers are those of the last beat that arrived.
	Layers federation.Layers
}

// View returns what is known of a member; false when there is no such member.
func (m *Machine) View(now time.Time, name string) (View, bool) {
	mem, ok := m.members[name]
	if !ok {
		return View{}, false
	}
	v := View{
		Record: mem.record, HeardAge: -1, Withdrawn: Withdrawn(mem.record),
		Silent: mem.heard.IsZero() || mem.inquiry != nil || lost(mem.record.Health),
		Real:   m.real(mem), Reversals: mem.reversals(now), Layers: mem.stream.layers,
	}
	v.DwellFactor, v.Absent = m.dwellFactor(mem)
	if !mem.heard.IsZero() {
		v.HeardAge = now.Sub(mem.heard)
	}
	return v, true
}

// dwellFactor is that of the verdict, or 1 before any.
func (m *Machine) dwellFactor(mem *member) (float64, []string) {
	if lost(mem.record.Health) && mem.factor >= 1 {
		return mem.factor, mem.absent
	}
	return 1, nil
}

// Record returns the health record of a member.
func (m *Machine) Record(name string) (federation.HealthRecord, bool) {
	mem, ok := m.members[name]
	if !ok {
		return federation.HealthRecord{}, false
	}
	return mem.record, true
}

// Snapshot returns all health records, sorted by member: what Restored brings
// back.
func (m *Machine) Snapshot() []federation.HealthRecord {
	out := make([]federation.HealthRecord, 0, len(m.names))
	for _, name := range m.names {
		out = append(out, m.members[name].record)
	}
	return out
}

// Evidence returns what each observer says of a member: the hub first, then the other
// hubs, the member's own agent, then the other members, sorted. Evidence that nobody gives
// is listed as absent.
func (m *Machine) Evidence(now time.Time, name string) []federation.Evidence {
	mem, ok := m.members[name]
	if !ok {
		return nil
	}
	out := []federation.Evidence{m.beatEvidence(now, mem)}
	out = append(out, sightings(now, mem.api, "api", hubVantage)...)
	out = append(out, sightings(now, mem.agent, "agent", hubVantage)...)
	out = append(out, ingressEvidence(now, mem, hubVantage)...)
	out = append(out, m.opinions(now, mem)...)
	out = append(out, ownEvidence(now, mem)...)
	for _, observer := range m.names {
		out = append(out, sightings(now, mem.api, "api", observer)...)
		out = append(out, sightings(now, mem.agent, "agent", observer)...)
		out = append(out, ingressEvidence(now, mem, observer)...)
	}
	if !mem.probed() {
		out = append(out, federation.Evidence{Observer: hubVantage, What: "api", Detail: "its API server has no address for probes"})
	}
	if mem.spec.AgentAt == "" {
		out = append(out, federation.Evidence{Observer: hubVantage, What: "agent", Detail: "its agent has no port of its own"})
	}
	if len(mem.ingress) == 0 && mem.stream.layers.Ingress == federation.Absent {
		out = append(out, federation.Evidence{Observer: hubVantage, What: "ingress", Detail: unseen(mem.record.Ingress)})
	}
	return out
}

// unseen says why there is no evidence of an ingress.
func unseen(at string) string {
	if at == "" {
		return "the member announces none"
	}
	return "nobody has looked at " + at + " yet"
}

func (m *Machine) beatEvidence(now time.Time, mem *member) federation.Evidence {
	e := federation.Evidence{Observer: hubVantage, What: "beat", Signal: federation.Green}
	switch {
	case mem.heard.IsZero():
		return federation.Evidence{Observer: hubVantage, What: "beat", Detail: "never heard"}
	case mem.mask != "":
		e.Signal, e.Detail = federation.Red, "masked by operation "+mem.mask+"; "
	case mem.inquiry != nil || lost(mem.record.Health):
		e.Signal = federation.Red
	}
	e.Age = now.Sub(mem.heard)
	s := &mem.stream
	e.Detail += fmt.Sprintf("incarnation %d, sequence %d, phi %.1f, %.1f %% lost", s.incarnation, s.sequence, s.rhythm.phi(e.Age), 100*s.rhythm.loss)
	return e
}

// ownEvidence is what the member's agent said of its own cluster with its last
// beat.
func ownEvidence(now time.Time, mem *member) []federation.Evidence {
	s := &mem.stream
	if s.count == 0 {
		return nil
	}
	var out []federation.Evidence
	say := func(what string, signal federation.Signal, detail string) {
		if signal != federation.Absent {
			out = append(out, federation.Evidence{Observer: mem.name, What: what, Signal: signal, Age: now.Sub(s.heard), Detail: detail})
		}
	}
	say("api", s.layers.API, fmt.Sprintf("its own agent; %d of %d nodes ready", s.layers.NodesReady, s.layers.Nodes))
	say("etcd", s.layers.Etcd, "its own agent")
	say("ingress", s.layers.Ingress, "its own agent")
	return out
}

func sightings(now time.Time, of map[string]sighting, what, observer string) []federation.Evidence {
	s, ok := of[observer]
	if !ok {
		return nil
	}
	return []federation.Evidence{{Observer: observer, What: what, Signal: s.signal, Age: now.Sub(s.at), Detail: s.detail}}
}

// ingressEvidence names the place that was looked at.
func ingressEvidence(now time.Time, mem *member, observer string) []federation.Evidence {
	out := sightings(now, mem.ingress, "ingress", observer)
	for i := range out {
		out[i].Detail = strings.TrimSuffix(mem.record.Ingress+" "+out[i].Detail, " ")
	}
	return out
}

// Check returns the first invariant that does not hold:
//
//  1. only edges of MayFollow were taken;
//  2. the names are those of the members, sorted;
//  3. the queue holds each member in its place, none before now;
//  4. an inquiry exists only for members that can fall, and is in its set;
//  5. nothing was heard in the future;
//  6. a member is masked by a mask in force only.
func (m *Machine) Check() error {
	if m.broken != nil {
		return m.broken
	}
	if names := slices.Sorted(maps.Keys(m.members)); !slices.Equal(names, m.names) {
		return fmt.Errorf("names %v are not the members %v", m.names, names)
	}
	for i, mem := range m.queue.members {
		if mem.place != i || m.members[mem.name] != mem || !mem.due.After(m.now) {
			return fmt.Errorf("queue: member %s at %d is due %v at %v", mem.name, i, mem.due, m.now)
		}
	}
	for _, name := range m.names {
		if err := m.checkMember(m.members[name]); err != nil {
			return fmt.Errorf("member %s: %w", name, err)
		}
	}
	return nil
}

func (m *Machine) checkMember(mem *member) error {
	i := mem.inquiry
	_, masked := m.masks[mem.mask]
	switch {
	case i != nil && !m.watched(mem):
		return fmt.Errorf("an inquiry while %v", mem.record.Health)
	case unasked(mem):
		return fmt.Errorf("suspect, and nobody asks")
	case i != nil && !slices.Contains(i.set.names, mem.name):
		return fmt.Errorf("an inquiry outside of its set")
	case mem.heard.After(m.now) || mem.stream.heard.After(m.now):
		return fmt.Errorf("heard in the future")
	case mem.mask != "" && !masked:
		return fmt.Errorf("masked by %s, which is not in force", mem.mask)
	case mem.record.Masked != mem.mask:
		return fmt.Errorf("record says masked by %q, and it is by %q", mem.record.Masked, mem.mask)
	}
	return nil
}
