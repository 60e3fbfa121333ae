package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// maxUnmet bounds the workloads that a scenario lists.
const maxUnmet = 10

// Readiness decides, for the loss of each member and of each region that has
// members, where its workloads would go. reqs has one request per existing
// workload. Nothing is preempted in it: room that only others would have to give is
// counted as missing.
func Readiness(s *Snapshot, reqs []Request) federation.Readiness {
	p := NewPlanner(s)
	report := federation.Readiness{Score: 100, Scenarios: []federation.Scenario{}, SnapshotHash: s.Hash()}
	order := inOrder(reqs)
	byMember := p.requestsByMember(reqs, order)
	for _, by := range []string{"member", "region"} {
		top := s.topologies[by]
		for id, name := range top.names {
			p.gone = top.sets[id]
			sc := p.scenario(reqs, order, byMember)
			p.release()
			sc.Lost = federation.Scope{By: by, Value: name}
			report.Scenarios = append(report.Scenarios, sc)
			report.Score = min(report.Score, sc.Score)
		}
	}
	slices.SortStableFunc(report.Scenarios, func(a, b federation.Scenario) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), cmp.Compare(a.Lost.By, b.Lost.By), cmp.Compare(a.Lost.Value, b.Lost.Value))
	})
	return report
}

// requestsByMember lists for every member the requests that run there, in the
// order of decision.
func (p *Planner) requestsByMember(reqs []Request, order []int) [][]int32 {
	byMember := make([][]int32, len(p.s.members))
	for rank, i := range order {
		for _, m := range p.currentOf(&reqs[i]) {
			if at, ok := p.s.index[m.Member]; ok {
				byMember[at] = append(byMember[at], int32(rank))
			}
		}
	}
	return byMember
}

// scenario places again what runs in the members that are gone.
func (p *Planner) scenario(reqs []Request, order []int, byMember [][]int32) federation.Scenario {
	sc := federation.Scenario{Score: 100}
	var ranks []int32
	p.gone.each(func(i int32) { ranks = append(ranks, byMember[i]...) })
	slices.Sort(ranks)
	var have, all float64
	for _, rank := range slices.Compact(ranks) {
		req := reqs[order[rank]]
		req.Explain = false
		displaced := p.displaced(&req)
		short, reason := p.failOver(req, displaced)
		weight := float64(int64(16) >> min(max(req.Placement.Failover.Tier, 0), 4))
		all += weight * float64(displaced)
		have += weight * float64(displaced-short)
		sc.Displaced += displaced
		sc.Short += short
		if short > 0 && len(sc.Unmet) < maxUnmet {
			sc.Unmet = append(sc.Unmet, federation.Unmet{
				Workload: req.Workload, Replicas: short, Tier: req.Placement.Failover.Tier, Reason: reason,
			})
		}
	}
	if all > 0 {
		sc.Score = 100 * have / all
	}
	if sc.Short > 0 {
		sc.Fix = fmt.Sprintf("%s is short of %d replicas: %s", sc.Unmet[0].Workload, sc.Unmet[0].Replicas, sc.Unmet[0].Reason)
	}
	return sc
}

// failOver places a workload again, and returns how many of its displaced
// replicas find no room, and why.
func (p *Planner) failOver(req Request, displaced int64) (int64, string) {
	if req.Placement.Failover.Mode == "Never" {
		return displaced, neverFailsOver
	}
	d := p.Place(req)
	p.Reserve(req, d)
	return min(d.Unmet, displaced), d.Binding
}

// displaced counts the replicas of a request that run in the members gone.
func (p *Planner) displaced(req *Request) int64 {
	var n int64
	for _, m := range p.currentOf(req) {
		if i, ok := p.s.index[m.Member]; ok && p.gone.has(i) {
			n += m.Replicas
		}
	}
	return n
}
