package placement

import (
	"testing"

	"github.com/hansa-io/hansa/federation"
)

func equalWorld(names ...string) World {
	regions := map[string]string{"tokyo": "ap-northeast", "frankfurt": "eu-central", "virginia": "us-east"}
	var w World
	for _, n := range names {
		free := federation.Resources{MilliCPU: 16000, MemoryBytes: 64 << 30, Pods: 110}
		w.Members = append(w.Members, Member{
			Spec:   federation.MemberSpec{Name: n, Place: federation.Place{Region: regions[n]}},
			Facts:  federation.MemberFacts{Member: n, Nodes: 1, NodesReady: 1, Allocatable: free, Free: free},
			Health: federation.Healthy,
		})
	}
	return w
}

func TestFirstSample(t *testing.T) {
	req := Request{
		Workload: federation.Key{Namespace: "shop", Name: "web"},
		Placement: federation.PlacementSpec{
			Spread: []federation.SpreadConstraint{{By: "region", Min: 2, Max: 3, MaxSkew: 1}},
		},
		Demand:  Demand{Replicated: true, Replicas: 6, PerReplica: federation.Resources{MilliCPU: 100, MemoryBytes: 64 << 20}},
		Explain: true,
	}
	w := equalWorld("tokyo", "frankfurt", "virginia")
	step := func(w World) Decision {
		s, err := NewSnapshot(w)
		if err != nil {
			t.Fatal(err)
		}
		d := Place(req, s)
		if d.Err != nil {
			t.Fatal(d.Err)
		}
		t.Logf("%+v\n%v\n%+v", d.Members, d.Explanation.Summary, d.Explanation)
		return d
	}
	d := step(w)
	req.Current = d.Members
	w.Members[1].Health = federation.Unreachable
	d = step(w)
	req.Current = d.Members
	w.Members[1].Health = federation.Healthy
	d = step(w)
	req.Rebalance = true
	d = step(w)
	req.Current, req.Rebalance = nil, false
	w.Members = w.Members[:1]
	d = step(w)
}
