package decision

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
)

// A returning member may have to give away at most so many workloads, or so large a
// share of what it holds, before a person confirms it: beyond, it is more likely
// that the hub is wrong than the member.
const (
	stopBudget      = 10
	stopBudgetShare = 0.5
)

// hello answers a member's account of what it runs. The answer to a member that
// is lost, or under a mask, says nothing about works: it is not known yet what
// it may keep.
func (m *Machine) hello(ev HelloArrived) {
	h := ev.Hello
	mem, ok := m.members[h.Member]
	switch {
	case !ok:
		m.refuse(ev.Request, "NotFound", neverJoined(h.Member))
		return
	case mem.spec.stored.ClusterID != "" && h.ClusterID != mem.spec.stored.ClusterID:
		m.refuse(ev.Request, "Denied", fmt.Sprintf("member %s is another cluster (%s); join under another name", h.Member, mem.spec.stored.ClusterID))
		return
	}
	mem.agentAt = &h.AgentAt
	m.noteAgentAt(mem)
	reply := federation.HelloReply{Term: m.opts.Term, Health: mem.verdict.Health, Synced: h.Synced}
	switch {
	case m.maskOf(mem.name) != "":
		reply.Reason = "a drill is being restored; ask again"
	case mem.lost():
		reply.Reason = "no beat was heard since the member was lost; ask again"
	default:
		m.judge(mem, h, &reply)
	}
	m.reply(ev.Request, reply)
}

// noteAgentAt writes down where the agent is, as it has said itself.
func (m *Machine) noteAgentAt(mem *member) {
	spec := mem.spec.stored
	if mem.agentAt == nil || *mem.agentAt == spec.AgentAt || mem.spec.busy() || mem.spec.rejected != "" {
		return // looked at again after the write
	}
	spec.AgentAt = *mem.agentAt
	m.putSpec(mem, spec)
}

// judge fills the reply with what the member keeps and stops, and carries its
// return forward when the proof is in.
func (m *Machine) judge(mem *member, h federation.Hello, reply *federation.HelloReply) {
	back := mem.returning()
	held, surplus := map[federation.Key]bool{}, 0
	for _, hold := range h.Holdings {
		if hold.Stopped {
			continue
		}
		held[hold.Workload] = true
		if m.adjudge(mem, hold, reply) && back {
			surplus++
		}
	}
	if h.Synced {
		m.proveStopped(mem.name, held, Order{h.Incarnation, h.Sequence})
	}
	if budget := max(stopBudget, int(stopBudgetShare*float64(len(held)))); surplus > budget && !mem.confirmed && !mem.spec.stored.Leaving.Leaves() {
		reply.Reason = fmt.Sprintf("%d of %d works would have to go, more than %d; check the hub, then: hansa member confirm %s",
			surplus, len(held), budget, mem.name)
		m.step(mem, h, membership.Answered)
		reply.Keep, reply.Stop = nil, nil
	} else if o := m.fenceOf(mem.name); o != nil && back {
		m.step(mem, h, membership.Answered)
		reply.Reason = fenced(o, mem.name)
	} else {
		m.advance(mem, h, len(reply.Stop) == 0)
		if len(reply.Stop) > 0 {
			reply.Reason = fmt.Sprintf("%d works have to stop first", len(reply.Stop))
		}
	}
	m.learn(mem)
	m.unsaved[mem.name] = true
	reply.Health = mem.verdict.Health
}

// adjudge decides about one holding, and reports whether it is the member's no more. It
// is kept when the assignment gives it to the member. What must run once stops at once
// when others may run it; everything else goes on until it is taken back, which happens
// when the member is back and its replacement stands. What the hub has never heard of
// is left alone: deleting is no way to learn.
func (m *Machine) adjudge(mem *member, hold federation.Holding, reply *federation.HelloReply) (surplus bool) {
	w, ok := m.workloads[hold.Workload]
	if !ok || w.record.revision == 0 {
		m.note("Landing", "member/"+mem.name, fmt.Sprintf("%s runs %s, which this hub does not know; it is left alone", mem.name, hold.Workload))
		return false
	}
	a := w.record.stored
	if hold.Epoch > w.highest {
		w.highest, w.holder = hold.Epoch, mem.name
		m.touch(w.key)
	}
	share, assigned := a.Share(mem.name)
	assigned = assigned && !w.deleted()
	switch {
	case hold.Epoch > a.Epoch && !w.deleted(): // by a decision that this hub does not know
		reply.Keep = append(reply.Keep, federation.Holding{Workload: w.key, Epoch: hold.Epoch})
		return false
	case assigned && (share.Since <= hold.Epoch || !w.once()):
		m.noteObeyed(w, mem.name, hold)
		reply.Keep = append(reply.Keep, federation.Holding{Workload: w.key, Epoch: a.Epoch})
		return false
	case assigned:
		reply.Stop = append(reply.Stop, federation.Holding{Workload: w.key, Epoch: share.Since - 1})
	case w.once():
		reply.Stop = append(reply.Stop, federation.Holding{Workload: w.key, Epoch: max(a.Epoch, hold.Epoch)})
	default:
		reply.Keep = append(reply.Keep, federation.Holding{Workload: w.key, Epoch: hold.Epoch})
	}
	m.noteHeld(w, mem.name, hold)
	return true
}

// noteHeld remembers that the member has something to be taken back, when nothing else
// says so.
func (m *Machine) noteHeld(w *workload, member string, hold federation.Holding) {
	if _, reported := w.statuses[member]; !reported && w.works[member] == nil {
		w.works[member], w.looked = &work{order: order{epoch: hold.Epoch}}, looked{}
	}
}

// noteObeyed keeps the newest order that a member says it obeys. One that this hub has
// written since, and is not newer, will not be.
func (m *Machine) noteObeyed(w *workload, member string, hold federation.Holding) {
	if wk := w.works[member]; wk != nil && wk.revision == hold.Revision {
		return // it is the one
	}
	w.obeyed[member] = federation.Holding{Epoch: w.record.stored.Epoch, Revision: hold.Revision}
	m.noteRewound(w, member)
}

// advance feeds the steps of the return that the hello proves.
func (m *Machine) advance(mem *member, h federation.Hello, stopped bool) {
	m.step(mem, h, membership.Answered)
	if !stopped {
		return
	}
	m.step(mem, h, membership.Stopped)
	if h.Synced {
		m.step(mem, h, membership.Synced)
	}
}

func (m *Machine) step(mem *member, h federation.Hello, p membership.Phase) {
	m.feed(membership.ReturnStep{Member: mem.name, Incarnation: h.Incarnation, Phase: p})
}

// confirm lets a member go on whose return would stop more than the budget.
func (m *Machine) confirm(ev MemberCommand, mem *member) {
	if mem.verdict.Health != federation.Quarantined {
		m.refuse(ev.Request, "Refused", fmt.Sprintf("member %s is %s; only a Quarantined member waits to be confirmed", mem.name, mem.verdict.Health))
		return
	}
	mem.confirmed = true
	m.record("Health", mem, ev.Change)
	m.reply(ev.Request, mem.spec.stored)
}
