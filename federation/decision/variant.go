package decision

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/manifest"
)

// unrenderable is the variant of a work whose overrides cannot be applied: rendering it
// says why.
const unrenderable = "?"

// variantOf is the variant of a work, and what it was found for.
type variantOf struct {
	traits   uint64 // of the member
	revision federation.Revision
	replicas int64
	name     string
}

// variant names which of the workload's overrides count in the member now. It is asked
// again when conditions of overrides may come out differently there.
func (m *Machine) variant(w *workload, mem *member, want order) string {
	if len(w.spec.Placement.Overrides) == 0 {
		return ""
	}
	wk := w.works[mem.name]
	known := variantOf{traits: mem.traits, revision: want.revision, replicas: want.replicas, name: wk.variant.name}
	if wk.variant == known {
		return known.name
	}
	var err error
	if known.name, err = manifest.Variant(*w.spec, m.target(w, mem, want.replicas)); err != nil {
		known.name = unrenderable
	}
	wk.variant = known
	return known.name
}

// target is what a work is rendered for.
func (m *Machine) target(w *workload, mem *member, replicas int64) manifest.Target {
	a := &w.record.stored
	shares := a.Members
	if at := slices.IndexFunc(shares, func(s federation.AssignedMember) bool { return s.Member == mem.name }); shares[at].Replicas != replicas {
		shares = slices.Clone(shares)
		shares[at].Replicas = replicas
	}
	return manifest.Target{Member: mem.spec.stored, Facts: mem.facts, Shares: shares, Epoch: a.Epoch, Expressions: &m.expressions}
}

// differs: overrides may count in the member that did not, or no more.
func (m *Machine) differs(mem *member) {
	mem.traits++
	for _, w := range m.workloads {
		if w.spec == nil || len(w.spec.Placement.Overrides) == 0 {
			continue
		}
		if _, has := w.record.stored.Replicas(mem.name); has {
			m.touchWork(w, mem.name)
		}
	}
}

// sameTraits says that no condition of an override tells the facts apart.
func sameTraits(a, b federation.MemberFacts) bool {
	return a.KubernetesVersion == b.KubernetesVersion && a.NodeKind == b.NodeKind && a.Nodes == b.Nodes && slices.Equal(a.Kinds, b.Kinds)
}
