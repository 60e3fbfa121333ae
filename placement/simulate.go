package placement

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// Simulate tells where everything would go if the world changed as asked: with
// the engine that decides, and nothing approximated. reqs has one request per
// existing workload. A workload whose failover.mode is Never stays in a lost
// member, and its replicas there are unmet.
//
// The error is for the author of the question: a scope without members, a name
// that is taken or not known, a placement that is malformed.
func Simulate(s *Snapshot, reqs []Request, ask federation.SimulationRequest) (federation.Simulation, error) {
	world, lost, err := changedWorld(s, ask)
	if err != nil {
		return federation.Simulation{}, fmt.Errorf("simulate: %w", err)
	}
	changed, err := changedRequests(s, reqs, ask, lost)
	if err != nil {
		return federation.Simulation{}, fmt.Errorf("simulate: %w", err)
	}
	after, err := NewSnapshot(world)
	if err != nil {
		return federation.Simulation{}, fmt.Errorf("simulate: %w", err)
	}
	p := NewPlanner(after)
	sim := federation.Simulation{
		Moves: []federation.Move{}, Unmet: []federation.Unmet{},
		Lost: slices.Sorted(maps.Keys(lost)), SnapshotHash: questionHash(after, ask),
	}
	for i, d := range p.placeAll(changed, nil) {
		if d.Err != nil {
			return federation.Simulation{}, fmt.Errorf("simulate: %w", d.Err)
		}
		addMoves(&sim, d, p.currentOf(&changed[i]))
		addShort(&sim, d, changed[i].Placement.Failover.Tier, lost)
	}
	slices.SortFunc(sim.Moves, func(a, b federation.Move) int {
		return cmp.Or(a.Workload.Compare(b.Workload), strings.Compare(a.Member, b.Member))
	})
	slices.SortFunc(sim.Unmet, func(a, b federation.Unmet) int {
		return cmp.Or(cmp.Compare(a.Tier, b.Tier), a.Workload.Compare(b.Workload))
	})
	sim.Fits = len(sim.Unmet) == 0
	sim.Headroom = p.headroom()
	return sim, nil
}

// changedWorld returns the world with members lost and added, and why each lost
// one is.
func changedWorld(s *Snapshot, ask federation.SimulationRequest) (World, map[string]string, error) {
	world := s.world
	world.Members = slices.Clone(s.members)
	lost := map[string]string{}
	for _, scope := range ask.Lose {
		found := false
		for i := range world.Members {
			m := &world.Members[i]
			if scope.Covers(m.Spec.Name, m.Spec.Place) {
				found = true
				m.Masked = "simulated loss of " + scope.String()
				lost[m.Spec.Name] = m.Masked
			}
		}
		if !found {
			return World{}, nil, fmt.Errorf("lose %s: no member is there%s", scope, s.knownValues(scope.By))
		}
	}
	for i, spec := range ask.Add {
		if _, taken := s.index[spec.Name]; taken {
			return World{}, nil, fmt.Errorf("add member %s: the name is taken", spec.Name)
		}
		m := Member{Spec: spec, Health: federation.Healthy}
		if i < len(ask.AddFacts) {
			m.Facts = ask.AddFacts[i]
		}
		world.Members = append(world.Members, m)
	}
	return world, lost, nil
}

func (s *Snapshot) knownValues(by string) string {
	top, ok := s.topologies[by]
	if !ok {
		return ": want member, zone or region"
	}
	return fmt.Sprintf(" (%ss: %s)", by, joinFew(top.names))
}

