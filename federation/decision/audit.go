package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Times of the audit of readiness.
const (
	auditSettle = time.Second      // after a change, for others that come with it
	auditEvery  = 10 * time.Second // at least between two, and ten times what one takes
)

// audit is the continuous check of what the loss of each member and region would
// do.
type audit struct {
	report  federation.Readiness
	known   bool
	began   time.Time // of the one under way; zero: none is
	nextAt  time.Time // when the next may begin
	stale   bool      // something changed since the newest one began
	waiting []uint64  // requests that the one under way answers
	asked   []uint64  // requests that the next one answers
}

// stepAudit begins an audit when one is due.
func (m *Machine) stepAudit() {
	at := m.auditAt()
	if at.IsZero() || m.now.Before(at) {
		return
	}
	snap, err := m.snapshot()
	if err != nil {
		return
	}
	m.audit.began, m.audit.stale = m.now, false
	m.audit.waiting, m.audit.asked = m.audit.asked, nil
	m.emit(Audit{Snapshot: snap, Requests: m.requests()})
}

// auditAt is when the next audit is due; zero when none is.
func (m *Machine) auditAt() time.Time {
	switch {
	case !m.audit.began.IsZero():
		return time.Time{}
	case len(m.audit.asked) > 0:
		return m.now
	case m.audit.stale:
		return m.audit.nextAt
	}
	return time.Time{}
}

// changed notes that the newest audit may be wrong by now.
func (m *Machine) changed() {
	if !m.audit.stale {
		m.audit.stale = true
		if at := m.now.Add(auditSettle); m.audit.nextAt.Before(at) {
			m.audit.nextAt = at
		}
	}
}

// audited takes the result of an audit.
func (m *Machine) audited(report federation.Readiness) {
	took := m.now.Sub(m.audit.began)
	report.CheckedAt = m.audit.began.UTC()
	if before := m.audit.report; m.audit.known && report.Score < before.Score && len(report.Scenarios) > 0 {
		worst := report.Scenarios[0]
		m.note("Readiness", "federation", fmt.Sprintf("readiness fell from %.0f to %.0f: loss of %s: %s", before.Score, report.Score, worst.Lost, worst.Fix))
	}
	m.audit.report, m.audit.known, m.audit.began = report, true, time.Time{}
	m.audit.nextAt = m.now.Add(max(auditEvery, 10*took))
	for _, request := range m.audit.waiting {
		m.reply(request, report)
	}
	m.audit.waiting = nil
}

// readiness answers with an audit of what the machine knows now.
func (m *Machine) readiness(ev ReadinessRequested) {
	if m.audit.known && !m.audit.stale && m.audit.began.IsZero() {
		m.reply(ev.Request, m.audit.report)
		return
	}
	m.audit.asked = append(m.audit.asked, ev.Request)
}
