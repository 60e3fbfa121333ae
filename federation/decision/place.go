package decision

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// retryEvery bounds how often demand without a place is tried again while the
// facts of members keep changing.
const retryEvery = time.Second

// wait starts the short time in which changes that come together are gathered.
func (m *Machine) wait() {
	if m.batchAt.IsZero() {
		m.batchAt = m.now.Add(m.opts.Batch)
	}
}

// worldChanged notes that demand without a place may find one.
func (m *Machine) worldChanged() {
	m.changed()
	if m.worldAt.IsZero() {
		m.worldAt = m.now.Add(retryEvery)
	}
}

// renewWorld lets every workload that waits for room be decided again.
func (m *Machine) renewWorld() {
	if m.worldAt.IsZero() || m.now.Before(m.worldAt) {
		return
	}
	m.worldAt = time.Time{}
	m.world++
	for k, w := range m.workloads {
		if a, ok := w.placed(); ok && (a.Unmet > 0 || w.record.rejected != "" || m.gives(a) || m.lacks(w)) {
			m.consider(k)
		}
	}
}

// gives says that a member of the assignment should give its share away.
func (m *Machine) gives(a federation.Assignment) bool {
	return slices.ContainsFunc(a.Members, func(s federation.AssignedMember) bool {
		return m.emptying(s.Member) != ""
	})
}

// decide places every workload that needs it: losses at once, changes by users
// after the batch's time, all in one run of placement, so that tiers hold across
// them. A workload with a write under way waits for its outcome.
func (m *Machine) decide() {
	m.renewWorld()
	ripe := !m.batchAt.IsZero() && !m.now.Before(m.batchAt)
	var batch []*workload
	var reasons []string
	due := m.fresh
	if ripe || m.batchAt.IsZero() {
		due = m.dirty // else what was looked at waits for its batch
	}
	keys := m.byTier(due)
	clear(m.fresh)
	for _, k := range keys {
		w := m.workloads[k]
		if w == nil {
			delete(m.dirty, k)
			continue
		}
		if w.record.busy() {
			delete(m.dirty, k) // the outcome of the write brings it back
			continue
		}
		reason, urgent := m.cause(w)
		switch {
		case reason == "":
			delete(m.dirty, k)
		case m.direct(w, reason):
			delete(m.dirty, k)
		case urgent || ripe || m.batchAt.IsZero():
			delete(m.dirty, k)
			batch, reasons = append(batch, w), append(reasons, reason)
		}
	}
	if ripe {
		m.batchAt = time.Time{}
	}
	m.place(batch, reasons)
}

// cause says why the workload must be decided again, or "". Urgent causes do not
// wait for a batch.
func (m *Machine) cause(w *workload) (reason string, urgent bool) {
	a, placed := w.placed()
	switch {
	case w.spec == nil:
		if placed && !w.unread {
			return reasonDeleted, true
		}
		return "", false
	case w.plan != nil:
		return w.plan.reason, true
	case w.rebound != "":
		return w.rebound, true
	case w.record.rejected != "" && w.record.attempt.WorkloadRevision == w.spec.Revision && w.tried == m.world:
		return "", false
	case !placed, a.WorkloadRevision != w.spec.Revision:
		return "applied", false
	case w.seen() > a.Epoch:
		return fmt.Sprintf("epoch %d was seen, which this hub did not give", w.seen()), true
	}
	if w.rewound {
		return "the store was put back to an older copy", true
	}
	for _, s := range a.Members {
		if why := m.leaves(w, s.Member); why != "" {
			return why, true
		}
	}
	if a.Unmet > 0 && w.tried < m.world {
		return "room changed", false
	}
	if w.tried < m.world && m.lacks(w) {
		return "a member came", false
	}
	return "", false
}

// leaves says why the workload must leave the member, or "".
func (m *Machine) leaves(w *workload, member string) string {
	if _, ok := m.members[member]; !ok {
		return member + " left"
	}
	if why := w.released[member]; why != "" {
		return why
	}
	if why := m.intolerableIn(w, member); why != "" {
		return why
	}
	if why := m.stuckIn(w, member); why != "" {
		return why
	}
	if w.tried < m.world {
		return m.emptying(member)
	}
	return ""
}