// changedRequests returns the requests with scale and policies as asked.
func changedRequests(s *Snapshot, reqs []Request, ask federation.SimulationRequest, lost map[string]string) ([]Request, error) {
	out := slices.Clone(reqs)
	at := make(map[federation.Key]*Request, len(out))
	for i := range out {
		req := &out[i]
		req.Explain = false
		req.Keep = keepUnder(s, req, lost)
		at[req.Workload] = req
	}
	for _, key := range slices.SortedFunc(maps.Keys(ask.Scale), federation.Key.Compare) {
		req := at[key]
		switch {
		case req == nil:
			return nil, fmt.Errorf("scale %s: there is no such workload", key)
		case !req.Demand.Replicated:
			return nil, fmt.Errorf("scale %s: it has no replica count", key)
		}
		req.Demand.Replicas = ask.Scale[key]
	}
	for _, key := range slices.SortedFunc(maps.Keys(ask.Policies), federation.Key.Compare) {
		req := at[key]
		if req == nil {
			return nil, fmt.Errorf("place %s: there is no such workload", key)
		}
		req.Placement, req.Rebalance = ask.Policies[key], true
	}
	return out, nil
}

// keepUnder returns the request's Keep without the lost members, or with them
// when the workload never fails over.
func keepUnder(s *Snapshot, req *Request, lost map[string]string) map[string]string {
	keep := maps.Clone(req.Keep)
	for name := range lost {
		delete(keep, name)
	}
	if req.Placement.Failover.Mode != "Never" {
		return keep
	}
	current := req.Current
	if current == nil {
		current = s.assigned[req.Workload]
	}
	for _, m := range current {
		if _, gone := lost[m.Member]; !gone {
			continue
		}
		if keep == nil {
			keep = map[string]string{}
		}
		keep[m.Member] = neverFailsOver
	}
	return keep
}

const neverFailsOver = "failover.mode is Never"

// addMoves adds what one decision changes.
func addMoves(sim *federation.Simulation, d Decision, current []federation.AssignedMember) {
	for _, m := range current {
		if now := replicasIn(d.Members, m.Member); now != m.Replicas {
			sim.Moves = append(sim.Moves, federation.Move{Workload: d.Workload, Member: m.Member, From: m.Replicas, To: now})
		}
	}
	for _, m := range d.Members {
		if m.Replicas > 0 && !assignedIn(current, m.Member) {
			sim.Moves = append(sim.Moves, federation.Move{Workload: d.Workload, Member: m.Member, To: m.Replicas})
		}
	}
}

// addShort adds what one decision leaves unmet or stranded in lost members, and
// the rule it waived.
func addShort(sim *federation.Simulation, d Decision, tier int, lost map[string]string) {
	var stranded int64
	for _, m := range d.Members {
		if _, gone := lost[m.Member]; gone {
			stranded += m.Replicas
		}
	}
	if d.Unmet > 0 {
		sim.Unmet = append(sim.Unmet, federation.Unmet{Workload: d.Workload, Replicas: d.Unmet, Tier: tier, Reason: d.Binding})
	}
	if stranded > 0 {
		sim.Unmet = append(sim.Unmet, federation.Unmet{Workload: d.Workload, Replicas: stranded, Tier: tier, Reason: neverFailsOver})
	}
	if d.Preempted != "" {
		sim.Rules = append(sim.Rules, d.Workload.String()+": "+d.Preempted)
	}
	if d.Waived != "" {
		sim.Rules = append(sim.Rules, d.Workload.String()+": "+d.Waived)
	}
}

func assignedIn(members []federation.AssignedMember, name string) bool {
	return slices.ContainsFunc(members, func(m federation.AssignedMember) bool { return m.Member == name })
}

// headroom is the free share of CPU of the members that are not lost, 0 to 1.
func (p *Planner) headroom() float64 {
	var free, all int64
	for i := range p.s.members {
		if !p.s.keeps.has(int32(i)) {
			continue
		}
		free += p.loads[i].cpu
		all += p.s.members[i].Facts.Allocatable.MilliCPU
	}
	if all == 0 {
		return 0
	}
	return min(1, float64(free)/float64(all))
}

// questionHash identifies the world asked about and the question.
func questionHash(after *Snapshot, ask federation.SimulationRequest) string {
	e := newEncoder()
	e.str(after.hash)
	question, _ := json.Marshal(ask)
	e.str(string(question))
	return e.sum()
}
