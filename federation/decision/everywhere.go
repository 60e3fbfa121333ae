package decision

import "github.com/hansa-io/hansa/placement"

// A workload that is not divided runs in every member that is chosen for it. When one
// more can be chosen (it joined, came back, or was uncordoned), it runs there too: that
// moves nothing. Divided ones stay as they are until somebody rebalances or fails back.

// comes notes that a member may be chosen that could not be.
func (m *Machine) comes() {
	m.roster++
	m.worldChanged()
}

// lacks says that the workload may be missing in a member that has come since it was
// decided.
func (m *Machine) lacks(w *workload) bool {
	if w.spec == nil || w.roster == m.roster {
		return false
	}
	return w.spec.Placement.Replicas.Mode == "Duplicated" || !w.demand.Replicated
}

// replicasIn is how many replicas a member should have of a workload that is not divided.
func (m *Machine) replicasIn(w *workload, member string) int64 {
	mem := m.members[member]
	if mem == nil {
		return w.demand.Replicas
	}
	return placement.ReplicasIn(&w.spec.Placement, w.demand.Replicas, placement.Member{Spec: mem.spec.stored, Facts: mem.facts})
}
