package placement

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

var web = federation.Key{Namespace: "shop", Name: "web"}

// drawWorld makes a small world with members of pod-sized room, so that rooms
// are easy to count: a member with room 3 holds three replicas.
func drawWorld(t *rapid.T) World {
	var w World
	n := rapid.IntRange(1, 7).Draw(t, "members")
	for i := range n {
		region := rapid.IntRange(0, 3).Draw(t, "region")
		zone := rapid.IntRange(0, 1).Draw(t, "zone")
		room := rapid.Int64Range(0, 6).Draw(t, "room")
		free := federation.Resources{MilliCPU: room * 100, MemoryBytes: room << 20, Pods: room}
		health := rapid.SampledFrom([]federation.Health{federation.Healthy, federation.Healthy, federation.Healthy, federation.Suspect, federation.Unreachable})
		m := Member{
			Spec: federation.MemberSpec{
				Name:  fmt.Sprintf("m%d", i),
				Place: federation.Place{Region: fmt.Sprintf("r%d", region), Zone: fmt.Sprintf("r%dz%d", region, zone)},
			},
			Facts:  federation.MemberFacts{Allocatable: federation.Resources{MilliCPU: 2000, MemoryBytes: 20 << 20, Pods: 20}, Free: free},
			Health: health.Draw(t, "health"),
		}
		w.Members = append(w.Members, m)
	}
	return w
}

func drawRequest(t *rapid.T, w World) Request {
	req := Request{
		Workload: web,
		Demand: Demand{
			Replicated: true, Replicas: rapid.Int64Range(1, 12).Draw(t, "replicas"),
			PerReplica: federation.Resources{MilliCPU: 100, MemoryBytes: 1 << 20},
		},
		Current: []federation.AssignedMember{},
	}
	p := &req.Placement
	p.Replicas.By = rapid.SampledFrom([]string{"", "Capacity", "Static", "Aggregated"}).Draw(t, "by")
	for range rapid.IntRange(0, 1).Draw(t, "spreads") {
		s := federation.SpreadConstraint{
			By:  rapid.SampledFrom([]string{"region", "zone", "member"}).Draw(t, "spread by"),
			Min: rapid.Int64Range(0, 3).Draw(t, "min"), MaxSkew: rapid.Int64Range(0, 2).Draw(t, "maxSkew"),
		}
		if rapid.Bool().Draw(t, "has max") {
			s.Max = s.Min + rapid.Int64Range(0, 2).Draw(t, "max")
		}
		p.Spread = append(p.Spread, s)
	}
	return req
}

// drawCurrent lets the workload run somewhere, with all its room taken from what
// the members report as free.
func drawCurrent(t *rapid.T, w World, req *Request) {
	for i := range w.Members {
		if n := rapid.Int64Range(0, 4).Draw(t, "running"); n > 0 {
			req.Current = append(req.Current, federation.AssignedMember{Member: w.Members[i].Spec.Name, Replicas: n, Since: 3})
		}
	}
}

func mustPlace(t interface{ Fatal(...any) }, w World, req Request) Decision {
	s, err := NewSnapshot(w)
	if err != nil {
		t.Fatal(err)
	}
	d := Place(req, s)
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	return d
}

// apply returns the world after the decision: members report less room, and the
// request runs as decided.
func apply(w World, req Request, d Decision) (World, Request) {
	w.Members = slices.Clone(w.Members)
	for i := range w.Members {
		m := &w.Members[i]
		more := replicasIn(d.Members, m.Spec.Name) - replicasIn(req.Current, m.Spec.Name)
		if m.standing() == lost {
			more = 0
		}
		m.Facts.Free.MilliCPU -= more * 100
		m.Facts.Free.MemoryBytes -= more << 20
		m.Facts.Free.Pods -= more
	}
	req.Current = d.Members
	return w, req
}

func TestPlaceIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		drawCurrent(t, w, &req)
		req.Explain = true
		req.Rebalance = rapid.Bool().Draw(t, "rebalance")
		first := mustPlace(t, w, req)
		if again := mustPlace(t, w, req); !reflect.DeepEqual(first, again) {
			t.Fatalf("two decisions:\n%+v\n%+v", first, again)
		}
		slices.Reverse(w.Members)
		slices.Reverse(req.Current)
		if turned := mustPlace(t, w, req); !reflect.DeepEqual(first, turned) {
			t.Fatalf("the order of the inputs matters:\n%+v\n%+v", first, turned)
		}
	})
}

func TestPlannerHasNoMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		s, err := NewSnapshot(w)
		if err != nil {
			t.Fatal(err)
		}
		p := NewPlanner(s)
		for range 4 {
			req := drawRequest(t, w)
			drawCurrent(t, w, &req)
			req.Explain = rapid.Bool().Draw(t, "explain")
			if used, fresh := p.Place(req), Place(req, s); !reflect.DeepEqual(used, fresh) {
				t.Fatalf("a used planner decides otherwise:\n%+v\n%+v", used, fresh)
			}
		}
	})
}

