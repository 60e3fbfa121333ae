package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/placement"
)

// fall is one member's verdict, and the failure domain that explains it when
// others fell with it.
type fall struct {
	member string
	domain string
}

// graceAfterRestart is what a new hub gives lost members to be heard again before
// a dwell that ran out meanwhile counts.
const graceAfterRestart = 2 * time.Second

// The bounds of an Auto dwell, and what it is before anything was measured.
const (
	shortestDwell   = 5 * time.Second
	longestDwell    = 300 * time.Second
	unmeasuredDwell = 60 * time.Second
)

// lose starts the dwell of every workload that has a share in a fallen member,
// and the record of the failover; a fall under a mask belongs to its drill.
func (m *Machine) lose(fallen []fall) {
	if len(fallen) == 0 {
		return
	}
	var lost []string
	for _, f := range fallen {
		mem, ok := m.members[f.member]
		if !ok || !mem.lost() || mem.spec.stored.Leaving.Done {
			continue
		}
		m.dwellFrom(mem, m.now)
		m.fenceFrom(mem)
		if m.maskOf(f.member) == "" {
			lost = append(lost, f.member)
		}
	}
	slices.Sort(lost)
	if len(lost) > 0 {
		m.recordLoss(lost, fallen[0].domain)
	}
}

// dwellFrom sets when each share in the member may move by itself.
func (m *Machine) dwellFrom(mem *member, from time.Time) {
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		a, ok := w.placed()
		if _, has := a.Replicas(mem.name); !ok || !has {
			continue
		}
		m.bereft[k], m.checkDwells = true, true
		if w.failover().Mode == "Automatic" {
			w.dwells[mem.name] = from.Add(m.dwell(w, mem))
		}
	}
}

// resumeLoss goes on with the dwells of a member that was lost before this hub
// began. The wall clock of the verdict counts, but not below the grace.
func (m *Machine) resumeLoss(mem *member) {
	mem.factor = 1
	if v, ok := m.health.View(m.now, mem.name); ok {
		mem.factor = max(1, v.DwellFactor)
	}
	mem.lostAt, mem.suspectAt = mem.verdict.Since, mem.verdict.Since
	m.dwellFrom(mem, mem.verdict.Since)
	m.fenceFrom(mem)
	for _, w := range m.workloads {
		if at, ok := w.dwells[mem.name]; ok && at.Before(m.now.Add(graceAfterRestart)) {
			w.dwells[mem.name] = m.now.Add(graceAfterRestart)
		}
	}
}

// dwell is how long the workload waits for the member: what the user declared,
// or as long as a move takes.
func (m *Machine) dwell(w *workload, mem *member) time.Duration {
	if d, err := time.ParseDuration(w.failover().Dwell); err == nil {
		return max(0, d)
	}
	d := unmeasuredDwell
	if p95, ok := m.timeToReady(w.key); ok {
		d = min(max(p95, shortestDwell), longestDwell)
	}
	return time.Duration(float64(d) * mem.factor)
}

// spare: the member is heard again, so what did not move yet stays.
func (m *Machine) spare(mem *member) {
	m.checkDwells = true
	for k, w := range m.workloads {
		if w.record.busy() && w.released[mem.name] != "" {
			continue // the decision to move is on its way
		}
		_, dwells := w.dwells[mem.name]
		if _, moves := w.released[mem.name]; dwells || moves {
			delete(w.dwells, mem.name)
			delete(w.released, mem.name)
			m.touch(k)
		}
	}
}

