package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// longestWait is how long a workload waits, after its dwell, for those that it comes
// after: they may never be whole again.
const longestWait = longestDwell

// behind names a workload that has to be whole again before this one, whose dwell was
// over at due, may move; empty when there is none.
func (m *Machine) behind(w *workload, due time.Time) string {
	if !m.now.Before(due.Add(longestWait)) {
		return ""
	}
	for _, name := range w.failover().After {
		k, err := federation.ParseKey(name)
		if other := m.workloads[k]; err == nil && k != w.key && other != nil && m.recovering(other) {
			return name
		}
	}
	return ""
}

// recovering says that a loss has taken something of the workload, and that it is not
// whole again.
func (m *Machine) recovering(w *workload) bool {
	a, ok := w.placed()
	if !ok || w.spec == nil {
		return false
	}
	for _, s := range a.Members {
		if mem := m.members[s.Member]; mem != nil && mem.lost() {
			return w.failover().Mode == "Automatic"
		}
	}
	return len(m.claims[w.key]) > 0 && (w.record.busy() || !m.moved(w))
}
