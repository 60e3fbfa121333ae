package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// PlaceAllPreempting is PlaceAll for requests of which some may take room from
// what runs (Placement.Preemption). others has one request for each workload that
// is not in reqs and may have to give. It returns the decisions about reqs, then
// those about others; one that nothing is taken from has the zero Decision.
//
// A workload that finds too little room takes it from workloads of higher tier
// numbers, the highest first; within a tier from those whose replicas hold most of
// its own, so that few move. It takes no more replicas than it needs, none when
// that does not help, none of AtMostOne workloads, and none where it may not run.
// What lost replicas is placed again in its turn, and takes from still higher
// tiers only if its own Placement says so.
//
// Where a replica leaves, a hole of its own size is counted, on a node of its own:
// which node that is, the members do not tell.
func PlaceAllPreempting(reqs, others []Request, s *Snapshot) []Decision {
	return NewPlanner(s).placeAll(reqs, others)
}

func (p *Planner) placeAll(reqs, others []Request) []Decision {
	if !slices.ContainsFunc(reqs, func(r Request) bool { return preempts(&r) }) {
		return append(p.placeEach(reqs), make([]Decision, len(others))...)
	}
	b := &bargain{p: p, reqs: slices.Concat(reqs, others), lost: map[int]*loss{}}
	b.order = inOrder(b.reqs)
	b.out = make([]Decision, len(b.reqs))
	for rank, i := range b.order {
		if i < len(reqs) || b.lost[i] != nil {
			b.decide(rank)
		}
	}
	return b.out
}

func preempts(r *Request) bool {
	return r.Placement.Preemption == "LowerTiers" && r.Demand.Replicated && r.Placement.Replicas.Mode != "Duplicated"
}

// bargain is one run of PlaceAllPreempting.
type bargain struct {
	p     *Planner
	reqs  []Request
	order []int
	out   []Decision
	lost  map[int]*loss // by request
}

// loss is what one workload has to give.
type loss struct {
	replicas map[string]int64 // by member
	by       federation.Key
	tier     int // of the one it gives to
}

// decide places the request of that rank, with what it has lost so far, and lets
// it take room when it is short and may.
func (b *bargain) decide(rank int) {
	i := b.order[rank]
	req := b.reqs[i]
	if l := b.lost[i]; l != nil {
		req.Current = l.left(b.p.currentOf(&req))
	}
	d := b.p.Place(req)
	var took []string
	if preempts(&req) && d.Err == nil && d.Unmet > 0 {
		d, took = b.take(rank, req, d)
	}
	if l := b.lost[i]; l != nil {
		d.Preempted = l.text()
		d.Changed = true
	}
	if req.Explain {
		d.Explanation.Rules = append(d.Explanation.Rules, took...)
		if d.Preempted != "" {
			d.Explanation.Rules = append(d.Explanation.Rules, d.Preempted)
		}
	}
	b.p.Reserve(req, d)
	b.out[i] = d
}

// left is what still runs of current.
func (l *loss) left(current []federation.AssignedMember) []federation.AssignedMember {
	out := []federation.AssignedMember{}
	for _, m := range current {
		if m.Replicas -= l.replicas[m.Member]; m.Replicas > 0 {
			out = append(out, m)
		}
	}
	return out
}

func (l *loss) text() string {
	parts := make([]string, 0, len(l.replicas))
	for _, name := range sortedKeys(l.replicas) {
		parts = append(parts, fmt.Sprintf("%d in %s", l.replicas[name], name))
	}
	return fmt.Sprintf("preempted by %s (tier %d): %s", l.by, l.tier, joinFew(parts))
}

// hole is what replicas of one workload in one member would leave.
type hole struct {
	req    int
	member int32
	size   federation.Resources // of each
	count  int64
	holds  int64 // of the taker's replicas, each
}

// take looks for room tier by tier, and returns the decision that it allows with
// what was taken; without success, the decision it was given.
func (b *bargain) take(rank int, req Request, before Decision) (Decision, []string) {
	tier := req.Placement.Failover.Tier
	holes := b.holes(rank, &req)
	best, used := before, 0
	for end := 0; end < len(holes) && best.Unmet > 0; {
		next := b.tierOf(&holes[end])
		for end < len(holes) && b.tierOf(&holes[end]) == next {
			end++
		}
		b.open(&req, holes[:end], 1)
		d := b.p.Place(req)
		b.open(&req, holes[:end], -1)
		if d.Err == nil && d.Unmet < best.Unmet {
			best, used = d, end
		}
	}
	if used == 0 {
		return before, nil
	}
	taken := b.needed(&req, best, holes[:used])
	b.open(&req, taken, 1)
	b.p.reserved = mix(b.p.reserved, uint64(len(taken)))
	var texts []string
	for _, h := range taken {
		l := b.lost[h.req]
		if l == nil {
			l = &loss{replicas: map[string]int64{}}
			b.lost[h.req] = l
		}
		name := b.p.s.members[h.member].Spec.Name
		l.replicas[name] += h.count
		l.by, l.tier = req.Workload, tier
		texts = append(texts, fmt.Sprintf("preemption: took %d of %s (tier %d) in %s", h.count, b.reqs[h.req].Workload, b.tierOf(&h), name))
	}
	return best, texts
}

