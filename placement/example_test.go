package placement_test

import (
	"fmt"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// Six replicas are spread over three regions; then one region is lost.
func ExamplePlace() {
	free := federation.Resources{MilliCPU: 16_000, MemoryBytes: 64 << 30, Pods: 110}
	var world placement.World
	for name, region := range map[string]string{"tokyo": "ap-northeast", "frankfurt": "eu-central", "virginia": "us-east"} {
		world.Members = append(world.Members, placement.Member{
			Spec:   federation.MemberSpec{Name: name, Place: federation.Place{Region: region}},
			Facts:  federation.MemberFacts{Allocatable: free, Free: free},
			Health: federation.Healthy,
		})
	}
	snapshot, err := placement.NewSnapshot(world)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := placement.Request{
		Workload:  federation.Key{Namespace: "shop", Name: "web"},
		Placement: federation.PlacementSpec{Spread: []federation.SpreadConstraint{{By: "region", Min: 2, Max: 3, MaxSkew: 1}}},
		Demand:    placement.Demand{Replicated: true, Replicas: 6, PerReplica: federation.Resources{MilliCPU: 500}},
		Explain:   true,
	}
	decision := placement.Place(request, snapshot)
	fmt.Println(decision.Explanation.Summary)

	request.Current = decision.Members
	lost, err := placement.Simulate(snapshot, []placement.Request{request}, federation.SimulationRequest{
		Lose: []federation.Scope{{By: "region", Value: "eu-central"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range lost.Moves {
		fmt.Println(m.Member, m.From, "->", m.To)
	}
	// Output:
	// 3 of 3 members, 2/2/2 replicas
	// frankfurt 2 -> 0
	// tokyo 2 -> 3
	// virginia 2 -> 3
}
