package decision

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/federation/membership"
)

// member is one member: its record, its facts, and the verdict about it.
type member struct {
	name    string
	spec    record[federation.MemberSpec]
	facts   federation.MemberFacts
	verdict federation.HealthRecord         // as it is now
	record  record[federation.HealthRecord] // as the store has it

	withdrawn bool          // its endpoints must not be in answers
	confirmed bool          // a person let it stop more than the budget
	heardAt   time.Time     // when its last beat came
	contact   lease.Contact // whether it can have attested for others
	lastPart  ownPart
	tellsBy   time.Time                      // until when it may tell what it has of earlier hubs; zero: it need not
	elsewhere bool                           // it follows another hub
	suspectAt time.Time                      // when it became Suspect last
	passed    uint64                         // Machine.decided then, and 1
	came      uint64                         // Machine.roster when it could be chosen last, and could not before
	lostAt    time.Time                      // when it became Unreachable last
	fenceAt   time.Time                      // when it is fenced by itself; zero: never
	factor    float64                        // by which an Auto dwell is longer, for want of evidence
	asked     []pending                      // commands that wait for the record's write
	tainted   map[federation.Taint]time.Time // since when it has each NoExecute taint
	unsealed  map[federation.Key]bool        // works that are to be sealed to its new key; nil when all are
	traits    uint64                         // counts whenever a condition of an override may come out differently
	agentAt   *string                        // where its agent is, as it said last; nil: it has said nothing to this hub
	user      userWatch
	leave     leaveWatch
}

// pending is a request that is answered when a write is done.
type pending struct {
	request uint64
	id      uint64 // of the write
}

// lost says that the verdict is in: what the member runs counts as gone.
func (mem *member) lost() bool {
	return mem.unfenced() || mem.verdict.Health == federation.Fenced
}

// unfenced says that it is lost, and may run what it ran.
func (mem *member) unfenced() bool { return mem.verdict.Health == federation.Unreachable }

// returning says that it has still to prove what it runs.
func (mem *member) returning() bool {
	return mem.verdict.Health == federation.Returning || mem.verdict.Health == federation.Quarantined
}

func (m *Machine) applyMember(ev Event) {
	switch ev := ev.(type) {
	case MemberChanged:
		m.memberChanged(ev)
	case MemberRemoved:
		m.memberRemoved(ev.Member)
	case FactsChanged:
		m.factsChanged(ev.Facts)
	case UserEnded:
		m.userEnded(ev)
	case HealthLoaded:
		m.member(ev.Member).record.load(ev.Record, ev.Revision)
		m.unsaved[ev.Member] = true
	}
}

// member returns the member called name, made when it is new. It takes part in
// nothing until its record has come.
func (m *Machine) member(name string) *member {
	if mem, ok := m.members[name]; ok {
		return mem
	}
	mem := m.strangers[name]
	if mem == nil {
		mem = &member{name: name}
		m.strangers[name] = mem
	}
	return mem
}

func (m *Machine) memberChanged(ev MemberChanged) {
	mem := m.member(ev.Spec.Name)
	known, was := mem.spec.revision != 0, mem.spec.stored
	if !mem.spec.load(ev.Spec, ev.Revision) {
		return
	}
	m.membersIn(0)
	m.unsaved[mem.name] = true
	if known && !sameLife(was, ev.Spec) {
		m.recount(mem)
	}
	m.members[mem.name] = mem
	delete(m.strangers, mem.name)
	m.noteTaints(mem)
	if !m.ready {
		return
	}
	m.noteSeals(mem)
	if known {
		m.feed(membership.MemberAdded{Spec: ev.Spec})
	} else {
		m.watch(mem)
		m.note("Join", "member/"+mem.name, mem.name+" joined")
	}
	if !known || !onlyKeys(was, ev.Spec) {
		mem.traits++
		m.reconsider()
	}
}

// recount: the agent of the member has counters that begin anew.
func (m *Machine) recount(mem *member) {
	mem.facts.Incarnation, mem.facts.Sequence = 0, 0
	for _, w := range m.workloads {
		if s, ok := w.statuses[mem.name]; ok {
			s.Incarnation, s.Sequence = 0, 0
			w.statuses[mem.name] = s
		}
	}
}

// reconsider lets every workload be looked at again in the next world.
func (m *Machine) reconsider() {
	m.comes(nil)
	m.worldAt = m.now
	m.touchAll()
}

func (m *Machine) touchAll() {
	for k := range m.workloads {
		m.touch(k)
	}
}

func (m *Machine) memberRemoved(name string) {
	mem, ok := m.members[name]
	if !ok {
		return
	}
	delete(m.members, name)
	delete(m.gone, name)
	m.unwatch(name)
	for _, w := range m.workloads {
		m.releaseBound(w, name)
		delete(w.statuses, name)
		delete(w.obeyed, name)
		delete(w.works, name)
		delete(w.dwells, name)
		delete(w.released, name)
	}
	m.grants.Orphan(name)
	for _, p := range mem.asked {
		m.reply(p.request, mem.spec.stored)
	}
	m.leaveOperations(name)
	if m.ready {
		m.note("Join", "member/"+name, name+" left")
		m.reconsider()
	}
}

// factsChanged moves nothing that runs; only demand without a place is tried again.
func (m *Machine) factsChanged(f federation.MemberFacts) {
	if m.left(f.Member) {
		return
	}
	mem := m.member(f.Member)
	if f.Incarnation < mem.facts.Incarnation || f.Incarnation == mem.facts.Incarnation && f.Sequence < mem.facts.Sequence {
		return
	}
	first, same := f.Incarnation != mem.facts.Incarnation, sameTraits(f, mem.facts)
	mem.facts = f
	if !same {
		m.differs(mem)
	}
	if first {
		m.comes(mem)
	} else {
		m.worldChanged()
	}
}