// direct decides what placement is not asked about: a deletion, and the plan of
// an operation that still holds. It says whether it did.
func (m *Machine) direct(w *workload, reason string) bool {
	stored := w.record.stored
	if w.spec == nil {
		a := federation.Assignment{
			Workload: w.key, WorkloadRevision: stored.WorkloadRevision, Epoch: max(stored.Epoch, w.seen()) + 1,
			Members: slices.Clone(stored.Members), Reason: reasonDeleted, DecidedAt: m.now.UTC(),
		}
		for i := range a.Members {
			a.Members[i].Replicas = 0
		}
		m.write(w, a)
		return true
	}
	p := w.plan
	if p == nil {
		return false
	}
	holds := w.current() && m.stands(p.members) && m.permits(w, p.members)
	w.plan = nil
	if !holds {
		w.rebalance = true
		m.lapse(w)
		return false
	}
	if sameShares(stored.Members, p.members) {
		return true
	}
	a := stored
	a.Members, a.Reason, a.Operation, a.DecidedAt = slices.Clone(p.members), reason, p.operation, m.now.UTC()
	a.Explanation, a.InputsHash = p.explained(stored), p.inputsHash
	w.made, w.wished = p.made, wish{plan: p}
	a.Unmet = max(0, m.total(w, a.Members)-replicasOf(a.Members))
	m.adopt(w, a)
	return true
}

// stands says that every member of a plan is still one, and not truly lost.
func (m *Machine) stands(shares []federation.AssignedMember) bool {
	for _, s := range shares {
		mem, ok := m.members[s.Member]
		if !ok || mem.lost() && m.maskOf(s.Member) == "" {
			return false
		}
	}
	return len(shares) > 0
}

// total is how many replicas the shares should have together.
func (m *Machine) total(w *workload, shares []federation.AssignedMember) int64 {
	if !w.demand.Replicated {
		return 0
	}
	if w.spec.Placement.Replicas.Mode == "Duplicated" {
		var n int64
		for _, s := range shares {
			n += m.replicasIn(w, s.Member)
		}
		return n
	}
	return w.demand.Replicas
}

func replicasOf(shares []federation.AssignedMember) int64 {
	var n int64
	for _, s := range shares {
		n += s.Replicas
	}
	return n
}

// place runs placement over the batch and commits what came out.
func (m *Machine) place(batch []*workload, reasons []string) {
	if len(batch) == 0 {
		return
	}
	snap, err := m.snapshot()
	if err != nil {
		m.note("Assignment", "hub", err.Error())
		return
	}
	reqs := make([]placement.Request, len(batch))
	for i, w := range batch {
		reqs[i] = m.request(w)
	}
	victims := m.victims(batch, reqs)
	others := make([]placement.Request, len(victims))
	for i, w := range victims {
		others[i] = m.request(w)
	}
	made := m.keep(snap, reqs, others)
	m.decided++
	for i, d := range made.decide() {
		w, reason := slices.Concat(batch, victims)[i], d.Preempted
		if i < len(batch) {
			reason = reasons[i]
		} else if reason == "" {
			continue
		}
		m.commit(w, ruling{decision: d, reason: reason, made: made.at(i)})
	}
}

// request asks placement about one workload. Shares in lost members stay until
// they are released.
func (m *Machine) request(w *workload) placement.Request {
	a, placed := w.placed()
	spec := w.spec.Placement
	if w.failover().Continuity == federation.AtMostOne {
		spec.Spread = append(slices.Clone(spec.Spread), federation.SpreadConstraint{By: "member", Max: 1})
	}
	req := placement.Request{
		Workload: w.key, Placement: spec, Demand: w.demand, Current: []federation.AssignedMember{},
		Keep: map[string]string{}, Rebalance: w.rebalance || w.rebound != "", Explain: true,
		Users: m.usersOf(w),
	}
	if !placed {
		return req
	}
	req.Whole = m.completes(w)
	if w.once() && w.seen() > a.Epoch && m.members[w.holder] != nil {
		// A decision that this hub does not know gave it to that member, and it may run.
		a.Members = []federation.AssignedMember{{Member: w.holder, Replicas: w.demand.Replicas, Since: w.seen()}}
	}
	for _, s := range a.Members {
		mem, ok := m.members[s.Member]
		if !ok {
			continue
		}
		if mem.lost() && w.released[s.Member] == "" {
			req.Keep[s.Member] = m.keeps(w, s.Member)
		}
		req.Current = append(req.Current, s)
	}
	m.unstick(w, &req)
	m.exclude(w, &req)
	m.passOver(w, &req)
	return req
}

