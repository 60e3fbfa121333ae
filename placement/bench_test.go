package placement

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// benchWorld has n members over 30 regions and 5 providers' worth of labels,
// each with three classes of four nodes, room for about 40 replicas a node.
func benchWorld(n int) World {
	places := []string{"ap-northeast", "eu-central", "us-east", "us-west", "eu-west", "eu-north", "ap-south", "ap-southeast", "sa-east", "af-south"}
	var w World
	for i := range n {
		region := places[i%len(places)]
		if k := i % 30 / len(places); k > 0 {
			region = fmt.Sprintf("%s-%d", region, k)
		}
		free := federation.Resources{MilliCPU: 14000 + int64(i%7)*300, MemoryBytes: 60 << 30, Pods: 100}
		class := federation.NodeClass{
			Nodes: 4, Allocatable: federation.Resources{MilliCPU: 16000, MemoryBytes: 64 << 30, Pods: 110},
			Free: []federation.Resources{free, free, free, free},
			Room: federation.Resources{MilliCPU: 4 * free.MilliCPU, MemoryBytes: 4 * free.MemoryBytes, Pods: 400},
		}
		w.Members = append(w.Members, Member{
			Spec: federation.MemberSpec{
				Name:   fmt.Sprintf("member-%05d", i),
				Place:  federation.Place{Region: region, Zone: fmt.Sprintf("%s-%d", region, i%3), Latitude: float64(i%120) - 60.5, Longitude: float64(i%300) - 150},
				Labels: map[string]string{"tier": []string{"gold", "silver", "bronze"}[i%3], "provider": "local"},
			},
			Facts: federation.MemberFacts{
				KubernetesVersion: "v1.37.2", Nodes: 12, NodesReady: 12,
				Allocatable: federation.Resources{MilliCPU: 192000, MemoryBytes: 768 << 30, Pods: 1320},
				Free:        federation.Resources{MilliCPU: 12 * free.MilliCPU, MemoryBytes: 12 * free.MemoryBytes, Pods: 1200},
				Classes:     []federation.NodeClass{class, class, class},
				Kinds:       []string{"apps/v1/Deployment", "v1/ConfigMap", "v1/Service"},
			},
			Health: federation.Healthy,
		})
	}
	return w
}

// measured reports the processor time of an operation beside the time on the
// wall, which other work on the machine makes longer.
func measured(b *testing.B) (done func()) {
	b.ReportAllocs()
	start := processorTime()
	return func() {
		spent := processorTime() - start
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchSnapshot(tb testing.TB, w World) *Snapshot {
	s, err := NewSnapshot(w)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// commonPolicy requires three regions, spreads over them, divides by capacity.
func commonPolicy() federation.PlacementSpec {
	return federation.PlacementSpec{
		Members: federation.MemberSelection{Required: &federation.LabelSelector{MatchExpressions: []federation.Requirement{
			{Key: "region", Operator: "In", Values: []string{"ap-northeast", "eu-central", "us-east"}},
		}}},
		Spread: []federation.SpreadConstraint{{By: "region", Min: 2, Max: 3, MaxSkew: 1}},
	}
}

func benchRequest(i int, p federation.PlacementSpec) Request {
	return Request{
		Workload:  federation.Key{Namespace: "load", Name: fmt.Sprintf("w%06d", i)},
		Placement: p,
		Demand: Demand{
			Kinds: []string{"apps/v1/Deployment"}, Replicated: true, Replicas: int64(3 + i%6),
			PerReplica: federation.Resources{MilliCPU: int64(10 + 10*(i%8)), MemoryBytes: 16 << 20},
		},
	}
}

// placeMany places b.N workloads one after the other with reservations, in a
// federation that is emptied after 20 for each member.
func placeMany(b *testing.B, members int, p federation.PlacementSpec) {
	s := benchSnapshot(b, benchWorld(members))
	reqs := make([]Request, 20*min(members, 1000))
	for i := range reqs {
		reqs[i] = benchRequest(i, p)
	}
	planner := NewPlanner(s)
	b.ResetTimer()
	defer measured(b)()
	for i := range b.N {
		if i%len(reqs) == 0 {
			planner.release()
		}
		req := &reqs[i%len(reqs)]
		d := planner.Place(*req)
		if d.Unmet > 0 || d.Err != nil {
			b.Fatal(d.Binding, d.Err)
		}
		planner.Reserve(*req, d)
	}
}

func BenchmarkCommonPolicy(b *testing.B) { placeMany(b, 1000, commonPolicy()) }

func BenchmarkNoPolicy(b *testing.B) { placeMany(b, 1000, federation.PlacementSpec{}) }

func BenchmarkLatencyAndAffinity(b *testing.B) {
	p := commonPolicy()
	p.Geo.Users = []federation.UserShare{{At: "tokyo", Share: 0.6}, {At: "frankfurt", Share: 0.4}}
	p.Members.Preferred = []federation.PreferredTerm{{Weight: 10, LabelSelector: federation.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}}
	placeMany(b, 1000, p)
}

func BenchmarkCurve(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) { placeMany(b, n, commonPolicy()) })
	}
}

