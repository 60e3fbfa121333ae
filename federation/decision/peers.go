package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/federation/membership"
)

// The peers of a member are those whose word, of all together, prolongs its at-most-one
// leases while no hub answers. The record names those that it is to ask, and of them the
// witnesses: those that it asks for certain, whichever of the versions it has. One witness
// that was in contact with the hub for long enough shows that nothing was prolonged.

// mostPeers is how many peers a member has at most: each is one more that may be away
// when its word is needed.
const mostPeers = 5

// inPeers notes which version the member has, and names it others when some of its peers
// cannot serve any more, or are too few.
func (m *Machine) inPeers(mem *member, version uint64) {
	if mem.spec.busy() {
		return
	}
	spec := mem.spec.stored
	p, names := &spec.Peers, m.peersFor(mem)
	forgotten := version > p.Version || m.rewoundPeers(*p) // the store has not the last version
	switch {
	case version == 0 && p.Version == 0 && len(names) == 0:
		return
	case forgotten || !slices.Equal(names, p.Names):
		p.Witnesses = witnesses(*p, names)
		if forgotten {
			p.Witnesses = nil
		}
		p.Version, p.Names, p.Confirmed = max(p.Version, version, m.opts.Term)+1, names, false
	case version == p.Version && !p.Confirmed:
		p.Witnesses, p.Confirmed = nil, true
	default:
		return
	}
	m.putSpec(mem, spec)
}

// witnesses are those that the member asks for certain once it is to ask these names.
func witnesses(p federation.NamedPeers, names []string) []string {
	if !p.Any() {
		return names // it asks them, or nobody
	}
	return slices.DeleteFunc(slices.Clone(p.Certain()), func(name string) bool { return !slices.Contains(names, name) })
}

// rewoundPeers: they were named before the store was put back, and may not be the last.
func (m *Machine) rewoundPeers(p federation.NamedPeers) bool {
	return lease.Rewound(p.Version, m.opts.Term)
}

// peersFor chooses the peers of a member, sorted: those that it has and that can serve
// still, then others, from as many failure domains as there are. When nobody can serve, it
// keeps those that it has.
func (m *Machine) peersFor(mem *member) []string {
	if mem.spec.stored.AgentAt == "" {
		return nil
	}
	var names []string
	for _, name := range mem.spec.stored.Peers.Names {
		if other := m.members[name]; other != nil && other.vouches() {
			names = append(names, name)
		}
	}
	if len(names) < mostPeers && len(names) < len(m.members)-1 {
		names = m.morePeers(mem, names)
	}
	if len(names) == 0 {
		return mem.spec.stored.Peers.Names
	}
	slices.Sort(names)
	return names
}

func (m *Machine) morePeers(mem *member, names []string) []string {
	domains := map[string]int{membership.Domain(mem.spec.stored): 1}
	for _, name := range names {
		domains[membership.Domain(m.members[name].spec.stored)]++
	}
	for len(names) < mostPeers {
		var best *member
		for _, name := range sortedNames(m.members) {
			other := m.members[name]
			if other == mem || !other.vouches() || slices.Contains(names, name) {
				continue
			}
			if best == nil || domains[membership.Domain(other.spec.stored)] < domains[membership.Domain(best.spec.stored)] {
				best = other
			}
		}
		if best == nil {
			break
		}
		names = append(names, best.name)
		domains[membership.Domain(best.spec.stored)]++
	}
	return names
}

// vouches reports whether the member can be a peer of others.
func (mem *member) vouches() bool {
	h := mem.verdict.Health
	return mem.spec.stored.AgentAt != "" && !mem.spec.stored.Leaving.Leaves() &&
		(h == federation.Healthy || h == federation.Suspect || h == federation.Degraded)
}

// peersOf are those that go out with a grant: as the record has them, so that no member
// asks others than a hub after this one knows of.
func (m *Machine) peersOf(mem *member) federation.Peers {
	p := mem.spec.stored.Peers
	out := federation.Peers{Version: p.Version}
	for _, name := range p.Names {
		at := ""
		if other := m.members[name]; other != nil {
			at = other.spec.stored.AgentAt
		}
		out.Members = append(out.Members, federation.Peer{Member: name, At: at})
	}
	return out
}

// peersText tells whom a member asks.
func peersText(mem *member) []federation.Evidence {
	p := mem.spec.stored.Peers
	if !p.Any() {
		return nil
	}
	detail := "asked about what runs once while no hub answers: " + strings.Join(p.Names, ", ")
	if !p.Confirmed {
		detail += " (not confirmed yet)"
	}
	return []federation.Evidence{{Observer: "hub", What: "peers", Detail: detail}}
}

// prolonged says why the workload may run elsewhere than in the member by the word of
// peers, although every grant has run out; empty when it cannot.
func (m *Machine) prolonged(w *workload, member string) string {
	for _, name := range m.holders(w) {
		if name == member {
			continue
		}
		if why := m.attested(name); why != "" {
			return w.key.String() + " may still run in " + why
		}
	}
	return ""
}

// holders are the members that may hold the workload's lease beyond its last grant, sorted:
// the one that this hub gave that to, or, when an earlier one did, whoever has or had a
// share.
func (m *Machine) holders(w *workload) []string {
	holder, free, held := m.grants.Holder(w.key)
	switch {
	case !held || m.now.Before(free): // the grant itself is in force
		return nil
	case holder != "":
		return []string{holder}
	}
	names := map[string]bool{}
	for _, s := range w.record.stored.Members {
		names[s.Member] = true
	}
	for name := range w.record.stored.Strays {
		names[name] = true
	}
	return sortedNames(names)
}

// attested says why peers may have prolonged what the member holds; empty when they have
// not.
func (m *Machine) attested(name string) string {
	var p federation.NamedPeers
	mem := m.members[name]
	if mem != nil {
		p = mem.spec.stored.Peers
	}
	if mem == nil || m.rewoundPeers(p) { // whom it asks is not known: of all members it is no one
		p = federation.NamedPeers{}
		for _, other := range sortedNames(m.members) {
			if o := m.members[other]; other != name && o.spec.stored.AgentAt != "" && !o.contact.Excludes(m.now) {
				return fmt.Sprintf("%s: by the word of %s, which this hub has not heard for long enough; %s", name, other, toEnd(name))
			}
		}
	}
	if !p.Any() {
		return ""
	}
	for _, witness := range p.Certain() {
		if other := m.members[witness]; other != nil && other.contact.Excludes(m.now) {
			return ""
		}
	}
	return fmt.Sprintf("%s: by the word of its peers (%s), none of which this hub has heard for long enough; %s",
		name, cmp.Or(strings.Join(p.Certain(), ", "), "it is not known which"), toEnd(name))
}

func toEnd(name string) string { return "if it is dead: hansa fence member=" + name }