func (b *bargain) tierOf(h *hole) int { return b.reqs[h.req].Placement.Failover.Tier }

// holes lists what could be taken, in the order in which it is.
func (b *bargain) holes(rank int, req *Request) []hole {
	need, missing := b.p.s.needOf(podwise(req.Demand.PerReplica))
	if missing != "" {
		return nil
	}
	lets := b.p.s.lets(req.Demand.Tolerations)
	var out []hole
	for _, i := range b.order[rank+1:] {
		v := &b.reqs[i]
		if v.Placement.Failover.Tier <= req.Placement.Failover.Tier || v.Placement.Failover.Continuity == federation.AtMostOne ||
			!v.Demand.Replicated || v.Placement.Replicas.Mode == "Duplicated" || v.Workload == req.Workload {
			continue
		}
		size := podwise(v.Demand.PerReplica)
		room, _ := b.p.s.amountOf(size)
		holds := room.holds(&need)
		if holds == 0 {
			continue
		}
		theirs := b.p.s.lets(v.Demand.Tolerations) &^ lets // where they may be and req may not
		for _, m := range b.lost[i].leftOf(b.p.currentOf(v)) {
			if at, ok := b.p.s.index[m.Member]; ok && b.p.s.opens.has(at) && theirs&taintsIn(b.p.s.rooms[at]) == 0 {
				out = append(out, hole{req: i, member: at, size: size, count: m.Replicas, holds: holds})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y hole) int {
		return cmp.Or(
			cmp.Compare(b.tierOf(&y), b.tierOf(&x)), cmp.Compare(y.holds, x.holds),
			b.reqs[x.req].Workload.Compare(b.reqs[y.req].Workload), cmp.Compare(x.member, y.member),
		)
	})
	return out
}

// leftOf is left, of a workload that may have lost nothing.
func (l *loss) leftOf(current []federation.AssignedMember) []federation.AssignedMember {
	if l == nil {
		return current
	}
	return l.left(current)
}

// open adds the holes to the room, sign times.
func (b *bargain) open(req *Request, holes []hole, sign int64) {
	for _, h := range holes {
		size, _ := b.p.s.amountOf(h.size)
		b.p.addRoom(h.member, node{free: size, count: h.count}, sign)
		if victim := b.reqs[h.req].Workload; victim.Namespace == req.Workload.Namespace {
			b.p.takeQuota(victim.Namespace, h.member, h.size, -sign*h.count)
		}
	}
}

// needed cuts the holes to what the decision needs beside the room and the quota
// there are: first those of the taker's namespace that its quota wants, then those
// that its room wants.
func (b *bargain) needed(req *Request, d Decision, holes []hole) []hole {
	current := b.p.currentOf(req)
	used := make([]int64, len(holes))
	for _, m := range d.Members {
		if more := m.Replicas - replicasIn(current, m.Member); more > 0 {
			i := b.p.s.index[m.Member]
			w := wish{req: req, member: i, more: more}
			b.freeQuota(w, holes, used)
			b.freeRoom(w, holes, used)
		}
	}
	var out []hole
	for k, h := range holes {
		if h.count = used[k]; h.count > 0 {
			out = append(out, h)
		}
	}
	return out
}

// wish is what a taker is to get in one member: more replicas than run there.
type wish struct {
	req    *Request
	member int32
	more   int64
}

// freeQuota uses holes until the quota lets the wish into its member.
func (b *bargain) freeQuota(w wish, holes []hole, used []int64) {
	namespace, i := w.req.Workload.Namespace, w.member
	quota := b.p.quotaOf(namespace)
	if quota[i] == nil {
		return
	}
	each := podwise(w.req.Demand.PerReplica)
	quota = quotaTable{i: maps.Clone(quota[i])}
	for k := range holes {
		h := &holes[k]
		if h.member != i || b.reqs[h.req].Workload.Namespace != namespace {
			continue
		}
		for ; used[k] < h.count && quota.holds(i, &each) < w.more; used[k]++ {
			quota.take(i, h.size, -1)
		}
	}
}

// freeRoom uses holes until the wish fits into its member.
func (b *bargain) freeRoom(w wish, holes []hole, used []int64) {
	i, more := w.member, w.more
	need := b.p.s.replicaOf(w.req.Demand.PerReplica, b.p.s.lets(w.req.Demand.Tolerations))
	room := fit(b.p.room(i), &need)
	for k := range holes {
		if holes[k].member == i {
			room += used[k] * holes[k].holds
		}
	}
	for k := range holes {
		if h := &holes[k]; h.member == i && room < more {
			n := min(h.count-used[k], (more-room+h.holds-1)/h.holds)
			used[k] += n
			room += n * h.holds
		}
	}
}
