package placement

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// TestLargestWorkload divides the largest number of replicas under a rule that
// looks at every member for every replica, and says what room is short.
func TestLargestWorkload(t *testing.T) {
	req := benchRequest(1, federation.PlacementSpec{Spread: []federation.SpreadConstraint{{By: "member", MaxSkew: 1}}})
	req.Demand.Replicas = MaxReplicas
	req.Demand.PerReplica = federation.Resources{}
	d := Place(req, benchSnapshot(t, benchWorld(100)))
	if d.Err != nil || d.Unmet != 0 || len(d.Members) != 100 {
		t.Fatalf("%d members, %d unmet, %v", len(d.Members), d.Unmet, d.Err)
	}
	req.Demand.PerReplica = federation.Resources{MilliCPU: 1 << 41}
	if d := Place(req, benchSnapshot(t, benchWorld(1))); d.Err == nil {
		t.Fatal("an absurd replica is accepted")
	}
}

// TestQuotient compares with integer division, at the edges above all.
func TestQuotient(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.Int64Range(1, maxMemory).Draw(t, "b")
		n := rapid.Int64Range(0, MaxReplicas).Draw(t, "n")
		a := n*b + rapid.SampledFrom([]int64{0, 1, b - 1, b / 2, -1}).Draw(t, "rest")
		if a >= 0 && quotient(a, b) != a/b {
			t.Fatalf("%d/%d is %d, not %d", a, b, a/b, quotient(a, b))
		}
	})
}