// left: what comes late of a member that is none any more is not that of the next one
// under its name. Before the records are in, they come in any order.
func (m *Machine) left(name string) bool { return m.ready && m.members[name] == nil }

// steady returns the member whose record a request wants changed. The request is refused
// when there is none, as gone says, and while another change is being written.
func (m *Machine) steady(request uint64, name, gone string) *member {
	mem, ok := m.members[name]
	switch {
	case !ok:
		m.refuse(request, "NotFound", gone)
		return nil
	case mem.spec.busy():
		m.refuse(request, "Unavailable", fmt.Sprintf("another change of member %s is being written; try again", mem.name))
		return nil
	}
	return mem
}

// neverJoined says to an agent that nobody of its name is a member.
func neverJoined(name string) string {
	return fmt.Sprintf("no member %q; it left or never joined", name)
}

// membersIn lets the users and departures of all members be looked at again after d.
func (m *Machine) membersIn(d time.Duration) { m.membersAt = earlier(m.membersAt, m.now.Add(d)) }

// stepMembers does what is due about the users, addresses and departures of members.
func (m *Machine) stepMembers() {
	if m.membersAt.IsZero() || m.now.Before(m.membersAt) {
		return
	}
	m.membersAt = time.Time{}
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		m.endUsers(mem)
		m.orderRotation(mem)
		m.noteAgentAt(mem)
		m.followLeave(mem)
	}
}

// command changes a member's record as an operator asked.
func (m *Machine) command(ev MemberCommand) {
	mem := m.steady(ev.Request, ev.Change.Member, fmt.Sprintf("no member %q; see: hansa get members", ev.Change.Member))
	if mem == nil {
		return
	}
	switch ev.Change.Action {
	case "confirm":
		m.confirm(ev, mem)
		return
	case "leave":
		m.leave(ev, mem)
		return
	case "rotate":
		m.rotate(ev, mem)
		return
	}
	spec, err := changedSpec(mem.spec.stored, ev.Change)
	if err != nil {
		m.refuse(ev.Request, "Invalid", err.Error())
		return
	}
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
	m.record("Join", mem, ev.Change)
}

func (m *Machine) record(kind string, mem *member, c federation.MemberChange) {
	m.emit(PutEvent{federation.Event{
		At: m.now.UTC(), Type: kind, About: "member/" + mem.name, Who: c.Who, Text: strings.TrimSpace(c.Action + " " + mem.name + " " + c.Argument),
	}})
}

func (m *Machine) memberDone(wr writing, ev WriteDone) {
	mem, ok := m.members[wr.name]
	if !ok || mem.spec.write != ev.ID {
		return // another one has the name by now
	}
	was, spec := mem.spec.stored, mem.spec.attempt
	if mem.spec.done(ev) {
		m.emit(ReadRecord{Source: SourceMembers, Name: wr.name})
	}
	if wr.gone && ev.Outcome == Written {
		mem.spec.stored.Name = wr.name
		m.memberRemoved(wr.name)
		return
	}
	var left []pending
	for _, p := range mem.asked {
		switch {
		case p.id != ev.ID:
			left = append(left, p)
		case ev.Outcome == Written:
			m.reply(p.request, spec)
		case ev.Outcome == Rejected:
			m.refuse(p.request, "Invalid", fmt.Sprintf("change member %s: %s", wr.name, ev.Detail))
		default:
			m.refuse(p.request, "Conflict", fmt.Sprintf("member %s was changed at the same time; try again", wr.name))
		}
	}
	mem.asked = left
	if ev.Outcome != Written {
		m.membersIn(retryEvery)
		return
	}
	m.membersIn(0)
	m.feed(membership.MemberAdded{Spec: spec})
	m.noteTaints(mem)
	m.noteSeals(mem)
	if !onlyKeys(was, spec) {
		mem.traits++
		m.reconsider()
	}
}

// emptying says why the member gives its shares away although it is there.
func (m *Machine) emptying(name string) string {
	mem, ok := m.members[name]
	if !ok {
		return ""
	}
	switch spec := mem.spec.stored; {
	case spec.Leaving.Leaves():
		return name + " leaves the federation"
	case spec.Draining:
		return name + " is being drained"
	}
	return m.evacuating(name)
}

// gateway is what is known of one gateway.
type gateway struct {
	beat federation.GatewayBeat
	at   time.Time
}

// gatewayAge is how long a gateway's last word counts.
const gatewayAge = 3 * time.Second

func (m *Machine) heardGateway(b federation.GatewayBeat) {
	g := m.gateways[b.Gateway]
	if g == nil || !slices.Equal(g.beat.Withdrawn, b.Withdrawn) {
		m.lookAgain = true
	}
	m.gateways[b.Gateway] = &gateway{beat: b, at: m.now}
	if m.ready && m.above(b.Term, b.Sequence) {
		m.emit(Outranked{Term: b.Term})
	}
}

// above says that a beat with that sequence, of a hub of that term, is not this hub's.
func (m *Machine) above(term, sequence uint64) bool {
	return term > m.opts.Term || term == m.opts.Term && sequence > m.sequence
}

// followed notes which hub a member follows. One member alone is not believed: it could
// keep every hub from leading.
func (m *Machine) followed(mem *member, b federation.Beat) {
	mem.elsewhere = m.above(b.HubTerm, b.HubSequence)
	if !mem.elsewhere {
		return
	}
	elsewhere, present := 0, 0
	for _, other := range m.members {
		if !other.lost() {
			present++
		}
		if other.elsewhere {
			elsewhere++
		}
	}
	if 2*elsewhere > present {
		m.emit(Outranked{Term: b.HubTerm})
	}
}
