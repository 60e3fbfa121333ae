package decision

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
	"github.com/hansa-io/hansa/federation/recovery"
)

// observe is the federation as one operation sees it.
func (m *Machine) observe(o *operation) recovery.Observed {
	op := o.value()
	seen := recovery.Observed{Fault: m.faultFor(o), Refusal: m.refusalFor(o)}
	for _, name := range op.Members {
		if mem, ok := m.members[name]; ok {
			seen.Members = append(seen.Members, m.seeMember(o, mem))
		}
	}
	for _, r := range op.Workloads {
		if w := m.workloads[r.Workload]; w != nil && w.spec != nil {
			seen.Workloads = append(seen.Workloads, m.seeWorkload(o, w))
		}
	}
	seen.Withdrawn, seen.Admitted, seen.Elsewhere = m.traffic(op.Members)
	if o.shadow != nil {
		seen.Shadow = o.shadow.seen
	}
	return seen
}

func (m *Machine) seeMember(o *operation, mem *member) recovery.MemberSeen {
	s := recovery.MemberSeen{
		Member: mem.name, Health: mem.verdict.Health, Masked: m.masking(o),
		HeardAt: m.lastHeard(mem), SuspectAt: mem.suspectAt,
	}
	if mem.lost() {
		s.VerdictAt = mem.lostAt
	}
	if t0 := o.value().Marks[federation.T0Fault]; s.SuspectAt.Before(t0) {
		s.SuspectAt = time.Time{}
	}
	return s
}

// lastHeard is when the member's last beat came that counts: under a mask, the
// last one before it.
func (m *Machine) lastHeard(mem *member) time.Time {
	if v, ok := m.health.View(m.now, mem.name); ok && v.HeardAge >= 0 {
		return m.now.Add(-v.HeardAge)
	}
	return time.Time{}
}

func (m *Machine) seeWorkload(o *operation, w *workload) recovery.WorkloadSeen {
	a := w.record.stored
	seen := recovery.WorkloadSeen{
		Workload: w.key, Members: names(a.Members), Decided: w.current(), First: true, Whole: !w.record.busy() && a.Unmet == 0,
		Restored: w.plan == nil && !w.record.busy() && !m.dirty[w.key], Settled: m.settled(w),
	}
	back := o.value().Request.Verb == "failback"
	if back {
		seen.Decided = seen.Decided && o.wants.Rebound && w.rebound == "" && !m.dirty[w.key]
	}
	if o.value().Request.Verb == recovery.Relocate {
		seen.Decided = seen.Decided && o.wants.Relocate && w.plan == nil && !m.dirty[w.key]
	}
	grows := false
	for _, s := range a.Members {
		if o.covers[s.Member] && !back {
			seen.Decided = false
			continue
		}
		st := w.statuses[s.Member]
		if m.serves(s.Member) && running(st) && (st.Ready > 0 || s.Replicas == 0 && st.State == federation.WorkReady) {
			seen.Served = true
		}
		if !m.standsReady(w, s) && (m.shifted(s.Member) == "" || !w.allReady(s)) {
			seen.Whole = false // what only a shift keeps from serving is there all the same
		}
		if w.grew(s) {
			had := max(0, a.Grown[s.Member])
			seen.First = seen.First && (grows || st.Ready > had) || st.Ready > had
			grows = true
		}
	}
	mode := w.failover().Mode
	seen.Waiting = mode != "Automatic" && o.value().Request.Initiator == recovery.Hub && !o.machine.Released()
	return seen
}

// settled says that every member has what the assignment gives it, that it is
// ready there, and that nobody else holds anything.
func (m *Machine) settled(w *workload) bool {
	if w.record.busy() || m.dirty[w.key] || !w.current() {
		return false
	}
	for _, s := range w.record.stored.Members {
		mem := m.members[s.Member]
		if mem == nil || mem.lost() {
			continue
		}
		wk := w.works[s.Member]
		if wk == nil || wk.write != 0 || wk.order.replicas != s.Replicas || !m.standsReady(w, s) {
			return false
		}
	}
	return !slices.ContainsFunc(m.strays(w), func(name string) bool { return !m.members[name].lost() })
}

// traffic says whether the gateways that are heard have taken the members'
// endpoints out of their answers, or have them all in again.
func (m *Machine) traffic(members []string) (withdrawn, admitted, elsewhere bool) {
	withdrawn, admitted = true, true
	for _, name := range sortedNames(m.gateways) {
		g := m.gateways[name]
		if m.now.Sub(g.at) > gatewayAge {
			continue
		}
		out := 0
		for _, member := range members {
			if slices.Contains(g.beat.Withdrawn, member) {
				out++
			}
		}
		withdrawn = withdrawn && out == len(members)
		admitted = admitted && out == 0
		elsewhere = elsewhere || out == len(members)
	}
	return withdrawn, admitted, elsewhere
}

// faultFor names a real fault that ends a drill: a member outside of its scope
// that is not well, or one inside that has truly fallen silent.
func (m *Machine) faultFor(o *operation) string {
	if o.fault != "" {
		return o.fault
	}
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		if o.covers[name] {
			continue
		}
		if h := mem.verdict.Health; h == federation.Suspect || mem.lost() {
			return fmt.Sprintf("%s is %s", name, h)
		}
	}
	return ""
}

// realFault: a member under a mask has truly fallen silent.
func (m *Machine) realFault(id, reason string) {
	if o := m.operations[id]; o != nil {
		o.fault, m.lookAgain = reason, true
	}
}

