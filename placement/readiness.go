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
	byMember := p.residents(reqs, order)
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

// resident is what a request, by its rank in the order of decision, runs in a member.
type resident struct {
	rank     int32
	replicas int64
}

// residents lists for every member what runs there.
func (p *Planner) residents(reqs []Request, order []int) [][]resident {
	byMember := make([][]resident, len(p.s.members))
	for rank, i := range order {
		for _, m := range p.currentOf(&reqs[i]) {
			if at, ok := p.s.index[m.Member]; ok {
				byMember[at] = append(byMember[at], resident{int32(rank), m.Replicas})
			}
		}
	}
	return byMember
}

// displaced lists what runs in the members that are gone, each request once.
func (p *Planner) displaced(byMember [][]resident) []resident {
	var all []resident
	p.gone.each(func(i int32) { all = append(all, byMember[i]...) })
	slices.SortFunc(all, func(a, b resident) int { return cmp.Compare(a.rank, b.rank) })
	n := 0
	for _, d := range all {
		if n > 0 && all[n-1].rank == d.rank {
			all[n-1].replicas += d.replicas
			continue
		}
		all[n] = d
		n++
	}
	return all[:n]
}

// scenario places again what runs in the members that are gone.
func (p *Planner) scenario(reqs []Request, order []int, byMember [][]resident) federation.Scenario {
	sc := federation.Scenario{Score: 100}
	var have, all float64
	for _, d := range p.displaced(byMember) {
		req := &reqs[order[d.rank]]
		short, reason := p.failOver(req, d.replicas)
		weight := float64(int64(16) >> min(max(req.Placement.Failover.Tier, 0), 4))
		all += weight * float64(d.replicas)
		have += weight * float64(d.replicas-short)
		sc.Displaced += d.replicas
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
func (p *Planner) failOver(req *Request, displaced int64) (int64, string) {
	if req.Placement.Failover.Mode == "Never" {
		return displaced, neverFailsOver
	}
	if p.copied(req) {
		return 0, ""
	}
	asked := &p.run.asked
	*asked = *req
	asked.Explain = false
	d := p.run.place(asked)
	if d.Err == nil {
		p.reserve(asked, &d)
	}
	return min(d.Unmet, displaced), d.Binding
}

// copied reports a workload that has a copy in each member that it may run in, and
// still runs somewhere: there is nothing to place again. A lost copy is not short,
// since no other member could have a second one.
func (p *Planner) copied(req *Request) bool {
	spec := &req.Placement
	if req.Demand.Replicated && spec.Replicas.Mode != "Duplicated" || len(spec.Spread) > 0 || len(spec.Members.Groups) > 1 {
		return false
	}
	for _, m := range p.currentOf(req) {
		if at, ok := p.s.index[m.Member]; ok && !p.gone.has(at) && p.s.members[at].Health == federation.Healthy {
			return true
		}
	}
	return false
}
