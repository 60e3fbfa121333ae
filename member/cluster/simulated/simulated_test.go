package simulated

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"

	"github.com/hansa-io/hansa/member/cluster/config"
)

func newNodes(t *testing.T, count int) (*Nodes, []*corev1.Node, *addresses) {
	t.Helper()
	cfg := config.Config{
		Name:    "tokyo",
		DataDir: "/unused",
		Place:   config.Place{Region: "ap-northeast", Zone: "ap-northeast-1a"},
		PodCIDR: "10.9.0.0/16",
		Nodes:   config.Nodes{Count: count, CPU: "8", Memory: "32Gi", Pods: 50},
	}.Complete()
	nodes, err := New(Options{Config: cfg, Version: "v1.37.2"})
	if err != nil {
		t.Fatal(err)
	}
	wanted, source := nodes.plan()
	return nodes, wanted, source
}

func TestPlan(t *testing.T) {
	_, nodes, _ := newNodes(t, 4)
	var zones, addresses []string
	for _, node := range nodes {
		zones = append(zones, node.Labels[corev1.LabelTopologyZone])
		addresses = append(addresses, node.Status.Addresses[0].Address)
	}
	if want := []string{"ap-northeast-1a", "ap-northeast-1b", "ap-northeast-1c", "ap-northeast-1a"}; !slices.Equal(zones, want) {
		t.Errorf("zones %v, want %v", zones, want)
	}
	if want := []string{"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"}; !slices.Equal(addresses, want) {
		t.Errorf("addresses %v, want %v", addresses, want)
	}
	last := nodes[3]
	if last.Name != "tokyo-node-3" || last.Labels[LabelNodeKind] != NodeKind || last.Annotations[annotationKwok] != "fake" {
		t.Errorf("got %s with %v and %v", last.Name, last.Labels, last.Annotations)
	}
	resources := last.Status.Allocatable
	if resources.Cpu().String() != "8" || resources.Memory().String() != "32Gi" || resources.Pods().Value() != 50 {
		t.Errorf("got %v", resources)
	}
}

// TestPlanBesideContainerd: the numbers go on after those of the containerd nodes, the
// addresses are in the other half of the range, and a taint keeps pods away.
func TestPlanBesideContainerd(t *testing.T) {
	cfg := config.Config{
		Name: "tokyo", DataDir: "/unused", PodCIDR: "10.9.0.0/16",
		Nodes: config.Nodes{Kind: config.KindContainerd, Count: 2, Simulated: 3},
	}.Complete()
	nodes, err := New(Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	wanted, source := nodes.plan()
	first := wanted[0]
	if len(wanted) != 3 || first.Name != "tokyo-node-2" || first.Status.Addresses[0].Address != "10.9.128.1" {
		t.Errorf("%d nodes, the first is %s with %v", len(wanted), first.Name, first.Status.Addresses)
	}
	if len(first.Spec.Taints) != 1 || first.Spec.Taints[0].ToString() != "kwok.x-k8s.io/node=fake:NoSchedule" {
		t.Errorf("taints %v", first.Spec.Taints)
	}
	if got, err := source.podIPs("tokyo-node-2", false, "uid"); err != nil || got[0] != "10.9.128.4" {
		t.Errorf("first pod: %v, %v", got, err)
	}
}

// TestStages notices when an upgrade of kwok changes what it ships.
func TestStages(t *testing.T) {
	stages, err := loadStages()
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string][]string{
		"Node": {"node-initialize", "node-heartbeat-with-lease"},
		"Pod":  {"pod-ready", "pod-complete", "pod-delete"},
	} {
		var got []string
		for _, stage := range stages[internalversion.StageResourceRef{APIGroup: "v1", Kind: kind}] {
			got = append(got, stage.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
	}
}

func pod(uid, address string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)},
		Status:     corev1.PodStatus{PodIP: address},
	}
}

// TestAddresses plays a restart: pods that are known by their status keep their
// addresses, and new ones get others.
func TestAddresses(t *testing.T) {
	_, _, source := newNodes(t, 2)
	source.mark(pod("old", "10.9.0.3"))
	source.mark(pod("foreign", "192.0.2.1"))
	source.mark(pod("new", ""))
	ask := func(uid string, hostNetwork bool) string {
		t.Helper()
		got, err := source.podIPs("tokyo-node-1", hostNetwork, uid, "name", "namespace")
		if err != nil || len(got) != 1 {
			t.Fatalf("got %v, %v", got, err)
		}
		return got[0]
	}
	for _, step := range []struct {
		uid         string
		hostNetwork bool
		want        string
	}{
		{"old", false, "10.9.0.3"},
		{"new", false, "10.9.0.4"},
		{"new", false, "10.9.0.4"},
		{"daemon", true, "10.9.0.2"},
		{"foreign", false, "10.9.0.5"},
	} {
		if got := ask(step.uid, step.hostNetwork); got != step.want {
			t.Errorf("%s: got %s, want %s", step.uid, got, step.want)
		}
	}
	source.free(cache.DeletedFinalStateUnknown{Obj: pod("old", "10.9.0.3")})
	if !source.pool.Mark("another", netip.MustParseAddr("10.9.0.3")) {
		t.Error("the address of a deleted pod is still taken")
	}
	if _, err := source.podIPs("tokyo-node-1", false); err == nil {
		t.Error("a pod without uid got an address")
	}
}

func TestSlimKeepsWhatAddressesRead(t *testing.T) {
	full := pod("a", "10.9.0.3")
	full.Spec.HostNetwork = true
	full.Spec.Containers = []corev1.Container{{Name: "main"}}
	object, err := slim(full)
	if err != nil {
		t.Fatal(err)
	}
	got := object.(*corev1.Pod)
	if got.UID != "a" || got.Status.PodIP != "10.9.0.3" || !got.Spec.HostNetwork || got.Spec.Containers != nil {
		t.Fatalf("got %+v", got)
	}
	if kept, err := slim("other"); kept != "other" || err != nil {
		t.Fatalf("got %v, %v", kept, err)
	}
}
