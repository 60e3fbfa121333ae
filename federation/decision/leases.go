package decision

import (
	"fmt"
	"math"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/federation/membership"
)

// leaseTime is how long a grant of an at-most-one workload lasts.
func (w *workload) leaseTime() time.Duration { return lease.TTL(w.failover().Lease) }

func (w *workload) once() bool { return w.failover().Continuity == federation.AtMostOne }

// renew grants, or denies, the right to run an at-most-one workload for a while.
func (m *Machine) renew(ev RenewArrived) {
	r := ev.Renew
	w, ok := m.workloads[r.Workload]
	if ok && w.record.busy() && w.record.revision != 0 {
		// A denial would stop what runs for what may be a measured time that is written.
		m.refuse(ev.Request, "Unavailable", fmt.Sprintf("the decision about %s is being written; ask again", r.Workload))
		return
	}
	if !ok || w.record.revision == 0 {
		m.reply(ev.Request, federation.Grant{Denied: fmt.Sprintf("%s is not decided", r.Workload)})
		return
	}
	if _, assigned := w.record.stored.Replicas(r.Member); !assigned || w.deleted() {
		m.reply(ev.Request, federation.Grant{Denied: fmt.Sprintf("%s is not assigned to %s", r.Workload, r.Member)})
		return
	}
	if mem, known := m.members[r.Member]; !known || mem.lost() || m.maskOf(r.Member) != "" {
		m.reply(ev.Request, federation.Grant{Denied: r.Member + " is not in the federation's hands"})
		return
	}
	if o := m.fenceOf(r.Member); o != nil {
		m.reply(ev.Request, federation.Grant{Denied: fenced(o, r.Member)})
		return
	}
	claim := lease.Claim{Workload: r.Workload, Member: r.Member, Epoch: r.Epoch}
	assigned := lease.Claim{Workload: r.Workload, Member: r.Member, Epoch: w.record.stored.Epoch}
	m.inPeers(m.members[r.Member], r.Peers)
	held := r.Held && claim == assigned // so nobody else can hold it
	if why := m.prolonged(w, r.Member); why != "" && !held {
		m.reply(ev.Request, federation.Grant{Denied: why})
		return
	}
	if held && !w.leased {
		m.grants.Assume(m.now, claim, w.leaseTime())
	}
	asked := Order{r.Incarnation, r.Sequence}
	if holder, _, held := m.grants.Holder(r.Workload); held && holder == r.Member && w.granted.after(asked) {
		asked = w.granted // this request comes late: it was granted one that it made after it
	}
	g, granted := m.grants.Renew(m.now, claim, assigned, w.leaseTime())
	if granted {
		w.leased, w.granted = true, asked
		g.Peers = m.peersOf(m.members[r.Member])
	}
	m.reply(ev.Request, g)
}

// assumeLeases: a new hub does not know who was granted what. Only who holds a
// lease still, and is assigned, gets it again before all of them have run out; a
// Manual one not before every member has said that it does not hold it.
func (m *Machine) assumeLeases() {
	for _, k := range m.workloadKeys() {
		if w := m.workloads[k]; w.record.revision != 0 && w.once() {
			m.grants.Assume(m.now, lease.Claim{Workload: k, Epoch: w.record.stored.Epoch}, w.leaseTime())
		}
	}
}

// afterAll is the order of what a person says: it counts whatever was granted before.
var afterAll = Order{Incarnation: math.MaxUint64}

// proveStopped ends the grants of at-most-one workloads that the member does not
// run: it says so itself, or a person vouches for it. What the member said before it
// asked for the last grant proves nothing: it may run it by now.
func (m *Machine) proveStopped(name string, held map[federation.Key]bool, said Order) {
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		if !w.once() || held[k] {
			continue
		}
		if holder, _, granted := m.grants.Holder(k); granted && holder == name && !said.after(w.granted) {
			continue
		}
		m.grants.Prove(lease.Claim{Workload: k, Member: name, Epoch: max(w.record.stored.Epoch, w.seen())})
		m.disown(w, name)
	}
}

