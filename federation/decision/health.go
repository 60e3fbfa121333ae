package decision

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
)

func newHealth(opts Options) *membership.Machine {
	return membership.New(membership.Options{Stabilise: opts.Stabilise})
}

// startHealth goes on from the verdicts that the store has.
func (m *Machine) startHealth() {
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		m.feed(membership.MemberAdded{Spec: mem.spec.stored})
		if mem.record.revision != 0 {
			m.feed(membership.Restored{Record: mem.record.stored})
		}
		m.learn(mem)
		m.noteSeals(mem)
		if mem.lost() {
			m.resumeLoss(mem)
			if m.maskOf(name) == "" && !m.covering(name) {
				m.recordLoss([]string{name}, "")
			}
		}
	}
	m.feed(membership.HeardBefore{At: m.unmasked(m.before.Heard)})
}

// unmasked leaves out those that a mask covers.
func (m *Machine) unmasked(heard map[string]time.Time) map[string]time.Time {
	out := maps.Clone(heard)
	maps.DeleteFunc(out, func(name string, _ time.Time) bool { return m.maskOf(name) != "" })
	return out
}

// learn takes over the verdict about a member.
func (m *Machine) learn(mem *member) {
	if r, ok := m.health.Record(mem.name); ok {
		m.setVerdict(mem, r, membership.Withdrawn(r))
	}
}

// setVerdict takes over a verdict about a member, and keeps those that are lost at hand.
func (m *Machine) setVerdict(mem *member, r federation.HealthRecord, withdrawn bool) {
	if served := mem.verdict.Health.Known() && !mem.withdrawn; served != (r.Health.Known() && !withdrawn) {
		m.served++
	}
	mem.verdict, mem.withdrawn = r, withdrawn
	if mem.lost() {
		m.gone[mem.name] = mem
	} else {
		delete(m.gone, mem.name)
	}
}

func (m *Machine) watch(mem *member) {
	m.feed(membership.MemberAdded{Spec: mem.spec.stored})
	m.learn(mem)
	m.beatNow, m.unsaved[mem.name] = true, true
}

func (m *Machine) unwatch(name string) {
	m.feed(membership.MemberRemoved{Member: name})
	m.beatNow = true
}

// applyEvidence passes on what was seen. Before the records are in, nothing is
// judged.
func (m *Machine) applyEvidence(ev Event) {
	if !m.ready {
		return
	}
	switch ev := ev.(type) {
	case BeatArrived:
		if mem, ok := m.members[ev.Beat.Member]; ok {
			if mem.heardAt.IsZero() {
				m.noteFound(mem)
			}
			mem.heardAt = m.now
			if said, ok := m.health.Said(ev.Beat.HubSequence); ok && ev.Beat.HubTerm == m.opts.Term {
				mem.contact.Echoed(m.now, said)
			}
			m.followed(mem, ev.Beat)
			m.evidence(membership.BeatArrived{Beat: ev.Beat})
		}
	case ProbeResult:
		m.evidence(membership.ProbeResult{Vantage: ev.Vantage, Reply: ev.Reply})
	case OpinionArrived:
		if ev.Opinion.Hub == m.opts.Hub {
			return // its own last word, from before it led
		}
		m.hubs.Hear(m.now, ev.Opinion.Hub)
		m.evidence(membership.OpinionArrived{Opinion: ev.Opinion})
	case Disconnected:
		m.evidence(membership.Disconnected{Member: ev.Member})
	case Stalled:
		m.evidence(membership.HubStalled{For: ev.For})
	}
}

func (m *Machine) evidence(ev membership.Event) {
	m.feed(ev)
	m.feedShadows(ev)
}

func (m *Machine) stepHealth() {
	if at, ok := m.health.Deadline(); ok && !m.now.Before(at) {
		m.feed(membership.Tick{})
	}
	fallen := m.fallen
	m.fallen = nil
	m.lose(fallen)
}

// feed steps membership and does what it says.
func (m *Machine) feed(ev membership.Event) {
	for _, e := range m.health.Step(m.now, ev) {
		switch e := e.(type) {
		case membership.Transition:
			m.transition(e)
		case membership.Updated:
			if mem, ok := m.members[e.Record.Member]; ok {
				m.setVerdict(mem, e.Record, e.Withdrawn)
				m.beatNow, m.lookAgain, m.unsaved[mem.name] = true, true, true
			}
		case membership.AskProbe:
			m.askProbe(e)
		case membership.RealFault:
			m.realFault(e.Operation, e.Reason)
		case membership.MaskEnded:
			m.maskEnded(e.Operation)
		}
	}
}

func (m *Machine) askProbe(e membership.AskProbe) {
	mem, ok := m.members[e.Member]
	if !ok {
		return
	}
	m.emit(AskProbe{Vantages: e.Vantages, Request: federation.ProbeRequest{
		Member: e.Member, URL: mem.spec.stored.ProbeURL, CA: mem.spec.stored.ProbeCA, IngressAt: e.IngressAt,
		AgentAt: mem.spec.stored.AgentAt, Timeout: e.Timeout,
	}})
}