// ruling is what placement decided about one workload, and from what.
type ruling struct {
	decision placement.Decision
	reason   string
	made     origin
}

// commit makes an assignment of a decision and writes it if it says anything new.
// A planned move that would leave demand unmet does not happen.
func (m *Machine) commit(w *workload, r ruling) {
	old, placed := w.placed()
	d, made, reason := r.decision, r.made, r.reason
	w.tried, w.roster = m.world, m.roster
	if w.fault != "" && d.Err == nil {
		d.Err = fmt.Errorf("%s", w.fault)
	}
	if d.Err != nil {
		d = placement.Decision{
			Workload: w.key, Members: old.Members, Unmet: max(1, w.demand.Replicas-replicasOf(old.Members)),
			Explanation: federation.Explanation{Summary: d.Err.Error()},
		}
	}
	if placed && d.Unmet > old.Unmet && d.Preempted == "" && m.planned(w, old) {
		m.waitStuck(w)
		staying := m.staying(w)
		made = m.keep(made.batch.snap, []placement.Request{staying}, nil).at(0)
		d = made.batch.decide()[0]
	}
	a := d.Assignment()
	a.Workload, a.WorkloadRevision, a.Reason, a.DecidedAt = w.key, w.spec.Revision, reason, m.now.UTC()
	a.Operation = w.operation
	if placed {
		a.Explanation.Changes = placement.Differences(old.Explanation.Members, a.Explanation.Members)
	}
	wished := wish{rebound: w.rebound, rebalance: w.rebalance}
	w.rebalance, w.rebound = false, ""
	if placed && sameShares(old.Members, a.Members) && old.Unmet == a.Unmet &&
		old.WorkloadRevision == a.WorkloadRevision && w.seen() <= old.Epoch && !w.rewound {
		return
	}
	w.made, w.wished = made, wished
	m.adopt(w, a)
}

// planned says that the move would be by choice: everybody in the assignment is
// there and nobody is lost, but somebody is being emptied, or has replicas that
// find no node.
func (m *Machine) planned(w *workload, a federation.Assignment) bool {
	return len(w.released) == 0 && w.current() && (m.gives(a) || m.dueStuck(w))
}

// staying is the request of w with the shares of members that are being emptied
// where they are, unless they are to be emptied at any price.
func (m *Machine) staying(w *workload) placement.Request {
	req := m.request(w)
	for _, s := range req.Current {
		if why := m.emptying(s.Member); why != "" && !m.forced(s.Member) {
			req.Keep[s.Member] = why + ", but its share finds no room elsewhere"
		}
	}
	return req
}

// adopt gives the assignment its epoch, and new members their Since, and writes it.
func (m *Machine) adopt(w *workload, a federation.Assignment) {
	old, placed := w.placed()
	a.Epoch = max(w.record.stored.Epoch, 1)
	if !placed && w.record.revision != 0 || placed && !sameMembers(old.Members, a.Members) || w.seen() > a.Epoch || w.rewound {
		a.Epoch = max(w.record.stored.Epoch, w.seen()) + 1
	}
	if w.record.revision == 0 && w.seen() > 0 {
		a.Epoch = w.seen() + 1
	}
	for i := range a.Members {
		if a.Members[i].Since == 0 || a.Members[i].Since > a.Epoch {
			a.Members[i].Since = a.Epoch
		}
	}
	a.Grown = w.grown(a.Members)
	m.write(w, a)
}

func (m *Machine) write(w *workload, a federation.Assignment) {
	a.ReadyIn, _ = m.timeToReady(w.key)
	a.Strays = m.strayed(w, a.Members)
	id := m.newWrite(writing{source: SourceAssignments, key: w.key})
	w.record.begin(id, a)
	m.emit(PutAssignment{ID: id, Assignment: a, Expected: w.record.revision})
}

func sameMembers(a, b []federation.AssignedMember) bool {
	return slices.EqualFunc(a, b, func(x, y federation.AssignedMember) bool { return x.Member == y.Member })
}

func sameShares(a, b []federation.AssignedMember) bool {
	return slices.EqualFunc(a, b, func(x, y federation.AssignedMember) bool {
		return x.Member == y.Member && x.Replicas == y.Replicas
	})
}

func samePlacement(a, b federation.PlacementSpec) bool { return reflect.DeepEqual(a, b) }

// joined writes names for people: "frankfurt, tokyo".
func joined(names []string) string { return strings.Join(names, ", ") }
