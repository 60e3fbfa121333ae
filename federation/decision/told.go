package decision

import "time"

// What members report ends with the bus of a single hub, and they tell it again to the
// next one. Until then that hub knows of no work that it was handed out: it would write
// all of them once more, and every agent would read, apply and report them.

// Each member has that time, and a thousand of them need longer to connect again, and to
// tell, than a few.
const (
	tellWithin = 10 * time.Second // at least, from the beginning of the hub
	tellPause  = 5 * time.Second  // after its first beat, and after any report of a work that was not known
	tellUnless = time.Minute      // that is not heard at all
	tellAtMost = 2 * time.Minute
)

// crowdWithin is how long a hub that begins may let many members connect before it takes
// their reports.
const crowdWithin = 3 * time.Second

// Crowded reports whether members still have to connect that are more than a few. What
// those tell that are there would be in their way.
func (m *Machine) Crowded() bool {
	return !m.ready || m.health.Crowded() && m.now.Before(m.began.Add(crowdWithin))
}

// awaitTold begins the wait when there are assignments and not one report.
func (m *Machine) awaitTold() {
	assigned := false
	for _, w := range m.workloads {
		if len(w.statuses) > 0 {
			return
		}
		assigned = assigned || len(w.record.stored.Members) > 0
	}
	if !assigned {
		return
	}
	m.toldBy = m.now.Add(tellWithin)
	for _, mem := range m.members {
		mem.tellsBy = m.now.Add(tellUnless)
	}
}

// noteFound: the member was heard for the first time.
func (m *Machine) noteFound(mem *member) {
	if !mem.tellsBy.IsZero() {
		mem.tellsBy = latest(m.began.Add(tellWithin), m.now.Add(tellPause))
	}
}

// tells reports whether the member may still tell that it has its share of the workload. A
// share of a decision of this hub's own it cannot have yet.
func (m *Machine) tells(w *workload, mem *member) bool {
	return !mem.tellsBy.IsZero() && w.record.stored.DecidedAt.Before(m.began)
}

// stepTold ends the wait for those whose time is over: what they have not told of is
// handed out.
func (m *Machine) stepTold() {
	if m.toldBy.IsZero() || m.now.Before(m.toldBy) {
		return
	}
	m.toldBy = time.Time{}
	telling := m.now.Before(m.toldAt.Add(tellPause)) && m.now.Before(m.began.Add(tellAtMost))
	for name, mem := range m.members {
		switch {
		case mem.tellsBy.IsZero():
		case telling, m.now.Before(mem.tellsBy):
			m.toldBy = m.now.Add(time.Second)
		default:
			mem.tellsBy = time.Time{}
			for _, w := range m.workloads {
				m.touchWork(w, name)
			}
		}
	}
}
