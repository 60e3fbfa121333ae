package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
)

// Times of a member that leaves.
const (
	// leaveAgain is how often its agent is told to let go of the cluster.
	leaveAgain = 5 * time.Second
	// lastWords is how long its credentials go on after its agent has done its part, so
	// that the agent hears that this is known.
	lastWords = 2 * time.Second
)

// leaveWatch is what the machine remembers of a member that leaves, beside its record.
type leaveWatch struct {
	toldAt time.Time // when the agent was last told
	doneAt time.Time // when the agent was done, or its record could not be removed
	waits  string    // what holds the agent up, by its own word
}

// leave begins the departure of a member. Its record says so from then on, whichever hub
// leads: it is emptied as one that is drained; then its agent lets go of the cluster;
// then the record goes. What a lost member ran goes elsewhere as after its failover, and
// its agent does its part when it is back.
func (m *Machine) leave(ev MemberCommand, mem *member) {
	words := strings.Fields(ev.Change.Argument)
	switch {
	case slices.Equal(words, []string{"forget"}):
		m.forgetMember(ev, mem)
		return
	case slices.Equal(words, []string{"cancel"}):
		m.cancelLeave(ev, mem)
		return
	}
	l, ok := leavingOf(words)
	was := mem.spec.stored.Leaving
	switch {
	case !ok:
		m.refuse(ev.Request, "Invalid", fmt.Sprintf("leave %s: want retain, delete, cancel or forget, and not %q", mem.name, ev.Change.Argument))
		return
	case was.Leaves() && was.Remains != l.Remains:
		m.refuse(ev.Request, "Refused", fmt.Sprintf("member %s is leaving already, with --%s; to end it without its agent: hansa leave %s --forget", mem.name, was.Remains, mem.name))
		return
	case was.Leaves() && (was.Force || !l.Force):
		m.reply(ev.Request, mem.spec.stored)
		return
	}
	if why := m.needed(mem, l); why != "" {
		m.refuse(ev.Request, "Refused", why)
		return
	}
	spec := mem.spec.stored
	l.Since, l.Told, l.Done = m.now.UTC(), was.Told, was.Done
	spec.Leaving = l
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
	m.record("Join", mem, ev.Change)
}

// cancelLeave lets a member stay after all, unless its agent may be at work already: what
// that has begun it brings to its end, and nobody knows what is left then.
func (m *Machine) cancelLeave(ev MemberCommand, mem *member) {
	spec := mem.spec.stored
	switch l := spec.Leaving; {
	case !l.Leaves():
		m.refuse(ev.Request, "Refused", fmt.Sprintf("member %s does not leave: there is nothing to cancel", mem.name))
		return
	case l.Told:
		m.refuse(ev.Request, "Refused", fmt.Sprintf("the agent of %s was told to let go of its cluster, which is not undone: wait until it has left (hansa describe member %s), then join it again with a new token", mem.name, mem.name))
		return
	}
	spec.Leaving, mem.leave = federation.Leaving{}, leaveWatch{}
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
	m.record("Join", mem, ev.Change)
}

func leavingOf(words []string) (l federation.Leaving, ok bool) {
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && words[1] != "force" {
		return l, false
	}
	l = federation.Leaving{Remains: federation.Remains(words[0]), Force: len(words) == 2}
	return l, l.Remains == federation.Retain || l.Remains == federation.Delete
}

// needed says why a member cannot leave now; empty when it can.
func (m *Machine) needed(mem *member, l federation.Leaving) string {
	if id := m.maskOf(mem.name); id != "" {
		return fmt.Sprintf("member %s is under the drill %s: wait for its end, or abort it: hansa operation abort %s", mem.name, id, id)
	}
	if l.Force || mem.lost() {
		return ""
	}
	scene := recovery.Scene{Members: []string{mem.name}}
	if err := m.leaving(federation.OperationRequest{Scope: federation.Scope{By: "member", Value: mem.name}}, &scene); err != nil {
		return err.Error()
	}
	short := slices.DeleteFunc(scene.Simulation.Unmet, func(u federation.Unmet) bool {
		w := m.workloads[u.Workload]
		_, has := w.record.stored.Replicas(mem.name)
		return !has || u.Replicas <= w.record.stored.Unmet
	})
	if len(short) == 0 {
		return ""
	}
	more := ""
	if len(short) > 1 {
		more = fmt.Sprintf(", nor do those of %d other workloads", len(short)-1)
	}
	return fmt.Sprintf("%d replicas of %s find no place without %s (%s)%s: make room, or give that up with --force",
		short[0].Replicas, short[0].Workload, mem.name, short[0].Reason, more)
}

// forgetMember removes a member that holds nothing any more, or is lost, without its
// agent.
func (m *Machine) forgetMember(ev MemberCommand, mem *member) {
	if n := m.holds(mem.name); n > 0 && !mem.lost() {
		m.refuse(ev.Request, "Refused", fmt.Sprintf("member %s still runs %d workloads; empty it first: hansa drain %s; or let its agent take part: hansa leave %s --retain, or --delete", mem.name, n, mem.name, mem.name))
		return
	}
	mem.asked = append(mem.asked, pending{request: ev.Request, id: m.dismiss(mem)})
	m.record("Join", mem, ev.Change)
}

// dismiss removes a member's record and ends its credentials.
func (m *Machine) dismiss(mem *member) uint64 {
	id := m.newWrite(writing{source: SourceMembers, name: mem.name, gone: true})
	spec := mem.spec.stored
	mem.spec.begin(id, federation.MemberSpec{})
	m.emit(DeleteMember{ID: id, Member: mem.name, Account: spec.Account, Expected: mem.spec.revision, Done: spec.Leaving.Done})
	return id
}

