package decision

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// A stray is a member outside of the assignment that may hold something of the workload.
// Who had a share may have an order for it that it has not read, and says nothing of it.
// So the record remembers it, whichever hub leads, until its removal is proven.

// strays lists the strays of a workload, sorted.
func (m *Machine) strays(w *workload) []string {
	if w.within() {
		return nil
	}
	names := map[string]bool{}
	for name := range w.statuses {
		names[name] = true
	}
	for name, wk := range w.works {
		names[name] = wk.order != (order{})
	}
	for name, account := range w.record.stored.Strays {
		names[name] = names[name] || m.owes(w, name, account)
	}
	for _, s := range w.record.stored.Members {
		delete(names, s.Member)
	}
	var out []string
	for _, name := range sortedNames(names) {
		if _, member := m.members[name]; member && names[name] {
			out = append(out, name)
		}
	}
	return out
}

// within reports the usual case: only members of the assignment have anything of it.
func (w *workload) within() bool {
	if len(w.record.stored.Strays) > 0 {
		return false
	}
	statuses, works := 0, 0
	for i := range w.record.stored.Members {
		name := w.record.stored.Members[i].Member
		if _, known := w.statuses[name]; known {
			statuses++
		}
		if _, known := w.works[name]; known {
			works++
		}
	}
	return statuses == len(w.statuses) && works == len(w.works)
}

// proven reports whether the member has shown that nothing is left, and has no order.
func (w *workload) proven(member string) bool {
	wk, ok := w.works[member]
	return ok && wk.drop && wk.order == (order{})
}

// gone reports whether the member's removal was proven and its record dropped.
func (w *workload) gone(member string) bool {
	_, known := w.statuses[member]
	return !known && w.proven(member)
}

// owes reports whether the member has still to prove that nothing of the workload is left
// of when it had the account. One that was told to let go of its cluster had proven it by
// then.
func (m *Machine) owes(w *workload, name, account string) bool {
	mem, ok := m.members[name]
	return ok && mem.spec.stored.Account == account && !mem.spec.stored.Leaving.Told && !w.proven(name)
}

// strayed has who will be a stray for the record when the shares follow the stored ones.
func (m *Machine) strayed(w *workload, shares []federation.AssignedMember) map[string]string {
	var out map[string]string
	a := &w.record.stored
	note := func(name, account string) {
		has := func(s federation.AssignedMember) bool { return s.Member == name }
		if !m.owes(w, name, account) || slices.ContainsFunc(shares, has) {
			return
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = account
	}
	for name, account := range a.Strays {
		note(name, account)
	}
	for _, s := range a.Members {
		if mem := m.members[s.Member]; mem != nil {
			note(s.Member, mem.spec.stored.Account)
		}
	}
	return out
}

// noteProven lets the record forget a stray some time: until then the next hub would ask
// it to remove what it has not.
func (m *Machine) noteProven(w *workload, member string) {
	if _, stray := w.record.stored.Strays[member]; stray {
		m.noteUnrecorded(w)
	}
}
