package decision

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// ruleChanged hands a rule to the members that have objects of its kind.
func (m *Machine) ruleChanged(r federation.StatusRule) {
	old := m.rules[r.Name]
	m.rules[r.Name] = r
	m.ruled(old.Spec.Target, r.Spec.Target)
}

func (m *Machine) ruleRemoved(name string) {
	old, known := m.rules[name]
	delete(m.rules, name)
	if known {
		m.ruled(old.Spec.Target)
	}
}

// ruled looks again at the works that have objects of the kinds.
func (m *Machine) ruled(kinds ...federation.GroupKind) {
	for k, w := range m.workloads {
		if w.spec != nil && slices.ContainsFunc(kinds, func(g federation.GroupKind) bool { return w.kinds[g] }) {
			m.rule(w)
			m.touchWorks(k)
		}
	}
}

// rule finds the rules for a workload's kinds. Of two for one kind, which only a race of
// two gateways lets in, the first by name counts.
func (m *Machine) rule(w *workload) {
	w.rules = nil
	taken := map[federation.GroupKind]bool{}
	for _, name := range sortedNames(m.rules) {
		r := m.rules[name]
		if w.kinds[r.Spec.Target] && !taken[r.Spec.Target] {
			taken[r.Spec.Target] = true
			w.rules = append(w.rules, federation.StatusRule{Name: r.Name, Spec: r.Spec})
		}
	}
	w.rulesDigest = federation.RulesDigest(w.rules)
}

func kindsOf(objects []federation.Object) map[federation.GroupKind]bool {
	out := map[federation.GroupKind]bool{}
	for _, o := range objects {
		out[o.GroupKind()] = true
	}
	return out
}
