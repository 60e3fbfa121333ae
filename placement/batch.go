package placement

import (
	"cmp"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// PlaceAll decides many requests against one snapshot so that no two get the
// same room. It decides tier by tier, lowest number first, within a tier in the
// order of keys, but after the workloads of the same tier that affinity ties a
// workload to. A request may take room from what others among reqs run, see
// PlaceAllPreempting. The decisions come in the order of the requests.
func PlaceAll(reqs []Request, s *Snapshot) []Decision {
	return NewPlanner(s).placeAll(reqs, nil)
}

// placeEach decides the requests with the room there is.
func (p *Planner) placeEach(reqs []Request) []Decision {
	out := make([]Decision, len(reqs))
	for _, i := range inOrder(reqs) {
		out[i] = p.Place(reqs[i])
		p.Reserve(reqs[i], out[i])
	}
	return out
}

// inOrder returns the indices of the requests in the order of decision.
func inOrder(reqs []Request) []int {
	order := make([]int, len(reqs))
	tied := false
	for i := range order {
		order[i] = i
		tied = tied || ties(&reqs[i]) > 0
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(reqs[a].Placement.Failover.Tier, reqs[b].Placement.Failover.Tier),
			reqs[a].Workload.Compare(reqs[b].Workload),
		)
	})
	if tied {
		order = afterOthers(reqs, order)
	}
	return order
}

func ties(req *Request) int {
	return len(req.Placement.Affinity.With) + len(req.Placement.Affinity.NotWith)
}

// afterOthers moves each request behind those of its tier that its affinity
// names, depth first; workloads that name each other keep the order of keys.
func afterOthers(reqs []Request, order []int) []int {
	byKey := make(map[federation.Key]int, len(reqs))
	for i := range reqs {
		byKey[reqs[i].Workload] = i
	}
	out := make([]int, 0, len(order))
	seen := make([]bool, len(reqs))
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		a := &reqs[i].Placement.Affinity
		for _, keys := range [][]federation.Key{a.With, a.NotWith} {
			for _, key := range keys {
				j, ok := byKey[key]
				if ok && reqs[j].Placement.Failover.Tier == reqs[i].Placement.Failover.Tier {
					visit(j)
				}
			}
		}
		out = append(out, i)
	}
	for _, i := range order {
		visit(i)
	}
	return out
}
