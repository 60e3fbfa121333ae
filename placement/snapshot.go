package placement

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Snapshot is a World, frozen and indexed. It is built once and asked many
// times; it is safe for concurrent use, since nothing in it ever changes.
type Snapshot struct {
	world   World
	members []Member // sorted by name; places resolved by the catalogue
	index   map[string]int32
	hashes  []uint64 // of the names, for rendezvous

	values map[string]map[string]bitset // key → value → members; facts and labels
	having map[string]bitset            // key → members that have it
	taints []taintSet
	keeps  bitset // members that are not lost
	opens  bitset // members that take replicas

	topologies map[string]*topology
	rooms      [][]node // free room by member, less the reservations
	loads      []load
	free       []float64             // percent, see load.freePercent
	quotas     map[string]quotaTable // by namespace
	resources  []string              // names of extended resources, sorted
	nodeTaints [][]federation.Taint  // sets of taints of nodes
	taintIDs   map[string]int32      // by their text, the number in nodeTaints + 1
	assigned   map[federation.Key][]federation.AssignedMember
	external   map[string][]float64 // 0–100 by member; 50 where unknown
	hash       string
}

// taintSet is one taint and who has it.
type taintSet struct {
	taint   federation.Taint
	members bitset
}

// topology divides the members by the value of one key. Members without a value
// have −1.
type topology struct {
	of      []int32
	names   []string // sorted
	sets    []bitset // members that have the value, by name
	lacking bitset   // members without a value; nil when there are none
}

