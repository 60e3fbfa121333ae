package placement

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// drawHardConstraints draws up to three constraints that must be kept.
func drawHardConstraints(t *rapid.T) []federation.SpreadConstraint {
	var all []federation.SpreadConstraint
	for _, by := range []string{"region", "zone", "member"} {
		if !rapid.Bool().Draw(t, "has "+by) {
			continue
		}
		s := federation.SpreadConstraint{
			By: by, Min: rapid.Int64Range(0, 3).Draw(t, "min"), MaxSkew: rapid.Int64Range(0, 2).Draw(t, "maxSkew"),
		}
		if rapid.Bool().Draw(t, "has max") {
			s.Max = s.Min + rapid.Int64Range(0, 2).Draw(t, "max")
		}
		all = append(all, s)
	}
	return all
}

// countsBy sums the decision's replicas by the values of a topology.
func countsBy(w World, d Decision, by string) []int64 {
	counts := map[string]int64{}
	for i := range w.Members {
		m := &w.Members[i]
		name := map[string]string{"region": m.Spec.Place.Region, "zone": m.Spec.Place.Zone, "member": m.Spec.Name}[by]
		counts[name] += replicasIn(d.Members, m.Spec.Name)
	}
	var out []int64
	for _, name := range sortedKeys(counts) {
		out = append(out, counts[name])
	}
	return out
}

// TestAllConstraintsHoldAtOnce draws several hard constraints with groups and
// bounds: whatever is placed keeps each of them, from scratch and rebalanced.
func TestAllConstraintsHoldAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for i := range w.Members {
			if w.Members[i].standing() == closed {
				w.Members[i].Health = federation.Healthy // a closed member keeps what breaks a rule
			}
		}
		req := drawRequest(t, w)
		req.Placement.Spread = drawHardConstraints(t)
		if req.Rebalance = rapid.Bool().Draw(t, "rebalance"); req.Rebalance {
			drawCurrent(t, w, &req)
		}
		if rapid.Bool().Draw(t, "grouped") {
			req.Placement.Members.Groups = []federation.MemberGroup{
				{Members: federation.LabelSelector{MatchLabels: map[string]string{"region": "r0"}}, Overflow: rapid.Bool().Draw(t, "overflow")},
				{},
			}
		}
		d := mustPlace(t, w, req)
		if d.Unmet == req.Demand.Replicas {
			return
		}
		for _, s := range req.Placement.Spread {
			if broken := spreadLaw(s, countsBy(w, d, s.By)); broken != "" {
				t.Fatalf("%+v is broken: %s; %v", s, broken, d.Members)
			}
		}
	})
}

// TestSurviveIsTrue loses each domain in use: all replicas find room elsewhere.
func TestSurviveIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		req.Placement.Spread = nil
		req.Placement.Failover.Survive = rapid.SampledFrom([]string{"Member", "Zone", "Region"}).Draw(t, "survive")
		d := mustPlace(t, w, req)
		if d.Unmet > 0 {
			return
		}
		by := survivalKey(req.Placement.Failover.Survive)
		after, again := apply(w, req, d)
		s, err := NewSnapshot(after)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range d.Members {
			i := s.index[m.Member]
			scope := federation.Scope{By: by, Value: s.topologies[by].names[s.topologies[by].of[i]]}
			sim, err := Simulate(s, []Request{again}, federation.SimulationRequest{Lose: []federation.Scope{scope}})
			if err != nil || !sim.Fits {
				t.Fatalf("survive %s, but the loss of %s leaves %+v (%v)", req.Placement.Failover.Survive, scope, sim.Unmet, err)
			}
		}
	})
}

// FuzzPlacement decodes any document and places it: no panic, one line for what
// is refused, nothing placed where there is no room.
func FuzzPlacement(f *testing.F) {
	f.Add(`{"spread":[{"by":"region","min":2,"max":3,"maxSkew":1}]}`, int64(6))
	f.Add(`{"replicas":{"by":"Demand"},"geo":{"users":[{"at":"osaka","share":1}],"maxLatency":"90ms","residency":["EU","JP"]}}`, int64(3))
	f.Add(`{"members":{"groups":[{"members":{},"overflow":true},{}],"preferred":[{"weight":3}],"required":{"matchExpressions":[{"key":"free.cpu","operator":"Gt","values":["1"]}]}}}`, int64(9))
	f.Add(`{"failover":{"survive":"Zone","continuity":"AtMostOne"},"replicas":{"mode":"Duplicated","min":2,"max":5},"scores":{"cost":1e300}}`, int64(1))
	var w World
	for i, region := range []string{"ap-northeast", "eu-central", "us-east"} {
		m := Member{Spec: federation.MemberSpec{Name: region, Place: federation.Place{Region: region}}, Health: federation.Healthy}
		setRoom(&m, []int64{int64(i + 1), 3})
		w.Members = append(w.Members, m)
	}
	s, err := NewSnapshot(w)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, document string, replicas int64) {
		req := Request{Workload: web, Demand: Demand{Replicated: true, Replicas: replicas, PerReplica: unitOf(1)}, Explain: true}
		if json.Unmarshal([]byte(document), &req.Placement) != nil {
			return
		}
		d := Place(req, s)
		if d.Err != nil {
			if strings.Contains(d.Err.Error(), "\n") || len(d.Members) > 0 {
				t.Fatalf("%q, %v", d.Err, d.Members)
			}
			return
		}
		for _, m := range d.Members {
			if i := s.index[m.Member]; m.Replicas > int64(i)+4 {
				t.Fatalf("%s has %d", m.Member, m.Replicas)
			}
		}
	})
}
