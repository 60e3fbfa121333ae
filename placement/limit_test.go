package placement

import (
	"testing"

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
