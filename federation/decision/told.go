package decision

import "time"

// What members report ends with the bus of a single hub, and they tell it again to the
// next one. Until then that hub knows of no work that it was handed out: it would write
// all of them once more, and every agent would read, apply and report them.

// tellWithin is how long members have for that.
const tellWithin = 10 * time.Second

// awaitTold begins the wait when there are assignments and not one report.
func (m *Machine) awaitTold() {
	assigned := false
	for _, w := range m.workloads {
		if len(w.statuses) > 0 {
			return
		}
		assigned = assigned || len(w.record.stored.Members) > 0
	}
	if assigned {
		m.toldBy = m.now.Add(tellWithin)
	}
}

// tells reports whether a member may still tell that it has its share of the workload. A
// share of a decision of this hub's own nobody can have yet.
func (m *Machine) tells(w *workload) bool {
	return m.now.Before(m.toldBy) && w.record.stored.DecidedAt.Before(m.began)
}

// stepTold ends the wait: what was not told is handed out.
func (m *Machine) stepTold() {
	if m.toldBy.IsZero() || m.now.Before(m.toldBy) {
		return
	}
	m.toldBy = time.Time{}
	for k := range m.workloads {
		m.touch(k)
	}
}
