package observe

import (
	"reflect"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

func cpu(milli int64) federation.Resources {
	return federation.Resources{MilliCPU: milli, MemoryBytes: 1 << 30, Pods: 10}
}

func TestFacts(t *testing.T) {
	f := Facts(Cluster{
		Version: "v1.37.2", Kinds: []string{"v1/Pod", "apps/v1/Deployment"},
		Nodes: []Node{
			{Name: "a", Ready: true, Schedulable: true, Class: "m", Kind: "simulated", Allocatable: cpu(4000)},
			{Name: "b", Ready: true, Schedulable: true, Class: "m", Kind: "simulated", Allocatable: cpu(4000)},
			{Name: "cordoned", Ready: true, Class: "m", Kind: "simulated", Allocatable: cpu(4000)},
			{Name: "dead", Schedulable: true, Class: "m", Kind: "simulated", Allocatable: cpu(4000)},
			{Name: "gpu", Ready: true, Schedulable: true, Class: "g", Kind: "simulated", Allocatable: federation.Resources{
				MilliCPU: 8000, MemoryBytes: 1 << 30, Pods: 10, Extended: map[string]int64{"nvidia.com/gpu": 2},
			}},
		},
		Pods: []Pod{
			{Node: "a", Requests: federation.Resources{MilliCPU: 1500}},
			{Node: "gpu", Requests: federation.Resources{MilliCPU: 9000, Extended: map[string]int64{"nvidia.com/gpu": 1}}},
			{Requests: federation.Resources{MilliCPU: 100}}, // waits for a node
		},
	})
	if f.Nodes != 5 || f.NodesReady != 4 || f.NodeKind != "simulated" || f.Kinds[0] != "apps/v1/Deployment" {
		t.Errorf("got %+v", f)
	}
	if f.Allocatable.MilliCPU != 16000 || f.Free.MilliCPU != 6500 || f.Free.Pods != 28 || f.Free.Extended["nvidia.com/gpu"] != 1 {
		t.Errorf("allocatable %+v, free %+v", f.Allocatable, f.Free)
	}
	if len(f.Classes) != 2 {
		t.Fatalf("classes %+v", f.Classes)
	}
	m := f.Classes[1]
	if m.Nodes != 2 || m.Free[0].MilliCPU != 4000 || m.Free[1].MilliCPU != 2500 || m.Room.MilliCPU != 6500 {
		t.Errorf("class %+v", m)
	}
	if !SameFacts(f, f) {
		t.Error("a report differs from itself")
	}
	changed := f
	changed.NodesReady--
	if SameFacts(f, changed) {
		t.Error("a node fewer is no difference")
	}
}

func TestQuotas(t *testing.T) {
	f := Facts(Cluster{Quotas: []Quota{
		{Namespace: "shop", Hard: map[string]int64{"requests.cpu": 2000, "pods": 10, "limits.cpu": 1, "services": 3}, Used: map[string]int64{"requests.cpu": 1500, "pods": 12}},
		{Namespace: "shop", Hard: map[string]int64{"cpu": 900, "requests.nvidia.com/gpu": 2}, Used: map[string]int64{"requests.nvidia.com/gpu": 1}},
		{Namespace: "batch", Hard: map[string]int64{"count/pods": 4}},
		{Namespace: "empty"},
	}})
	want := []federation.Quota{
		{Namespace: "batch", Free: map[string]int64{"pods": 4}},
		{Namespace: "shop", Free: map[string]int64{"cpu": 500, "pods": 0, "nvidia.com/gpu": 1}},
	}
	if !reflect.DeepEqual(f.Quotas, want) {
		t.Errorf("got %+v", f.Quotas)
	}
	if changed := Facts(Cluster{}); SameFacts(f, changed) {
		t.Error("quotas that are gone are no difference")
	}
}

// TestTaintedNodes: nodes with taints are classes of their own, told apart by their
// taints, which are no room for just any pod; and not told without end.
func TestTaintedNodes(t *testing.T) {
	gpu := []federation.Taint{{Key: "gpu", Effect: federation.NoSchedule}}
	c := Cluster{
		Nodes: []Node{
			{Name: "a", Ready: true, Schedulable: true, Class: "m", Allocatable: cpu(4000)},
			{Name: "b", Ready: true, Schedulable: true, Class: "m", Allocatable: cpu(4000), Taints: gpu},
			{Name: "c", Ready: true, Schedulable: true, Class: "m", Allocatable: cpu(4000), Taints: gpu},
			{Name: "cordoned", Ready: true, Class: "m", Allocatable: cpu(4000), Taints: gpu},
		},
		Pods: []Pod{{Node: "b", Requests: federation.Resources{MilliCPU: 500}}},
	}
	f := Facts(c)
	if f.Free.MilliCPU != 4000 || len(f.Classes) != 1 || f.Classes[0].Nodes != 1 || f.NodesReady != 4 {
		t.Errorf("of nodes without taints: %+v", f)
	}
	if len(f.Tainted) != 1 || f.Tainted[0].Nodes != 2 || f.Tainted[0].Room.MilliCPU != 7500 || !reflect.DeepEqual(f.Tainted[0].Taints, gpu) {
		t.Errorf("of nodes with taints: %+v", f.Tainted)
	}
	c.Nodes[1].Taints = nil
	if SameFacts(f, Facts(c)) {
		t.Error("a taint that is gone is no difference")
	}
	for i := range 40 {
		c.Nodes = append(c.Nodes, Node{Ready: true, Schedulable: true, Allocatable: cpu(1000), Taints: []federation.Taint{{Key: "own", Value: string(rune('a' + i)), Effect: federation.NoExecute}}})
	}
	c.Nodes = append(c.Nodes, c.Nodes[2])
	if f = Facts(c); len(f.Tainted) != maxTainted || f.Tainted[0].Nodes != 2 {
		t.Errorf("told are %d classes, the first with %d nodes", len(f.Tainted), f.Tainted[0].Nodes)
	}
}

func TestMixedNodes(t *testing.T) {
	f := Facts(Cluster{Nodes: []Node{{Name: "a", Kind: "simulated"}, {Name: "b"}}})
	if f.NodeKind != "mixed" || f.NodeKinds["simulated"] != 1 || f.NodeKinds["attached"] != 1 {
		t.Errorf("got %q and %v", f.NodeKind, f.NodeKinds)
	}
}

func TestExports(t *testing.T) {
	web, cart, out := federation.Key{Namespace: "shop", Name: "web"}, federation.Key{Namespace: "shop", Name: "cart"}, federation.Key{Namespace: "shop", Name: "out"}
	created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	got := Exports(
		[]ServiceExport{{Key: web, CreatedAt: created}, {Key: cart}, {Key: out}, {Key: federation.Key{Namespace: "shop", Name: "none"}}},
		[]Service{
			{Key: web, Ports: []ServicePort{{Name: "http", Protocol: "TCP", Port: 80}}},
			{Key: cart, Headless: true, Ports: []ServicePort{{Protocol: "TCP", Port: 90}}},
			{Key: out, External: true},
			{Key: federation.Key{Namespace: "shop", Name: "private"}},
		},
		[]Slice{
			{Service: web, Ports: []SlicePort{{Name: "http", Protocol: "TCP", Port: 8080}}, Endpoints: []federation.Endpoint{{Address: "10.0.0.2"}, {Address: "10.0.0.1"}}},
			{Service: web, Ports: []SlicePort{{Name: "http", Protocol: "TCP", Port: 8080}}, Endpoints: []federation.Endpoint{{Address: "10.0.0.2"}}},
		})
	if len(got) != 2 || got[0].Service != cart || got[0].Type != "Headless" || got[0].Ports[0].Target != 90 {
		t.Fatalf("got %+v", got)
	}
	w := got[1]
	if w.Type != "ClusterSetIP" || w.Ports[0].Target != 8080 || len(w.Endpoints) != 2 || w.Endpoints[0].Address != "10.0.0.1" || !w.ExportedAt.Equal(created) {
		t.Errorf("got %+v", w)
	}
	changed := w
	changed.Endpoints = changed.Endpoints[:1]
	if SameExport(w, changed) || !SameExport(w, w) {
		t.Error("SameExport is wrong")
	}
}

func BenchmarkFacts(b *testing.B) {
	var c Cluster
	for i := range 1000 {
		c.Nodes = append(c.Nodes, Node{Name: string(rune(i)), Ready: true, Schedulable: true, Allocatable: cpu(8000)})
	}
	for i := range 10000 {
		c.Pods = append(c.Pods, Pod{Node: string(rune(i % 1000)), Requests: federation.Resources{MilliCPU: 100}})
	}
	for b.Loop() {
		Facts(c)
	}
}