// holds counts the workloads of which the member has, or must still remove,
// something.
func (m *Machine) holds(name string) int {
	n := 0
	for _, w := range m.workloads {
		st, known := w.statuses[name]
		_, assigned := w.record.stored.Replicas(name)
		if assigned && !w.deleted() || known && running(st) {
			n++
		}
	}
	return n
}

// followLeave carries a member that leaves a step further.
func (m *Machine) followLeave(mem *member) {
	l := mem.spec.stored.Leaving
	if !l.Leaves() {
		return
	}
	m.membersIn(retryEvery)
	switch {
	case mem.spec.busy():
	case l.Done:
		m.part(mem)
	default:
		m.orderLeave(mem)
	}
}

// orderLeave tells the agent to let go of the cluster, once the federation does not need
// it any more. That it is told is written down before.
func (m *Machine) orderLeave(mem *member) {
	spec := mem.spec.stored
	if m.heldUp(mem) != "" || m.now.Sub(mem.leave.toldAt) < leaveAgain {
		return
	}
	if !spec.Leaving.Told {
		spec.Leaving.Told = true
		m.putSpec(mem, spec)
		return
	}
	mem.leave.toldAt = m.now
	m.emit(OrderLeave{Account: spec.Account, Order: federation.LeaveOrder{Member: mem.name, ClusterID: spec.ClusterID, Remains: spec.Leaving.Remains}})
}

// part removes a member whose agent is done, a little later.
func (m *Machine) part(mem *member) {
	if mem.leave.doneAt.IsZero() {
		mem.leave.doneAt = m.now
	}
	if left := mem.leave.doneAt.Add(lastWords).Sub(m.now); left > 0 {
		m.membersIn(left)
		return
	}
	mem.leave.doneAt = m.now // when it fails it is tried again
	m.dismiss(mem)
}

// heldUp says what has to happen before the agent may let go; empty when nothing has.
func (m *Machine) heldUp(mem *member) string {
	switch {
	case mem.lost(), mem.returning():
		return fmt.Sprintf("%s is %s; its agent does its part when it is back", mem.name, mem.verdict.Health)
	case m.maskOf(mem.name) != "":
		return mem.name + " is under a drill"
	}
	for _, k := range m.workloadKeys() {
		if why := m.holdsUp(m.workloads[k], mem.name); why != "" {
			return why
		}
	}
	return ""
}

// holdsUp says why one workload needs the member still. What this hub knows nothing of
// does not: the agent's inventory has it.
func (m *Machine) holdsUp(w *workload, name string) string {
	a, placed := w.placed()
	_, has := a.Replicas(name)
	switch {
	case w.record.busy():
		return fmt.Sprintf("%s is being decided", w.key)
	case placed && has:
		return fmt.Sprintf("%s has its place there; see: hansa explain %s", w.key, w.key)
	case w.record.revision == 0, !slices.Contains(m.strays(w), name):
		return ""
	case !m.retains(w, name):
		return fmt.Sprintf("%s is not removed there yet; see: hansa describe workload %s", w.key, w.key)
	case !placed || !m.moved(w):
		return fmt.Sprintf("%s is not ready elsewhere yet", w.key)
	}
	return ""
}

// retains says that what the member has of the workload stays there. What must run once
// does not: it runs elsewhere.
func (m *Machine) retains(w *workload, name string) bool {
	mem, ok := m.members[name]
	return ok && mem.spec.stored.Leaving.Remains == federation.Retain && !w.once() && !w.deleted()
}

// forced says that what finds no place elsewhere is given up.
func (m *Machine) forced(name string) bool {
	mem, ok := m.members[name]
	return ok && mem.spec.stored.Leaving.Force
}

// leaveReported: the agent tells how far it has come.
func (m *Machine) leaveReported(ev LeaveReported) {
	r := ev.Report
	mem := m.steady(ev.Request, r.Member, neverJoined(r.Member))
	if mem == nil {
		return
	}
	spec := mem.spec.stored
	switch {
	case spec.ClusterID != "" && r.ClusterID != spec.ClusterID:
		m.refuse(ev.Request, "Denied", fmt.Sprintf("member %s is another cluster (%s)", r.Member, spec.ClusterID))
	case !spec.Leaving.Leaves():
		m.refuse(ev.Request, "Refused", fmt.Sprintf("this hub does not know that %s leaves: its store was put back to an older copy; join again with a new token", r.Member))
	case spec.Leaving.Done:
		m.reply(ev.Request, spec)
	case !r.Done:
		if r.Waits != mem.leave.waits {
			mem.leave.waits = r.Waits
			m.note("Join", "member/"+mem.name, fmt.Sprintf("%s leaves: %s", mem.name, cmp.Or(r.Waits, "its agent goes on")))
		}
		m.reply(ev.Request, spec)
	default:
		spec.Leaving.Done = true
		mem.asked = append(mem.asked, pending{request: ev.Request, id: m.putSpec(mem, spec)})
		m.note("Join", "member/"+mem.name, fmt.Sprintf("%s has let go of its cluster (%s)", mem.name, spec.Leaving.Remains))
	}
}

// farewell tells how far the departure of a member has come.
func (m *Machine) farewell(mem *member) []federation.Evidence {
	l := mem.spec.stored.Leaving
	if !l.Leaves() {
		return nil
	}
	detail := cmp.Or(m.heldUp(mem), mem.leave.waits, "its agent is told to let go of the cluster")
	if l.Done {
		detail = "its agent has let go of the cluster"
	}
	return []federation.Evidence{{Observer: "hub", What: "leave", Age: m.now.Sub(l.Since), Detail: detail}}
}
