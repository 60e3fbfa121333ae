package placement

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

// scene is a world in which some workloads run and others want to.
type scene struct {
	world   World
	running []Request
	asking  []Request
}

// drawScene lets workloads of random tiers and sizes fill a small world.
func drawScene(t *rapid.T) scene {
	s := scene{world: drawWorld(t)}
	for i := range s.world.Members {
		if rapid.IntRange(0, 3).Draw(t, "has quota") == 0 {
			s.world.Members[i].Facts.Quotas = []federation.Quota{{Namespace: "ns0", Free: map[string]int64{"pods": rapid.Int64Range(0, 4).Draw(t, "quota")}}}
		}
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "running") {
		s.running = append(s.running, drawTiered(t, fmt.Sprintf("run%d", i)))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "asking") {
		s.asking = append(s.asking, drawTiered(t, fmt.Sprintf("ask%d", i)))
	}
	snap, err := NewSnapshot(s.world)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range PlaceAll(s.running, snap) {
		s.running[i].Current = d.Members
		if d.Members == nil {
			s.running[i].Current = []federation.AssignedMember{}
		}
	}
	return s
}

func drawTiered(t *rapid.T, name string) Request {
	size := rapid.Int64Range(1, 2).Draw(t, "size")
	r := Request{
		Workload: federation.Key{Namespace: rapid.SampledFrom([]string{"ns0", "ns1"}).Draw(t, "namespace"), Name: name},
		Demand: Demand{
			Replicated: true, Replicas: rapid.Int64Range(1, 8).Draw(t, "replicas"),
			PerReplica: federation.Resources{MilliCPU: 100 * size, MemoryBytes: size << 20, Pods: 1},
		},
		Current: []federation.AssignedMember{},
	}
	r.Placement.Failover.Tier = rapid.IntRange(0, 4).Draw(t, "tier")
	r.Placement.Preemption = rapid.SampledFrom([]string{"", "Never", "LowerTiers"}).Draw(t, "preemption")
	if rapid.IntRange(0, 4).Draw(t, "once") == 0 {
		r.Placement.Failover.Continuity = federation.AtMostOne
	}
	return r
}

// snapshot shows what runs as reservations, as the hub does until members report it.
func (s scene) snapshot(t *rapid.T) *Snapshot {
	w := s.world
	for _, r := range s.running {
		w.Assignments = append(w.Assignments, federation.Assignment{Workload: r.Workload, Members: r.Current})
		for _, m := range r.Current {
			w.Reservations = append(w.Reservations, Reservation{Workload: r.Workload, Member: m.Member, Replicas: m.Replicas, PerReplica: r.Demand.PerReplica})
		}
	}
	snap, err := NewSnapshot(w)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

// carriedOut is the scene after the decisions.
func (s scene) carriedOut(all []Decision) scene {
	out := scene{world: s.world}
	for i, r := range slices.Concat(s.asking, s.running) {
		if all[i].Workload != (federation.Key{}) {
			r.Current = all[i].Members
		}
		if i < len(s.asking) {
			out.asking = append(out.asking, r)
		}
		out.running = append(out.running, r)
	}
	return out
}

// TestPreemption: nothing is taken from equals or better, nor from who runs once;
// nobody overfills; whoever lost has less than before only where the taker has
// more; and without leave to preempt it is PlaceAll.
func TestPreemption(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		snap := s.snapshot(t)
		all := PlaceAllPreempting(s.asking, s.running, snap)
		lowest := 5
		for _, r := range s.asking {
			if preempts(&r) {
				lowest = min(lowest, r.Placement.Failover.Tier)
			}
		}
		for i, r := range s.running {
			d := all[len(s.asking)+i]
			switch {
			case d.Workload == (federation.Key{}):
			case d.Preempted == "":
				t.Fatalf("%s was decided, and nothing says why", r.Workload)
			case r.Placement.Failover.Tier <= lowest, r.Placement.Failover.Continuity == federation.AtMostOne:
				t.Fatalf("%s, tier %d, %s: %s", r.Workload, r.Placement.Failover.Tier, r.Placement.Failover.Continuity, d.Preempted)
			}
		}
		after := s.carriedOut(all)
		after.check(t)
		if lowest == 5 {
			if plain := NewPlanner(snap).placeEach(s.asking); !reflect.DeepEqual(plain, all[:len(s.asking)]) {
				t.Fatalf("got %+v\nwant %+v", all, plain)
			}
		}
		if again := PlaceAllPreempting(s.asking, s.running, snap); !reflect.DeepEqual(again, all) {
			t.Fatalf("not the same again: %+v\n%+v", all, again)
		}
		shortBefore, shortAfter := int64(0), int64(0)
		for i, d := range NewPlanner(snap).placeEach(s.asking) {
			if tier := s.asking[i].Placement.Failover.Tier; tier == lowest {
				shortBefore, shortAfter = shortBefore+d.Unmet, shortAfter+all[i].Unmet
			}
		}
		if shortAfter > shortBefore {
			t.Fatalf("the first who may take are worse off: %d unmet, %d before", shortAfter, shortBefore)
		}
	})
}

// check wants nobody to have more than there is, counted by pods as sums: holes are
// nodes of their own, so the nodes' limits hold before somebody moves only.
func (s scene) check(t *rapid.T) {
	for i := range s.world.Members {
		m := &s.world.Members[i]
		var cpu int64
		quota := map[string]int64{}
		for _, r := range s.running {
			n := replicasIn(r.Current, m.Spec.Name)
			cpu += n * r.Demand.PerReplica.MilliCPU
			quota[r.Workload.Namespace] += n
		}
		if cpu > m.Facts.Free.MilliCPU {
			t.Fatalf("%s has %dm CPU, and %dm are given", m.Spec.Name, m.Facts.Free.MilliCPU, cpu)
		}
		for _, q := range m.Facts.Quotas {
			if quota[q.Namespace] > q.Free["pods"] {
				t.Fatalf("%s: quota of %s is %d, and %d are given", m.Spec.Name, q.Namespace, q.Free["pods"], quota[q.Namespace])
			}
		}
	}
}

// TestPreemptionSettles: deciding again in the world that shows the decisions takes
// nothing from anybody.
func TestPreemptionSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		s.asking = s.asking[:1]
		after := s.carriedOut(PlaceAllPreempting(s.asking, s.running, s.snapshot(t)))
		others := after.running[1:]
		for i, d := range PlaceAllPreempting(after.asking, others, after.snapshot(t)) {
			// A hole is counted as less than it may turn out to be, so it may get more.
			had := Decision{Members: after.running[i].Current}
			if i == 0 && d.replicas() < had.replicas() || d.Preempted != "" {
				t.Fatalf("%s has %v after %v; %s", d.Workload, d.Members, after.running[i].Current, d.Preempted)
			}
		}
	})
}