// NewSnapshot indexes the world. It keeps the world's slices and maps, which
// must not change any more. The error names a member that is listed twice or
// has no name.
func NewSnapshot(w World) (*Snapshot, error) {
	s := &Snapshot{world: w, members: slices.Clone(w.Members)}
	slices.SortFunc(s.members, func(a, b Member) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	n := len(s.members)
	s.index = make(map[string]int32, n)
	s.hashes = make([]uint64, n)
	for i := range s.members {
		m := &s.members[i]
		if _, twice := s.index[m.Spec.Name]; twice || m.Spec.Name == "" {
			return nil, fmt.Errorf("build snapshot: member name %q is empty or listed twice", m.Spec.Name)
		}
		m.Spec.Place = catalogue.Resolve(m.Spec.Place)
		s.index[m.Spec.Name] = int32(i)
		s.hashes[i] = hashString(m.Spec.Name)
	}
	s.indexValues()
	s.indexTaints()
	s.indexStanding()
	s.indexTopologies()
	s.indexRooms()
	s.indexQuotas()
	s.indexExternal()
	s.assigned = make(map[federation.Key][]federation.AssignedMember, len(w.Assignments))
	for _, a := range w.Assignments {
		s.assigned[a.Workload] = a.Members
	}
	s.hash = hashWorld(s)
	return s, nil
}

// Hash identifies the snapshot: SHA-256, in hex, of a canonical encoding of all
// that a decision may depend on. Worlds that differ only in the order of their
// lists, or in fields that no decision reads (ObservedAt, JoinedAt, accounts and
// certificates), have one hash.
func (s *Snapshot) Hash() string { return s.hash }

// Members returns the number of members.
func (s *Snapshot) Members() int { return len(s.members) }

func (s *Snapshot) indexValues() {
	s.values = map[string]map[string]bitset{}
	s.having = map[string]bitset{}
	for i := range s.members {
		m := &s.members[i]
		for _, key := range indexed {
			if v, ok := m.value(key); ok {
				s.addValue(key, v, int32(i))
			}
		}
		for key := range m.Spec.Labels {
			if v, ok := m.value(key); ok && key != "kind" {
				s.addValue(key, v, int32(i))
			}
		}
		for _, kind := range m.Facts.Kinds {
			s.addValue("kind", kind, int32(i))
		}
	}
}

func (s *Snapshot) addValue(key, value string, i int32) {
	byValue := s.values[key]
	if byValue == nil {
		byValue = map[string]bitset{}
		s.values[key] = byValue
		s.having[key] = newBitset(len(s.members))
	}
	set := byValue[value]
	if set == nil {
		set = newBitset(len(s.members))
		byValue[value] = set
	}
	set.set(i)
	s.having[key].set(i)
}

func (s *Snapshot) indexTaints() {
	at := map[federation.Taint]int{}
	for i := range s.members {
		for _, t := range s.members[i].Spec.Taints {
			j, ok := at[t]
			if !ok {
				j = len(s.taints)
				at[t] = j
				s.taints = append(s.taints, taintSet{taint: t, members: newBitset(len(s.members))})
			}
			s.taints[j].members.set(int32(i))
		}
	}
}

func (s *Snapshot) indexStanding() {
	n := len(s.members)
	s.keeps, s.opens = newBitset(n), newBitset(n)
	for i := range s.members {
		switch s.members[i].standing() {
		case open:
			s.opens.set(int32(i))
			s.keeps.set(int32(i))
		case closed:
			s.keeps.set(int32(i))
		case lost:
		}
	}
}

func (s *Snapshot) indexTopologies() {
	s.topologies = map[string]*topology{}
	for _, by := range []string{"member", "region", "zone", "provider"} {
		s.topologies[by] = s.newTopology(by)
	}
}

// newTopology divides the members by a fact or label; "member" by name.
func (s *Snapshot) newTopology(by string) *topology {
	key := by
	if by == "member" {
		key = "name"
	}
	t := &topology{of: make([]int32, len(s.members)), names: sortedKeys(s.values[key])}
	for i := range t.of {
		t.of[i] = -1
	}
	t.sets = make([]bitset, len(t.names))
	for id, name := range t.names {
		t.sets[id] = s.values[key][name]
		t.sets[id].each(func(i int32) { t.of[i] = int32(id) })
	}
	for i, id := range t.of {
		if id >= 0 {
			continue
		}
		if t.lacking == nil {
			t.lacking = newBitset(len(t.of))
		}
		t.lacking.set(int32(i))
	}
	return t
}

func (s *Snapshot) indexExternal() {
	s.external = make(map[string][]float64, len(s.world.External))
	for name, byMember := range s.world.External {
		s.external[name] = s.normaliseExternal(byMember)
	}
}

// normaliseExternal maps the lowest value of all members to 100 and the highest
// to 0. Members without a value have 50, and so has everyone when all are equal.
func (s *Snapshot) normaliseExternal(byMember map[string]float64) []float64 {
	out := make([]float64, len(s.members))
	lo, hi := spanOf(s.index, byMember)
	for i := range s.members {
		v, ok := byMember[s.members[i].Spec.Name]
		out[i] = 50
		if ok && hi > lo {
			out[i] = 100 * (hi - v) / (hi - lo)
		}
	}
	return out
}

func spanOf(index map[string]int32, byMember map[string]float64) (lo, hi float64) {
	first := true
	for name, v := range byMember {
		if _, known := index[name]; !known {
			continue
		}
		if first {
			lo, hi, first = v, v, false
		}
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

// match makes out the set of members that the selector matches.
func (s *Snapshot) match(sel federation.LabelSelector, out bitset) {
	out.fill(len(s.members))
	for key, value := range sel.MatchLabels {
		s.keepMatching(federation.Requirement{Key: key, Operator: "In", Values: []string{value}}, out)
	}
	for _, req := range sel.MatchExpressions {
		s.keepMatching(req, out)
	}
}

func (s *Snapshot) keepMatching(req federation.Requirement, out bitset) {
	if !isIndexed(req) {
		out.each(func(i int32) {
			if !s.members[i].satisfies(req) {
				out.unset(i)
			}
		})
		return
	}
	switch req.Operator {
	case "In":
		s.keepSome(s.values[req.Key], req.Values, out)
	case "NotIn":
		for _, v := range req.Values {
			if set := s.values[req.Key][v]; set != nil {
				out.andNot(set)
			}
		}
	case "Exists":
		if set := s.having[req.Key]; set != nil {
			out.and(set)
		} else {
			out.clear()
		}
	case "DoesNotExist":
		if set := s.having[req.Key]; set != nil {
			out.andNot(set)
		}
	}
}

// keepSome keeps the members that have one of the values.
func (s *Snapshot) keepSome(byValue map[string]bitset, values []string, out bitset) {
	if len(values) == 1 {
		if set := byValue[values[0]]; set != nil {
			out.and(set)
		} else {
			out.clear()
		}
		return
	}
	var few [8]bitset
	sets := few[:0]
	for _, v := range values {
		if set := byValue[v]; set != nil {
			sets = append(sets, set)
		}
	}
	for w := range out {
		var some uint64
		for _, set := range sets {
			some |= set[w]
		}
		out[w] &= some
	}
}

func hashString(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