// disown notes that the member does not hold the workload. When nobody does, a Manual
// lease of an earlier hub, which does not end by itself, is over.
func (m *Machine) disown(w *workload, name string) {
	holder, _, held := m.grants.Holder(w.key)
	if !held || holder != "" || w.leaseTime() < lease.Forever {
		return
	}
	if w.disowned == nil {
		w.disowned = map[string]bool{}
	}
	w.disowned[name] = true
	for other := range m.members {
		if !w.disowned[other] {
			return
		}
	}
	m.grants.Forget(w.key)
}

// fenceFrom sets when a lost member is fenced by itself: when the last lease that it
// may hold has run out. One that holds none stays Unreachable, since there is nothing
// to prove.
func (m *Machine) fenceFrom(mem *member) {
	mem.fenceAt = time.Time{}
	for _, w := range m.workloads {
		if _, has := w.record.stored.Replicas(mem.name); !has || !w.once() {
			continue
		}
		if holder, free, held := m.grants.Holder(w.key); held && (holder == mem.name || holder == "") && free.After(mem.fenceAt) {
			mem.fenceAt = free
		}
	}
}

// lookForWitness is how often it is looked whether a lost member can hold a lease no more
// by the word of its peers.
const lookForWitness = time.Second

// stepFences fences lost members whose time has come, or for which a person vouches.
func (m *Machine) stepFences() {
	for _, name := range m.lost() {
		mem := m.gone[name]
		if !mem.unfenced() || m.maskOf(name) != "" {
			continue
		}
		switch o := m.vouchedBy(name); {
		case o != nil:
			m.proveStopped(name, nil, afterAll)
			m.feed(membership.FenceProven{Member: name, Reason: fenced(o, name)})
			m.checkDwells = true
		case !mem.fenceAt.IsZero() && !m.now.Before(mem.fenceAt):
			if m.attested(name) != "" {
				mem.fenceAt = m.now.Add(lookForWitness)
				continue
			}
			mem.fenceAt = time.Time{}
			m.feed(membership.FenceProven{Member: name, Reason: "every lease that it may hold has run out"})
			m.checkDwells = true
		}
	}
}

// vouchedBy is the operation by which a person has said that a lost member runs nothing
// that must run once; nil when there is none. A fence of a member that was there is an
// order, which it may not have got before it was lost.
func (m *Machine) vouchedBy(name string) *operation {
	for _, o := range m.runningOperations() {
		if o.covers[name] && o.wants.Fence && o.vouched[name] {
			return o
		}
	}
	return nil
}

// fencesAt is when the next member is fenced by itself; zero when none is.
func (m *Machine) fencesAt() time.Time {
	var next time.Time
	for name, mem := range m.gone {
		if mem.unfenced() && !mem.fenceAt.IsZero() && m.maskOf(name) == "" {
			next = earlier(next, mem.fenceAt)
		}
	}
	return next
}

// fenceOf is the operation by which a person has fenced the member; nil when none is.
func (m *Machine) fenceOf(name string) *operation {
	for _, o := range m.runningOperations() {
		if o.covers[name] && o.wants.Fence {
			return o
		}
	}
	return nil
}

func fenced(o *operation, name string) string {
	r := o.value().Request
	return fmt.Sprintf("%s is fenced by %s (operation %s); to release it: hansa unfence %s", name, r.Initiator, o.id, r.Scope)
}

// bound says that the workload's lease does not end, so that its share in a lost
// member moves only once that is fenced.
func (m *Machine) bound(w *workload, mem *member) bool {
	return w.once() && w.leaseTime() >= lease.Forever && mem.verdict.Health == federation.Unreachable
}

// releaseBound ends the Manual lease of a member that a person has removed: nobody else
// could say any more that it has stopped.
func (m *Machine) releaseBound(w *workload, name string) {
	if w.once() && w.leaseTime() >= lease.Forever {
		m.grants.Prove(lease.Claim{Workload: w.key, Member: name, Epoch: max(w.record.stored.Epoch, w.seen())})
		m.disown(w, name)
	}
}