// BenchmarkOneWorkload is one changed workload on a snapshot, with nothing
// prepared.
func BenchmarkOneWorkload(b *testing.B) {
	s := benchSnapshot(b, benchWorld(1000))
	req := benchRequest(1, commonPolicy())
	defer measured(b)()
	for b.Loop() {
		if d := Place(req, s); d.Unmet > 0 {
			b.Fatal(d.Binding)
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	s := benchSnapshot(b, benchWorld(1000))
	p := NewPlanner(s)
	req := benchRequest(1, commonPolicy())
	req.Explain = true
	defer measured(b)()
	for b.Loop() {
		if d := p.Place(req); d.InputsHash == "" {
			b.Fatal("no hash")
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	w := benchWorld(1000)
	defer measured(b)()
	for b.Loop() {
		benchSnapshot(b, w)
	}
}

// running places n workloads and returns the world in which they run.
func running(tb testing.TB, members, n int) (World, []Request) {
	w := benchWorld(members)
	reqs := make([]Request, n)
	for i := range reqs {
		reqs[i] = benchRequest(i, federation.PlacementSpec{Spread: commonPolicy().Spread})
	}
	for i, d := range PlaceAll(reqs, benchSnapshot(tb, w)) {
		if d.Unmet > 0 || d.Err != nil {
			tb.Fatal(d.Binding, d.Err)
		}
		w.Assignments = append(w.Assignments, federation.Assignment{Workload: reqs[i].Workload, Members: d.Members})
	}
	return w, reqs
}

// BenchmarkMemberLost places again the 1,000 workloads of one member of 1,000.
func BenchmarkMemberLost(b *testing.B) {
	w := benchWorld(1000)
	reqs := make([]Request, 1000)
	for i := range reqs {
		reqs[i] = benchRequest(i, federation.PlacementSpec{Spread: commonPolicy().Spread})
		reqs[i].Current = []federation.AssignedMember{
			{Member: "member-00000", Replicas: 2}, {Member: fmt.Sprintf("member-%05d", 1+i%999), Replicas: reqs[i].Demand.Replicas - 2},
		}
	}
	w.Members[0].Health = federation.Unreachable
	s := benchSnapshot(b, w)
	defer measured(b)()
	for b.Loop() {
		for _, d := range PlaceAll(reqs, s) {
			if d.Unmet > 0 || d.Err != nil {
				b.Fatal(d.Binding, d.Err)
			}
		}
	}
}

func BenchmarkReadiness(b *testing.B) {
	w, reqs := running(b, 1000, 100000)
	s := benchSnapshot(b, w)
	defer measured(b)()
	for b.Loop() {
		if r := Readiness(s, reqs); len(r.Scenarios) != 1030 {
			b.Fatal(len(r.Scenarios))
		}
	}
}

// BenchmarkReadinessEverywhere is the same for workloads of which each member has a
// copy.
func BenchmarkReadinessEverywhere(b *testing.B) {
	w := benchWorld(1000)
	reqs := make([]Request, 100)
	for i := range reqs {
		reqs[i] = benchRequest(i, federation.PlacementSpec{Replicas: federation.ReplicaSpec{Mode: "Duplicated"}})
		reqs[i].Demand = Demand{Kinds: []string{"v1/ConfigMap"}}
		a := federation.Assignment{Workload: reqs[i].Workload}
		for _, m := range w.Members {
			a.Members = append(a.Members, federation.AssignedMember{Member: m.Spec.Name})
		}
		w.Assignments = append(w.Assignments, a)
	}
	s := benchSnapshot(b, w)
	defer measured(b)()
	for b.Loop() {
		if r := Readiness(s, reqs); r.Score != 100 {
			b.Fatal(r.Scenarios[0])
		}
	}
}

// BenchmarkMemory is what a planner and its decisions hold for each placed workload.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	s := benchSnapshot(b, benchWorld(1000))
	reqs := make([]Request, n)
	for i := range reqs {
		reqs[i] = benchRequest(i, commonPolicy())
		reqs[i].Placement.Members = federation.MemberSelection{}
	}
	for b.Loop() {
		before := heapInUse()
		p := NewPlanner(s)
		decisions := p.placeAll(reqs, nil)
		b.ReportMetric(float64(heapInUse()-before)/n, "B/workload")
		runtime.KeepAlive(decisions)
		runtime.KeepAlive(p)
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
