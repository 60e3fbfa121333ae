package placement

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// quotaTable is what the quotas of one namespace still allow, by member, then by
// resource; a member or resource that is missing is not bounded.
type quotaTable map[int32]map[string]int64

// indexQuotas reads the members' quotas and takes the reservations from them.
func (s *Snapshot) indexQuotas() {
	for i := range s.members {
		for _, q := range s.members[i].Facts.Quotas {
			if s.quotas == nil {
				s.quotas = map[string]quotaTable{}
			}
			if s.quotas[q.Namespace] == nil {
				s.quotas[q.Namespace] = quotaTable{}
			}
			s.quotas[q.Namespace][int32(i)] = maps.Clone(q.Free)
		}
	}
	for _, r := range s.world.Reservations {
		if i, ok := s.index[r.Member]; ok {
			s.quotas[r.Workload.Namespace].take(i, podwise(r.PerReplica), r.Replicas)
		}
	}
}

// take changes what is left in member i by k replicas; k below 0 gives back.
func (q quotaTable) take(i int32, need federation.Resources, k int64) {
	left := q[i]
	for name := range left {
		left[name] -= k * quantityOf(&need, name)
	}
}

// clone copies the table so that it can be changed.
func (q quotaTable) clone() quotaTable {
	out := make(quotaTable, len(q))
	for i, left := range q {
		out[i] = maps.Clone(left)
	}
	return out
}

// holds is how many needs are left in member i.
func (q quotaTable) holds(i int32, need *federation.Resources) int64 {
	n := int64(MaxReplicas)
	for name, left := range q[i] {
		if each := quantityOf(need, name); each > 0 {
			n = min(n, max(left, 0)/each)
		}
	}
	return n
}

// quantityOf is the part of r that a quota names so.
func quantityOf(r *federation.Resources, name string) int64 {
	switch name {
	case "cpu":
		return r.MilliCPU
	case "memory":
		return r.MemoryBytes
	case "pods":
		return r.Pods
	}
	return r.Extended[name]
}

// quotaOf is what is left to a namespace; nil when it has no quota anywhere.
func (p *Planner) quotaOf(namespace string) quotaTable {
	if q, ok := p.quotas[namespace]; ok {
		return q
	}
	return p.s.quotas[namespace]
}

// takeQuota remembers that k more replicas of the namespace go to member i.
func (p *Planner) takeQuota(namespace string, i int32, need federation.Resources, k int64) {
	q := p.quotaOf(namespace)
	if q[i] == nil {
		return
	}
	if _, own := p.quotas[namespace]; !own {
		q = q.clone()
		p.quotas[namespace] = q
	}
	q.take(i, need, k)
}

// quotaFit is how many more replicas the quota of member i lets in.
func (r *run) quotaFit(i int32) int64 {
	if r.quota == nil || !r.req.Demand.Replicated {
		return MaxReplicas
	}
	need := podwise(r.req.Demand.PerReplica)
	return r.quota.holds(i, &need)
}

// quotaBinds says that the quota of member i lets fewer replicas in than its
// nodes.
func (r *run) quotaBinds(i int32) bool {
	return r.quota != nil && r.missing == "" && r.quotaFit(i) < r.p.fit(r.fits, i)
}

func (r *run) explainQuota(i int32, line *federation.MemberExplanation, least int64) {
	member := r.p.s.members[i].Spec.Name
	line.Filter = "Quota"
	line.Reason = fmt.Sprintf("the quota of namespace %s leaves %s: %d of at least %d %s; each needs %s",
		r.req.Workload.Namespace, quotaText(r.quota[i]), line.Fits, least, plural(least, "replica", "replicas"), r.needText())
	line.Remedy = fmt.Sprintf("raise the ResourceQuota of namespace %s in %s", r.req.Workload.Namespace, member)
}

// quotaNote tells how many members a quota keeps from taking more.
func (r *run) quotaNote() string {
	n := 0
	for i := range r.cands {
		if c := &r.cands[i]; c.open && r.quotaBinds(c.member) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; in %d of them the quota of namespace %s is what binds", n, r.req.Workload.Namespace)
}

// quotaText writes "200m CPU, 3 pods".
func quotaText(left map[string]int64) string {
	var parts []string
	for _, name := range sortedKeys(left) {
		n := max(left[name], 0)
		switch name {
		case "cpu":
			parts = append(parts, cpuText(n)+" CPU")
		case "memory":
			parts = append(parts, memoryText(n))
		case "pods":
			parts = append(parts, fmt.Sprintf("%d %s", n, plural(n, "pod", "pods")))
		default:
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	return orElse(strings.Join(parts, ", "), "nothing bounded")
}

func (e *encoder) quotas(all []federation.Quota) {
	e.int(int64(len(all)))
	for _, q := range all {
		e.str(q.Namespace)
		e.int(int64(len(q.Free)))
		for _, name := range sortedKeys(q.Free) {
			e.str(name)
			e.int(q.Free[name])
		}
	}
}
