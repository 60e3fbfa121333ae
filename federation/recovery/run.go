package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// observe advances the operation by what is seen. Several states may be passed
// in one go.
func (m *Machine) observe(now time.Time, o Observed) {
	if m.drill() && o.Fault != "" && !m.restoring() {
		m.note(now, "real fault: "+o.Fault)
		m.abort(now, "a real fault ended the drill: "+o.Fault)
	}
	m.served = m.served || !slices.ContainsFunc(o.Workloads, func(w WorkloadSeen) bool { return !w.Served })
	m.clock(now, o)
	for range 4 {
		before := m.op.State
		m.advance(now, o)
		if m.op.State == before || m.Ended() {
			return
		}
	}
}

func (m *Machine) advance(now time.Time, o Observed) {
	if over := m.overAt(); !over.IsZero() && !now.Before(over) {
		m.over(now, o)
		return
	}
	if m.returned(o) {
		m.comeBack(now, o)
		return
	}
	switch m.op.State {
	case federation.OperationRunning:
		m.running(now, o)
	case federation.OperationPaused:
		if o.Refusal == "" {
			m.enter(now, federation.OperationRunning, "the brake lets go")
		}
	case federation.OperationVerifying:
		m.verifying(now, o)
	case federation.OperationHeld:
		m.held(now, o)
	case federation.OperationRestoring, federation.OperationRollingBack:
		m.restore(now, o)
	}
}

// over ends a phase that took too long.
func (m *Machine) over(now time.Time, o Observed) {
	took := now.Sub(m.since).Round(time.Second)
	if m.restoring() {
		m.op.Reason = joinReasons(m.op.Reason, fmt.Sprintf("not everything is as before after %s: %s", took, unsettled(o)))
		m.conclude(now, federation.Fail)
		return
	}
	m.failed = fmt.Sprintf("%s was over its budget after %s: %s", m.phase(), took, m.lacking(o))
	m.op.Reason = joinReasons(m.op.Reason, m.failed)
	if m.drill() {
		m.enter(now, federation.OperationRestoring, m.failed)
		return
	}
	m.report(o)
	m.conclude(now, federation.Fail)
}

func (m *Machine) phase() string {
	switch {
	case m.op.State == federation.OperationVerifying:
		return "becoming steady"
	case m.drill() && m.verdict.IsZero() && (m.level("L5a") || m.level("L5b")):
		return "detection"
	}
	return "the move"
}

// running: the fault is in force; it lasts until capacity is back.
func (m *Machine) running(now time.Time, o Observed) {
	switch {
	case o.Refusal != "" && !m.release && m.op.Request.Verb == "failover" && m.op.Request.Initiator == Hub:
		m.enter(now, federation.OperationPaused, o.Refusal)
	case m.level("L5a"):
		m.shadowed(now, o)
	case m.moved(o):
		m.enter(now, federation.OperationVerifying, "capacity is back")
	}
}

// shadowed compares what the second detector led to.
func (m *Machine) shadowed(now time.Time, o Observed) {
	if o.Shadow.VerdictAt.IsZero() {
		return
	}
	if o.Shadow.Different != "" {
		m.failed = "the decision differs from the simulation: " + o.Shadow.Different
		m.op.Reason = joinReasons(m.op.Reason, m.failed)
	}
	m.enter(now, federation.OperationRestoring, "verdict and decision are in")
}

// returned: the members of a live failover are all back. What it has not decided
// by then stays where it is.
func (m *Machine) returned(o Observed) bool {
	if m.op.Request.Verb != "failover" || m.op.State.Ended() {
		return false
	}
	return !slices.ContainsFunc(o.Members, func(s MemberSeen) bool { return s.Health != federation.Healthy })
}

// comeBack ends a failover whose members returned, once what it moved is whole.
func (m *Machine) comeBack(now time.Time, o Observed) {
	moved := 0
	for _, w := range o.Workloads {
		if w.Decided && !w.Whole {
			return
		}
		if w.Decided {
			moved++
		}
	}
	m.mark(federation.T11Restored, now)
	if moved == 0 {
		m.op.Reason = "the scope returned before anything moved"
		m.conclude(now, federation.Pass)
		return
	}
	m.op.Reason = joinReasons(m.op.Reason, fmt.Sprintf("the scope returned when %d of %d workloads had moved", moved, len(o.Workloads)))
	m.report(o)
	m.conclude(now, m.judge())
}