func (m *Machine) refusalFor(o *operation) string {
	if m.refusal == "" {
		return ""
	}
	for name := range o.covers {
		if mem := m.members[name]; mem != nil && mem.lost() {
			return m.refusal
		}
	}
	return ""
}

// recordLoss starts the record of a failover that automation makes after a real
// loss: one for the workloads that move by themselves, one for those that wait
// for an approval.
func (m *Machine) recordLoss(lost []string, domain string) {
	scope := federation.Scope{By: "member", Value: lost[0]}
	if s, err := federation.ParseScope(domain); err == nil && len(lost) > 1 {
		scope = s
	}
	for _, approve := range []bool{false, true} {
		want := map[bool]string{false: "Automatic", true: "Approve"}[approve]
		reports := m.concerned(lost, func(w *workload) bool { return w.failover().Mode == want })
		if len(reports) == 0 {
			continue
		}
		o := m.launch(federation.OperationRequest{
			Verb: "failover", Scope: scope, Mode: federation.Live, Initiator: recovery.Hub, Reason: joined(lost) + " unreachable",
		}, recovery.Scene{
			Members: lost, Workloads: reports, Approval: approve, Budgets: m.budgets(reports), Fault: m.lastHeard(m.members[lost[0]]),
			Simulation: federation.Simulation{Fits: true},
		})
		for _, r := range reports {
			m.claim(o, r.Workload)
		}
	}
}

// claim notes which operation a workload's next move belongs to.
func (m *Machine) claim(o *operation, k federation.Key) {
	if m.claims[k] == nil {
		m.claims[k] = map[string]bool{}
	}
	m.claims[k][o.id] = true
}

func (m *Machine) unclaim(o *operation) {
	for _, r := range o.record.stored.Workloads {
		delete(m.claims[r.Workload], o.id)
	}
}

// operationOf is the operation that the move of a workload away from a member
// belongs to; empty when none does.
func (m *Machine) operationOf(name string, k federation.Key) string {
	for _, id := range sortedNames(m.claims[k]) {
		if o := m.operations[id]; o != nil && o.running() && o.covers[name] {
			return id
		}
	}
	return ""
}

// approvedFor reports whether a person let the workload leave the lost member, or lets
// the member leave.
func (m *Machine) approvedFor(w *workload, name string) bool {
	if mem := m.members[name]; mem.spec.stored.Leaving.Leaves() && !m.bound(w, mem) {
		return true
	}
	id := m.operationOf(name, w.key)
	return id != "" && m.operations[id].wants.Release
}

// masking says that the operation's mask is in force: as long as it wants it,
// and until the assignments of before are stored again, so that its members do
// not come back to an assignment that gives them nothing.
func (m *Machine) masking(o *operation) bool {
	if !o.running() || o.value().Request.Level != "L5b" {
		return false
	}
	if o.wants.Mask {
		return true
	}
	if !o.machine.Wants().Restore {
		return false
	}
	return !o.planned || slices.ContainsFunc(o.value().Workloads, func(r federation.WorkloadReport) bool {
		w := m.workloads[r.Workload]
		return w != nil && w.spec != nil && (w.plan != nil || w.record.busy())
	})
}

// maskOf returns the operation that has the member under its mask.
func (m *Machine) maskOf(name string) string {
	for id, o := range m.operations {
		if o.covers[name] && m.masking(o) {
			return id
		}
	}
	return ""
}

// maskLife is how long observers keep a mask that is not renewed. Every beat of
// the hub renews it: losing the hub ends the drill.
const maskLife = 10 * time.Second

// masks lists the fault masks in force.
func (m *Machine) masks() []federation.FaultMask {
	var out []federation.FaultMask
	for _, o := range m.runningOperations() {
		if m.masking(o) {
			out = append(out, federation.FaultMask{Operation: o.id, Members: o.value().Members, Level: "L5b", Lifetime: maskLife})
		}
	}
	return out
}

// liftMask ends the operation's mask at every observer, once nothing keeps it.
func (m *Machine) liftMask(o *operation) {
	if !o.masked || m.masking(o) {
		return
	}
	o.masked, m.beatNow = false, true
	m.feed(membership.MaskLifted{Operation: o.id})
}

func (m *Machine) maskEnded(id string) {
	if o := m.operations[id]; o != nil && o.running() && o.wants.Mask {
		m.advanceOperation(o, recovery.Aborted{Reason: "its mask ran out", Who: recovery.Hub})
	}
}

// withdrawing says that an operation keeps the member's endpoints out of the
// answers.
func (m *Machine) withdrawing(name string) bool {
	for _, o := range m.operations {
		if o.covers[name] && o.running() && o.wants.Withdraw {
			return true
		}
	}
	return false
}

// shifted says why the member gets nothing new: its endpoints are kept out of the
// answers, so that what starts there would serve nobody. Empty when it is not.
func (m *Machine) shifted(name string) string {
	first := "" // by ID; they are not sorted for each of many shares
	for id, o := range m.operations {
		if (first == "" || id < first) && o.covers[name] && o.running() && o.wants.Withdraw && !o.wants.Evacuate && o.value().Request.Verb == "shift" {
			first = id
		}
	}
	if first == "" {
		return ""
	}
	return fmt.Sprintf("operation %s keeps the traffic from %s", first, name)
}

// evacuating says why nothing may be assigned to the member; empty when it may.
func (m *Machine) evacuating(name string) string {
	for _, o := range m.runningOperations() {
		if o.covers[name] && o.wants.Evacuate {
			return fmt.Sprintf("%s %s evacuates %s", o.value().Request.Verb, o.id, name)
		}
	}
	return ""
}
