package decision

import "github.com/hansa-io/hansa/placement"

// A workload that is not divided runs in every member that is chosen for it. When one
// more can be chosen (it joined, came back, or was uncordoned), it runs there too: that
// moves nothing. Divided ones stay as they are until somebody rebalances or fails back.

// comes notes that the member may be chosen that could not be; nil: any.
func (m *Machine) comes(mem *member) {
	m.roster++
	if mem == nil {
		m.came = m.roster
	} else {
		mem.came = m.roster
	}
	m.worldChanged()
}

// lacks says that the workload may be missing in a member that has come since it was
// decided. When a hub begins all come, and have what they had.
func (m *Machine) lacks(w *workload) bool {
	switch {
	case w.spec == nil || w.roster == m.roster || w.spec.Placement.Replicas.Mode != "Duplicated" && w.demand.Replicated:
		return false
	case m.came > w.roster:
		return true
	}
	for name, mem := range m.members {
		if mem.came <= w.roster {
			continue
		}
		if _, has := w.record.stored.Share(name); !has {
			return true
		}
	}
	return false
}

// replicasIn is how many replicas a member should have of a workload that is not divided.
func (m *Machine) replicasIn(w *workload, member string) int64 {
	mem := m.members[member]
	if mem == nil {
		return w.demand.Replicas
	}
	return placement.ReplicasIn(&w.spec.Placement, w.demand.Replicas, placement.Member{Spec: mem.spec.stored, Facts: mem.facts})
}
