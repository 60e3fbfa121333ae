package placement

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// drawCrowd makes a world of 16 to 40 members in four regions, some of which cannot
// take anything.
func drawCrowd(t *rapid.T) World {
	var w World
	for i := range rapid.IntRange(16, 40).Draw(t, "members") {
		room := rapid.Int64Range(0, 9).Draw(t, "room")
		w.Members = append(w.Members, Member{
			Spec: federation.MemberSpec{Name: fmt.Sprintf("m%02d", i), Place: federation.Place{Region: fmt.Sprintf("r%d", rapid.IntRange(0, 3).Draw(t, "region"))}},
			Facts: federation.MemberFacts{
				Allocatable: federation.Resources{MilliCPU: 1000, MemoryBytes: 10 << 20, Pods: 10},
				Free:        federation.Resources{MilliCPU: room * 100, MemoryBytes: room << 20, Pods: room},
			},
			Health: rapid.SampledFrom([]federation.Health{federation.Healthy, federation.Healthy, federation.Healthy, federation.Suspect}).Draw(t, "health"),
		})
	}
	return w
}

// drawBounded asks for replicas within few regions.
func drawBounded(t *rapid.T, w World, i int) Request {
	req := Request{
		Workload: federation.Key{Namespace: "shop", Name: fmt.Sprintf("w%d", i)},
		Demand: Demand{
			Replicated: true, Replicas: rapid.Int64Range(1, 12).Draw(t, "replicas"),
			PerReplica: federation.Resources{MilliCPU: 100 * rapid.Int64Range(1, 2).Draw(t, "cpu"), MemoryBytes: 1 << 20},
		},
		Current:   []federation.AssignedMember{},
		Rebalance: rapid.Bool().Draw(t, "rebalance"),
	}
	req.Placement.Replicas.By = rapid.SampledFrom([]string{"", "Aggregated"}).Draw(t, "by")
	req.Placement.Replicas.Max = rapid.SampledFrom([]int64{0, 0, 2}).Draw(t, "most")
	least := rapid.Int64Range(0, 2).Draw(t, "min")
	req.Placement.Spread = []federation.SpreadConstraint{{
		By: "region", Min: least, Max: max(least, rapid.Int64Range(1, 3).Draw(t, "max")), MaxSkew: rapid.Int64Range(0, 2).Draw(t, "maxSkew"),
	}}
	for range rapid.IntRange(0, 3).Draw(t, "current") {
		name := rapid.SampledFrom(w.Members).Draw(t, "member").Spec.Name
		if replicasIn(req.Current, name) == 0 {
			req.Current = append(req.Current, federation.AssignedMember{Member: name, Replicas: rapid.Int64Range(1, 4).Draw(t, "running")})
		}
	}
	return req
}

func TestNarrowingChangesNothing(t *testing.T) {
	narrowed := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawCrowd(t)
		s, err := NewSnapshot(w)
		if err != nil {
			t.Fatal(err)
		}
		narrow, wide := NewPlanner(s), NewPlanner(s)
		narrow.narrowFrom, wide.narrowFrom = 0, math.MaxInt
		for i := range rapid.IntRange(1, 8).Draw(t, "requests") {
			req := drawBounded(t, w, i)
			got, want := narrow.Place(req), wide.Place(req)
			narrowed += narrow.narrowed
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("request %d:\nnarrowed %+v\nelse     %+v", i, got, want)
			}
			narrow.Reserve(req, got)
			wide.Reserve(req, want)
		}
	})
	if narrowed == 0 {
		t.Fatal("nothing was narrowed")
	}
}
