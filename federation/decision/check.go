package decision

import (
	"fmt"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// Check returns an error that names the law of the package that is broken; nil
// when none is. Tests and the simulator call it after each Step.
func (m *Machine) Check() error {
	if !m.ready && len(m.writes) > 0 {
		return fmt.Errorf("law 1: %d writes before every source was synced", len(m.writes))
	}
	for _, k := range m.workloadKeys() {
		if err := m.checkWorkload(m.workloads[k]); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	if err := m.checkMasks(); err != nil {
		return err
	}
	return m.health.Check()
}

func (m *Machine) checkWorkload(w *workload) error {
	if w.record.write != 0 && w.record.reading {
		return fmt.Errorf("law 2: a write and a read are under way")
	}
	if err := checkShares(w.record.stored); err != nil {
		return err
	}
	if err := m.checkLooked(w); err != nil {
		return err
	}
	if w.record.write != 0 && m.writes[w.record.write].gone {
		return nil
	}
	if w.record.write != 0 && w.record.expected == w.record.revision && w.record.attempt.Epoch < w.record.stored.Epoch {
		return fmt.Errorf("law 5: epoch %d follows %d", w.record.attempt.Epoch, w.record.stored.Epoch)
	}
	for _, name := range sortedNames(w.works) {
		if wk := w.works[name]; wk.order.epoch > max(w.record.stored.Epoch, w.highest) {
			return fmt.Errorf("law 3: %s was handed epoch %d, stored is %d", name, wk.order.epoch, w.record.stored.Epoch)
		}
	}
	return nil
}

// checkLooked: what the last look at all members found still holds when only some are
// looked at.
func (m *Machine) checkLooked(w *workload) error {
	if w.looked.served != m.served || m.touched[w.key] || m.operating() || !w.current() {
		return nil
	}
	found := w.looked.awaited
	if s, has := w.record.stored.Share(found); has && m.awaits(w, s) {
		return nil // others may be awaited too
	}
	if awaited := m.awaited(w); awaited != found {
		return fmt.Errorf("law 8: a move waits for %q, and %q was found", awaited, found)
	}
	return nil
}

func checkShares(a federation.Assignment) error {
	for i, s := range a.Members {
		if i > 0 && strings.Compare(a.Members[i-1].Member, s.Member) >= 0 {
			return fmt.Errorf("law 4: %s follows %s", s.Member, a.Members[i-1].Member)
		}
		if s.Since > a.Epoch || s.Since == 0 {
			return fmt.Errorf("law 4: %s entered with epoch %d of %d", s.Member, s.Since, a.Epoch)
		}
	}
	return nil
}

func (m *Machine) checkMasks() error {
	by := map[string]string{}
	for _, o := range m.runningOperations() {
		if !m.masking(o) {
			continue
		}
		for name := range o.covers {
			if other := by[name]; other != "" {
				return fmt.Errorf("law 7: %s is masked by %s and %s", name, other, o.id)
			}
			by[name] = o.id
		}
	}
	return nil
}

// Assignment returns the decision in force about a workload.
func (m *Machine) Assignment(k federation.Key) (federation.Assignment, bool) {
	w, ok := m.workloads[k]
	if !ok {
		return federation.Assignment{}, false
	}
	return w.placed()
}

// Assignments returns every decision in force, sorted by workload.
func (m *Machine) Assignments() []federation.Assignment {
	var out []federation.Assignment
	for _, k := range m.workloadKeys() {
		if a, ok := m.workloads[k].placed(); ok {
			out = append(out, a)
		}
	}
	return out
}

// HealthOf returns the verdict about a member as it is now.
func (m *Machine) HealthOf(member string) federation.HealthRecord {
	if mem, ok := m.members[member]; ok {
		return mem.verdict
	}
	return federation.HealthRecord{}
}

// Operations returns every operation as it is now, sorted by ID.
func (m *Machine) Operations() []federation.Operation {
	var out []federation.Operation
	for _, id := range m.operationIDs() {
		out = append(out, m.operations[id].value())
	}
	return out
}