// stepDwells releases the shares whose dwell is over, if the brake allows it or
// a person does.
func (m *Machine) stepDwells() {
	if !m.checkDwells && (m.dwellAt.IsZero() || m.now.Before(m.dwellAt)) {
		return
	}
	m.checkDwells, m.dwellAt = false, time.Time{}
	var due, approved []share
	for _, k := range sortedKeys(m.bereft) {
		w := m.workloads[k]
		if w == nil || !m.hasLost(w) {
			delete(m.bereft, k)
			continue
		}
		for _, s := range w.record.stored.Members {
			mem := m.members[s.Member]
			if mem == nil || !mem.lost() || w.released[s.Member] != "" {
				continue
			}
			at, dwells := w.dwells[s.Member]
			switch {
			case m.approvedFor(w, s.Member):
				approved = append(approved, share{w, s.Member})
			case m.bound(w, mem): // looked at again when it is fenced
			case dwells && !m.now.Before(at) && m.behind(w, at) != "":
				m.dwellAt = earlier(m.dwellAt, m.now.Add(retryEvery))
			case dwells && !m.now.Before(at):
				due = append(due, share{w, s.Member})
			case dwells:
				m.dwellAt = earlier(m.dwellAt, at)
			}
		}
	}
	m.release(approved)
	m.releaseIfAllowed(due)
}

// hasLost says that a lost member has a share of the workload.
func (m *Machine) hasLost(w *workload) bool {
	a, ok := w.placed()
	if !ok || w.spec == nil {
		return false
	}
	for name := range m.gone {
		if _, has := a.Replicas(name); has {
			return true
		}
	}
	return false
}

// share is one workload's share in a lost member.
type share struct {
	w      *workload
	member string
}

func (m *Machine) release(shares []share) {
	for _, s := range shares {
		why := s.member + " unreachable"
		if op := m.operationOf(s.member, s.w.key); op != "" {
			s.w.operation = op
			why = fmt.Sprintf("%s %s: %s", m.operations[op].machine.Operation().Request.Verb, op, why)
		}
		s.w.released[s.member] = why
		m.touch(s.w.key)
	}
}

// releaseIfAllowed asks the brake, again once a second while it refuses.
func (m *Machine) releaseIfAllowed(due []share) {
	if len(due) == 0 {
		if m.refusal != "" {
			m.refusal, m.brakeAt, m.beatNow, m.lookAgain = "", time.Time{}, true, true
		}
		return
	}
	if m.now.Before(m.brakeAt) {
		m.dwellAt = earlier(m.dwellAt, m.brakeAt)
		return
	}
	refusal := recovery.Refusal(m.mayMove(due))
	if refusal != m.refusal {
		m.beatNow, m.lookAgain = true, true
		m.note("Brake", "hub", cmp.Or(refusal, "the brake lets go"))
	}
	m.refusal, m.brakeAt = refusal, time.Time{}
	if refusal != "" {
		m.brakeAt = m.now.Add(retryEvery)
		m.dwellAt = earlier(m.dwellAt, m.brakeAt)
		return
	}
	m.release(due)
}

// mayMove is what the rules of the brake say about moving the shares.
func (m *Machine) mayMove(due []share) []recovery.Finding {
	in := m.brakeInput(m.lost())
	in.Unmet, in.Binding = m.displaced(due)
	if in.Limits.Headroom > 0 {
		in.Headroom = m.headroom(in.Lost)
	}
	return recovery.Brake(in)
}

// brakeInput is what the brake judges by. A member that leaves counts neither among those
// that are there nor among those that are lost.
func (m *Machine) brakeInput(lost []string) recovery.BrakeInput {
	in := recovery.BrakeInput{
		Limits: m.opts.Brake, Members: map[string]federation.Place{}, Reversals: map[string]int{}, Frozen: m.frozenBy(),
		Lost: slices.DeleteFunc(slices.Clone(lost), func(name string) bool {
			mem := m.members[name]
			return mem != nil && mem.spec.stored.Leaving.Leaves()
		}),
	}
	for name, mem := range m.members {
		if mem.spec.stored.Leaving.Leaves() {
			continue
		}
		in.Members[name] = mem.spec.stored.Place
		if v, ok := m.health.View(m.now, name); ok && m.maskOf(name) == "" {
			in.Reversals[name] = v.Reversals - 1
		}
	}
	if m.health.Stalled(m.now) {
		in.SelfCheck = "its own loop did not run"
	}
	return in
}