// moved: what this operation is about has happened and capacity is back.
func (m *Machine) moved(o Observed) bool {
	if !o.Withdrawn && !m.back() && !m.relocates() || m.verdict.IsZero() && m.silences() {
		return false
	}
	if m.trafficOnly() {
		return true
	}
	if m.back() || m.relocates() {
		return settled(o) && !slices.ContainsFunc(o.Workloads, func(w WorkloadSeen) bool { return !w.Decided })
	}
	return !slices.ContainsFunc(o.Workloads, func(w WorkloadSeen) bool {
		return !w.Waiting && (!w.Decided || !w.Whole) || m.op.Request.Level == "L4" && !w.Settled
	})
}

// back says that the operation brings workloads into the scope, not out of it.
func (m *Machine) back() bool { return m.op.Request.Verb == "failback" }

// trafficOnly says that the operation is done when the traffic has left: a fence is in
// force then, whatever finds no room elsewhere.
func (m *Machine) trafficOnly() bool {
	return m.level("L3") || m.op.Request.Verb == "shift" || m.op.Request.Verb == Fence
}

// relocates says that the operation moves workloads and leaves the scope as it is.
func (m *Machine) relocates() bool { return m.op.Request.Verb == Relocate }

// silences says that the operation is about members that fall silent.
func (m *Machine) silences() bool {
	return m.op.Request.Verb == "failover" || m.level("L5a") || m.level("L5b")
}

// verifying: steady is what stays so for a while; T9 is when that began.
func (m *Machine) verifying(now time.Time, o Observed) {
	if !m.moved(o) {
		m.steady = time.Time{}
		return
	}
	if m.steady.IsZero() {
		m.steady = now
	}
	if now.Sub(m.steady) < m.budgets.Steady {
		return
	}
	m.mark(federation.T9Steady, m.steady)
	m.report(o)
	switch {
	case m.drill():
		m.enter(now, federation.OperationHeld, fmt.Sprintf("steady; held for %s", m.op.Request.Hold))
	case m.op.Request.Verb == Fence:
		m.enter(now, federation.OperationHeld, "until: hansa unfence "+m.op.Request.Scope.String())
	case standing(m.op.Request.Verb):
		m.enter(now, federation.OperationHeld, "until: hansa operation abort "+m.op.ID+", or failback")
	default:
		m.conclude(now, m.judge())
	}
}

func (m *Machine) held(now time.Time, _ Observed) {
	if m.drill() && now.Sub(m.since) >= m.op.Request.Hold {
		m.enter(now, federation.OperationRestoring, "everything goes back to where it was")
	}
}

// restore: the operation has ended when the federation is as before.
func (m *Machine) restore(now time.Time, o Observed) {
	for _, s := range o.Members {
		if s.Masked || s.Health != federation.Healthy && o.Fault == "" {
			return
		}
	}
	if !o.Admitted && o.Fault == "" || !settled(o) {
		return
	}
	m.mark(federation.T11Restored, now)
	m.conclude(now, m.judge())
}

func settled(o Observed) bool {
	return !slices.ContainsFunc(o.Workloads, func(w WorkloadSeen) bool { return !w.Restored || !w.Settled })
}

// conclude ends the operation: rolled back when it was aborted.
func (m *Machine) conclude(now time.Time, v federation.Verdict) {
	m.measure()
	if m.op.State == federation.OperationRollingBack {
		m.end(now, federation.OperationRolledBack, federation.Inconclusive)
		return
	}
	m.end(now, federation.OperationCompleted, v)
}

func (m *Machine) lacking(o Observed) string {
	for _, s := range o.Members {
		if m.verdict.IsZero() && (m.level("L5a") || m.level("L5b")) {
			return fmt.Sprintf("%s is %s, not yet Unreachable", s.Member, s.Health)
		}
	}
	for _, w := range o.Workloads {
		switch {
		case w.Waiting:
		case !w.Decided:
			return fmt.Sprintf("no decision about %s", w.Workload)
		case !w.Whole:
			return fmt.Sprintf("%s is not ready in %s", w.Workload, joined(w.Members))
		}
	}
	if !o.Withdrawn {
		return "not every gateway has shifted"
	}
	return "it did not stay steady"
}

func unsettled(o Observed) string {
	for _, s := range o.Members {
		if s.Health != federation.Healthy {
			return fmt.Sprintf("%s is %s", s.Member, s.Health)
		}
	}
	for _, w := range o.Workloads {
		if !w.Restored || !w.Settled {
			return fmt.Sprintf("%s has not settled", w.Workload)
		}
	}
	return "not every gateway has shifted back"
}