func TestPlaceNeverOverfills(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		drawCurrent(t, w, &req)
		d := mustPlace(t, w, req)
		var placed int64
		for i := range w.Members {
			m := &w.Members[i]
			n, running := replicasIn(d.Members, m.Spec.Name), replicasIn(req.Current, m.Spec.Name)
			placed += n
			switch {
			case m.standing() == lost && n > 0:
				t.Fatalf("%s is lost and gets %d", m.Spec.Name, n)
			case m.standing() == closed && n > running:
				t.Fatalf("%s is closed and grows from %d to %d", m.Spec.Name, running, n)
			case n > running+m.Facts.Free.Pods:
				t.Fatalf("%s has room for %d beside %d, and gets %d", m.Spec.Name, m.Facts.Free.Pods, running, n)
			}
		}
		if placed+d.Unmet != req.Demand.Replicas {
			t.Fatalf("%d placed and %d unmet of %d", placed, d.Unmet, req.Demand.Replicas)
		}
	})
}

// TestUnchangedWorldMovesNothing applies a decision and decides again.
func TestUnchangedWorldMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		d := mustPlace(t, w, req)
		for _, rebalance := range []bool{false, true} {
			w2, again := apply(w, req, d)
			again.Rebalance = rebalance
			if d2 := mustPlace(t, w2, again); !rebalance && (d2.Changed || d2.Unmet != d.Unmet) {
				t.Fatalf("%+v became %+v", d, d2)
			} else if d2.Unmet > d.Unmet {
				t.Fatalf("rebalancing lost replicas: %+v became %+v", d, d2)
			}
		}
	})
}

// TestWholeMovesForEverythingOnly: a request that wants to be Whole is decided as one that
// does not, unless everything finds a place only so.
func TestWholeMovesForEverythingOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		req.Placement.Spread = drawHardConstraints(t)
		drawCurrent(t, w, &req)
		still := mustPlace(t, w, req)
		req.Whole = true
		whole := mustPlace(t, w, req)
		switch {
		case still.Unmet > 0 && whole.Unmet == 0:
			w2, again := apply(w, req, whole)
			if d := mustPlace(t, w2, again); d.Changed && d.Unmet > 0 {
				t.Fatalf("%+v became %+v", whole, d)
			}
		case !reflect.DeepEqual(still, whole):
			t.Fatalf("%+v became %+v", still, whole)
		}
	})
}

// TestRebalanceSettles rebalances again and again: soon nothing moves. (Once is
// nearly always enough; ties that maxSkew decides can take one more.)
func TestRebalanceSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		drawCurrent(t, w, &req)
		req.Rebalance = true
		for i := range w.Members {
			if w.Members[i].standing() != open {
				return // what closed members hold is not there to be given back
			}
		}
		d := mustPlace(t, w, req)
		for range 3 {
			w, req = apply(w, req, d)
			if d = mustPlace(t, w, req); !d.Changed {
				return
			}
		}
		t.Fatalf("it still moves after 4 times: %v, %v", req.Current, d.Members)
	})
}

// TestLossMovesOnlyWhatWasLost takes a member away: no other shrinks.
func TestLossMovesOnlyWhatWasLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		d := mustPlace(t, w, req)
		if len(d.Members) == 0 {
			return
		}
		w2, again := apply(w, req, d)
		gone := d.Members[rapid.IntRange(0, len(d.Members)-1).Draw(t, "gone")].Member
		for i := range w2.Members {
			if w2.Members[i].Spec.Name == gone {
				w2.Members[i].Health = federation.Unreachable
			}
		}
		d2 := mustPlace(t, w2, again)
		for _, m := range d.Members {
			if now := replicasIn(d2.Members, m.Member); m.Member != gone && now < m.Replicas {
				t.Fatalf("%s was lost, and %s shrinks from %d to %d", gone, m.Member, m.Replicas, now)
			}
		}
	})
}

// TestMoreRoomNeverPlacesLess is monotony in capacity.
func TestMoreRoomNeverPlacesLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		req := drawRequest(t, w)
		d := mustPlace(t, w, req)
		w.Members = slices.Clone(w.Members)
		m := &w.Members[rapid.IntRange(0, len(w.Members)-1).Draw(t, "grows")]
		m.Facts.Free.MilliCPU += 300
		m.Facts.Free.MemoryBytes += 3 << 20
		m.Facts.Free.Pods += 3
		if d2 := mustPlace(t, w, req); d2.Unmet > d.Unmet {
			t.Fatalf("%s grew, and %d unmet became %d", m.Spec.Name, d.Unmet, d2.Unmet)
		}
	})
}

// TestBatchSharesNoRoom places many workloads at once.
func TestBatchSharesNoRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		s, err := NewSnapshot(w)
		if err != nil {
			t.Fatal(err)
		}
		var reqs []Request
		for i := range rapid.IntRange(1, 6).Draw(t, "workloads") {
			req := drawRequest(t, w)
			req.Workload.Name = fmt.Sprintf("w%d", i)
			req.Placement.Failover.Tier = rapid.IntRange(0, 4).Draw(t, "tier")
			reqs = append(reqs, req)
		}
		decisions := PlaceAll(reqs, s)
		if again := PlaceAll(reqs, s); !reflect.DeepEqual(decisions, again) {
			t.Fatalf("a batch leaves something behind in the snapshot:\n%+v\n%+v", decisions, again)
		}
		taken := map[string]int64{}
		for i, d := range decisions {
			if d.Err != nil || d.Workload != reqs[i].Workload {
				t.Fatalf("request %d: %+v", i, d)
			}
			for _, m := range d.Members {
				taken[m.Member] += m.Replicas
			}
		}
		for i := range w.Members {
			if m := &w.Members[i]; taken[m.Spec.Name] > m.Facts.Free.Pods {
				t.Fatalf("%s has room for %d and gets %d", m.Spec.Name, m.Facts.Free.Pods, taken[m.Spec.Name])
			}
		}
	})
}
