package kube

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-io/hansa/federation"
)

// TestTaints: a taint that only makes a node less liked keeps no pod away, and the order
// of the others says nothing.
func TestTaints(t *testing.T) {
	n := &corev1.Node{Spec: corev1.NodeSpec{Taints: []corev1.Taint{
		{Key: "spot", Value: "yes", Effect: corev1.TaintEffectNoExecute},
		{Key: "gpu", Effect: corev1.TaintEffectNoSchedule},
		{Key: "old", Effect: corev1.TaintEffectPreferNoSchedule},
	}}}
	want := []federation.Taint{{Key: "gpu", Effect: federation.NoSchedule}, {Key: "spot", Value: "yes", Effect: federation.NoExecute}}
	if got := node(n); !got.Schedulable || !reflect.DeepEqual(got.Taints, want) {
		t.Errorf("got %+v", got)
	}
	n.Spec.Unschedulable = true
	if node(n).Schedulable {
		t.Error("a cordoned node is schedulable")
	}
}
