package decision

import "github.com/hansa-io/hansa/federation/recovery"

// completes says that what runs of a workload that lacks replicas may move, so that it is
// whole: what runs in one member only can have no more beside it. Automation does so,
// unless it is stopped, a share is leaving a lost member, or traffic is kept from members.
func (m *Machine) completes(w *workload) bool {
	if w.record.stored.Unmet == 0 || len(w.released) > 0 || w.failover().Mode != "Automatic" {
		return false
	}
	for _, o := range m.runningOperations() {
		if v := o.value().Request.Verb; v == recovery.Freeze || v == "shift" && o.wants.Withdraw {
			return false
		}
	}
	return true
}