// lost lists the members that are lost now, sorted.
func (m *Machine) lost() []string { return sortedNames(m.gone) }

// lostOf lists those of the members that are lost.
func (m *Machine) lostOf(members []string) []string {
	return slices.DeleteFunc(slices.Clone(members), func(name string) bool {
		mem := m.members[name]
		return mem == nil || !mem.lost()
	})
}

// displaced is how much of the demand in the shares finds no place elsewhere,
// beyond what has none already, and the constraint that binds.
func (m *Machine) displaced(due []share) (unmet int64, binding string) {
	snap, err := m.snapshot()
	if err != nil {
		return 1, err.Error()
	}
	var reqs []placement.Request
	var before []int64
	index := map[federation.Key]int{}
	for _, s := range due {
		i, have := index[s.w.key]
		if !have {
			i = len(reqs)
			index[s.w.key] = i
			reqs = append(reqs, m.request(s.w))
			before = append(before, s.w.record.stored.Unmet)
		}
		delete(reqs[i].Keep, s.member)
	}
	for i, d := range placement.PlaceAll(reqs, snap) {
		if more := d.Unmet - before[i]; d.Err == nil && more > 0 {
			unmet += more
			binding = cmp.Or(binding, d.Workload.String()+": "+d.Binding)
		}
	}
	return unmet, binding
}

// headroom is the free share of the capacity that is left without the members.
func (m *Machine) headroom(lost []string) float64 {
	snap, err := m.snapshot()
	if err != nil {
		return 0
	}
	ask := federation.SimulationRequest{}
	for _, name := range lost {
		ask.Lose = append(ask.Lose, federation.Scope{By: "member", Value: name})
	}
	sim, err := placement.Simulate(snap, m.requests(), ask)
	if err != nil {
		return 0
	}
	return sim.Headroom
}

// keeps says why a share stays in a lost member.
func (m *Machine) keeps(w *workload, name string) string {
	at, dwells := w.dwells[name]
	switch mode := w.failover().Mode; {
	case mode != "Automatic":
		return fmt.Sprintf("%s is lost, but failover.mode is %s", name, mode)
	case m.bound(w, m.members[name]):
		return fmt.Sprintf("%s is lost, and %s may still run there; once it surely does not: hansa fence member=%s", name, w.key, name)
	case dwells && !m.now.Before(at) && m.behind(w, at) != "":
		return fmt.Sprintf("%s is lost, but %s is to be whole first", name, m.behind(w, at))
	case dwells && m.now.Before(at):
		return fmt.Sprintf("%s is lost, its dwell runs for another %s", name, at.Sub(m.now).Round(time.Second))
	case m.refusal != "":
		return fmt.Sprintf("%s is lost, but the brake holds: %s", name, m.refusal)
	}
	return name + " is lost"
}

// Frozen says why automation may not act now; empty when it may.
func (m *Machine) Frozen() string { return cmp.Or(m.frozenBy(), m.refusal) }

// committed follows the stored assignment: shares that have left a lost member
// need no dwell any more.
func (m *Machine) committed(w *workload) {
	for name := range w.released {
		if _, still := w.record.stored.Replicas(name); !still {
			delete(w.released, name)
			delete(w.dwells, name)
		}
	}
	if len(w.released) == 0 {
		w.operation = ""
	}
	m.unstuck(w)
	m.lapse(w)
	m.lookAgain = true
	m.note("Assignment", "workload/"+w.key.String(), fmt.Sprintf("%s: epoch %d: %s (%s)", w.key, w.record.stored.Epoch, shares(w.record.stored), w.record.stored.Reason))
}

// shares writes an assignment's members for people: "frankfurt 2, tokyo 3".
func shares(a federation.Assignment) string {
	if len(a.Members) == 0 {
		return "nowhere"
	}
	var parts []string
	for _, s := range a.Members {
		parts = append(parts, fmt.Sprintf("%s %d", s.Member, s.Replicas))
	}
	return joined(parts)
}
