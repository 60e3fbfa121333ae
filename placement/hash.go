package placement

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"math"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// encoder writes values in a canonical form into a hash: integers as 8 bytes
// little-endian, strings and lists after their length, maps in key order.
type encoder struct {
	h   hash.Hash
	buf []byte
}

func newEncoder() *encoder { return &encoder{h: sha256.New(), buf: make([]byte, 0, 4096)} }

func (e *encoder) int(v int64) {
	e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(v))
	e.flush(3584)
}

func (e *encoder) str(v string) {
	e.int(int64(len(v)))
	e.buf = append(e.buf, v...)
	e.flush(3584)
}

func (e *encoder) float(v float64) { e.int(int64(math.Float64bits(v))) }

func (e *encoder) bool(v bool) {
	if v {
		e.int(1)
	} else {
		e.int(0)
	}
}

func (e *encoder) flush(above int) {
	if len(e.buf) > above {
		e.h.Write(e.buf)
		e.buf = e.buf[:0]
	}
}

func (e *encoder) sum() string {
	e.flush(0)
	return hex.EncodeToString(e.h.Sum(nil))
}

// hashWorld encodes the snapshot's members in order of name, then assignments,
// reservations and external scores in order of their keys.
func hashWorld(s *Snapshot) string {
	e := newEncoder()
	e.int(int64(len(s.members)))
	for i := range s.members {
		e.member(&s.members[i])
	}
	assignments := slices.Clone(s.world.Assignments)
	slices.SortStableFunc(assignments, func(a, b federation.Assignment) int { return a.Workload.Compare(b.Workload) })
	e.int(int64(len(assignments)))
	for i := range assignments {
		e.str(assignments[i].Workload.String())
		e.assigned(assignments[i].Members)
	}
	e.reservations(s.world.Reservations)
	e.figures(s.world.External)
	e.figures(s.world.RoundTrips)
	return e.sum()
}

func (e *encoder) figures(all map[string]map[string]float64) {
	e.int(int64(len(all)))
	for _, name := range sortedKeys(all) {
		e.str(name)
		e.int(int64(len(all[name])))
		for _, key := range sortedKeys(all[name]) {
			e.str(key)
			e.float(all[name][key])
		}
	}
}

func (e *encoder) member(m *Member) {
	spec, facts := &m.Spec, &m.Facts
	for _, v := range []string{
		spec.Name, spec.Place.Region, spec.Place.Zone, spec.Place.Provider, spec.Place.Jurisdiction,
		m.Masked, facts.KubernetesVersion, facts.NodeKind,
	} {
		e.str(v)
	}
	e.float(spec.Place.Latitude)
	e.float(spec.Place.Longitude)
	e.bool(spec.Cordoned)
	e.bool(spec.Draining)
	e.bool(spec.Leaving.Leaves())
	e.int(int64(m.Health))
	e.int(facts.Nodes)
	e.int(int64(len(spec.Labels)))
	for _, key := range sortedKeys(spec.Labels) {
		e.str(key)
		e.str(spec.Labels[key])
	}
	e.int(int64(len(spec.Taints)))
	for _, t := range spec.Taints {
		e.str(taintText(t))
	}
	e.resources(&facts.Allocatable)
	e.resources(&facts.Free)
	e.classes(facts.Classes)
	e.classes(facts.Tainted)
	e.int(int64(len(facts.Kinds)))
	for _, kind := range facts.Kinds {
		e.str(kind)
	}
	e.quotas(facts.Quotas)
}

func (e *encoder) classes(all []federation.NodeClass) {
	e.int(int64(len(all)))
	for i := range all {
		c := &all[i]
		e.int(c.Nodes)
		e.resources(&c.Room)
		e.int(int64(len(c.Free)))
		for j := range c.Free {
			e.resources(&c.Free[j])
		}
		e.int(int64(len(c.Taints)))
		for _, t := range c.Taints {
			e.str(taintText(t))
		}
	}
}

func (e *encoder) tolerations(all []federation.Toleration) {
	e.int(int64(len(all)))
	for _, t := range all {
		for _, v := range []string{t.Key, t.Operator, t.Value, string(t.Effect)} {
			e.str(v)
		}
		e.bool(t.Seconds == nil)
	}
}

func (e *encoder) resources(r *federation.Resources) {
	e.int(r.MilliCPU)
	e.int(r.MemoryBytes)
	e.int(r.Pods)
	e.int(int64(len(r.Extended)))
	if len(r.Extended) > 0 {
		e.str(extendedText(r.Extended))
	}
}

func (e *encoder) assigned(members []federation.AssignedMember) {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b federation.AssignedMember) int { return compareNames(a.Member, b.Member) })
	e.int(int64(len(members)))
	for _, m := range members {
		e.str(m.Member)
		e.int(m.Replicas)
		e.int(int64(m.Since))
		e.bool(m.Shifted)
	}
}

func (e *encoder) reservations(all []Reservation) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Reservation) int {
		if c := a.Workload.Compare(b.Workload); c != 0 {
			return c
		}
		return compareNames(a.Member, b.Member)
	})
	e.int(int64(len(all)))
	for i := range all {
		e.str(all[i].Workload.String())
		e.str(all[i].Member)
		e.int(all[i].Replicas)
		e.resources(&all[i].PerReplica)
		e.tolerations(all[i].Tolerations)
	}
}

// inputsHash covers the snapshot, what was reserved before, and the request. The
// placement goes in as JSON, whose field order and sorted map keys are fixed.
func (r *run) inputsHash() string {
	e := newEncoder()
	e.str(r.p.s.hash)
	e.int(int64(r.p.reserved))
	e.bool(r.p.gone != nil)
	e.str(r.req.Workload.String())
	document, _ := json.Marshal(r.spec)
	e.str(string(document))
	e.assigned(r.current)
	for _, m := range []map[string]string{r.req.Excluded, r.req.Keep} {
		e.int(int64(len(m)))
		for _, key := range sortedKeys(m) {
			e.str(key)
			e.str(m[key])
		}
	}
	d := &r.req.Demand
	e.bool(d.Replicated)
	e.int(d.Replicas)
	e.resources(&d.PerReplica)
	e.resources(&d.PerNode)
	e.tolerations(d.Tolerations)
	for _, kind := range d.Kinds {
		e.str(kind)
	}
	for _, u := range r.req.Users {
		e.str(u.At)
		e.float(u.Share)
	}
	e.bool(r.req.Rebalance)
	e.bool(r.req.Whole)
	return e.sum()
}