// transition carries a member to its next health, and what follows from it.
func (m *Machine) transition(t membership.Transition) {
	mem, ok := m.members[t.Member]
	if !ok {
		return
	}
	m.setVerdict(mem, t.Record, t.Withdrawn)
	m.beatNow, m.lookAgain, m.unsaved[mem.name] = true, true, true
	m.note("Health", "member/"+t.Member, fmt.Sprintf("%s: %s → %s: %s", t.Member, t.From, t.To, t.Record.Reason))
	switch t.To {
	case federation.Suspect:
		mem.suspectAt, mem.passed = m.now, m.decided+1
	case federation.Unreachable:
		mem.lostAt, mem.factor = m.now, max(1, t.DwellFactor)
		if mem.suspectAt.Before(mem.heardAt) {
			mem.suspectAt = m.now
		}
		m.fallen = append(m.fallen, fall{member: t.Member, domain: t.Domain})
	case federation.Returning:
		mem.confirmed = false
		m.spare(mem)
	case federation.Healthy:
		m.spare(mem)
		if t.From != federation.Suspect || mem.passed != m.decided+1 {
			m.comes(mem)
		}
		if t.From == federation.Joining {
			m.reconsider()
		}
	}
	if blinks(t.From) && blinks(t.To) {
		m.blinked(mem)
	} else {
		m.touchAll()
	}
}

// blinks: from one of these to another, a member keeps what it has, and serves. A thousand
// do at once when the hub begins.
func blinks(h federation.Health) bool { return h == federation.Healthy || h == federation.Suspect }

// blinked looks again at what a member that is not Healthy has to wait for.
func (m *Machine) blinked(mem *member) {
	m.changed()
	for k, w := range m.workloads {
		if w.stuck[mem.name] != nil {
			m.consider(k)
		}
	}
}

// stepRecords writes the verdicts and operations that the store does not have.
func (m *Machine) stepRecords() {
	if len(m.unsaved) > 0 {
		m.storeVerdicts()
	}
	if m.unstored {
		m.unstored = false
		m.storeOperations()
	}
}

func (m *Machine) storeVerdicts() {
	changed := sortedNames(m.unsaved)
	clear(m.unsaved)
	for _, name := range changed {
		mem, ok := m.members[name]
		if !ok {
			continue
		}
		m.settleSeal(mem)
		if mem.record.busy() || mem.verdict.Member == "" || mem.record.rejected != "" && mem.record.attempt == mem.verdict {
			continue
		}
		if mem.record.revision != 0 && mem.record.stored == mem.verdict {
			continue
		}
		id := m.newWrite(writing{source: SourceHealth, name: name})
		mem.record.begin(id, mem.verdict)
		m.emit(PutHealth{ID: id, Record: mem.verdict, Expected: mem.record.revision})
	}
}

func (m *Machine) healthDone(wr writing, ev WriteDone) {
	mem, ok := m.members[wr.name]
	if !ok || mem.record.write != ev.ID {
		return // another one has the name by now
	}
	if mem.record.done(ev) {
		m.emit(ReadRecord{Source: SourceHealth, Name: wr.name})
	}
}

// stepBeat says what is known, four times a second and whenever it changed. It
// comes before all writes of a Step, since a traffic shift waits for none.
func (m *Machine) stepBeat() {
	early := m.now.Before(m.beatAt)
	if early && !m.beatsEarly() {
		return
	}
	m.beatNow, m.beaten = false, m.now
	if !early {
		m.beatAt = m.now.Add(m.opts.BeatInterval)
	}
	m.sequence++
	b := federation.HubBeat{Term: m.opts.Term, Sequence: m.sequence, Frozen: m.Frozen(), Masks: m.masks(), Hub: m.opts.Hub, Hubs: m.hubs.Count(m.now, m.opts.Hub)}
	for _, mask := range b.Masks {
		m.feed(membership.MaskSet{Mask: mask})
	}
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		v, _ := m.health.View(m.now, name)
		b.Members = append(b.Members, federation.MemberBeat{
			Member: name, Health: mem.verdict.Health, Incarnation: mem.verdict.Incarnation,
			Withdrawn: mem.withdrawn || m.withdrawing(name), HeardAge: max(0, v.HeardAge), Masked: m.maskOf(name) != "",
		})
	}
	e := SendHubBeat{Beat: b, Early: early}
	if !early {
		e.Looks = m.health.Looks()
		e.To = m.hearers(e)
	}
	m.emit(e)
	if !early {
		m.feed(membership.HubBeatSent{Sequence: m.sequence})
	}
}

// beatGap bounds how often the hub says early what has changed: when much does, several
// changes go out together.
const beatGap = 20 * time.Millisecond

// beatsEarly reports whether something has changed that gateways must know now.
func (m *Machine) beatsEarly() bool { return m.beatNow && m.now.Sub(m.beaten) >= beatGap }

// serves reports whether the member's endpoints are in the answers.
func (m *Machine) serves(name string) bool {
	mem, ok := m.members[name]
	return ok && mem.verdict.Health.Known() && !mem.withdrawn && !m.withdrawing(name)
}

func (m *Machine) describe(ev DescribeRequested) {
	mem, ok := m.members[ev.Member]
	if !ok {
		m.refuse(ev.Request, "NotFound", fmt.Sprintf("no member %q; see: hansa get members", ev.Member))
		return
	}
	m.reply(ev.Request, slices.Concat(m.farewell(mem), peersText(mem), m.health.Evidence(m.now, ev.Member), m.ways(mem.spec.stored.Place.Region)))
}

// earliestHealth is when membership wants to be stepped; zero for never.
func (m *Machine) earliestHealth() time.Time {
	if at, ok := m.health.Deadline(); ok {
		return at
	}
	return time.Time{}
}
