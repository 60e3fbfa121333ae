package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestUnscheduledByMaker(t *testing.T) {
	controller := true
	made := func(kind, owner, hash string, status corev1.ConditionStatus, reason string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "p", Labels: map[string]string{templateHash: hash}}}
		if kind != "" {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "Node", Name: "x"}, {Kind: kind, Name: owner, Controller: &controller}}
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}, {Type: corev1.PodScheduled, Status: status, Reason: reason}}
		return p
	}
	for want, p := range map[string]*corev1.Pod{
		"Deployment shop/web":      made("ReplicaSet", "web-5d8f", "5d8f", corev1.ConditionFalse, corev1.PodReasonUnschedulable),
		"ReplicaSet shop/web-own":  made("ReplicaSet", "web-own", "other", corev1.ConditionFalse, corev1.PodReasonUnschedulable),
		"StatefulSet shop/db":      made("StatefulSet", "db", "", corev1.ConditionFalse, corev1.PodReasonUnschedulable),
		"Pod shop/p":               made("", "", "", corev1.ConditionFalse, corev1.PodReasonUnschedulable),
		"":                         made("Job", "j", "", corev1.ConditionTrue, ""),
		"nothing, it is gated yet": made("Job", "j", "", corev1.ConditionFalse, corev1.PodReasonSchedulingGated),
	} {
		kept, err := keepPod(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := indexUnscheduled(kept)
		if err != nil {
			t.Fatal(err)
		}
		waits := want != "" && want != "nothing, it is gated yet"
		if waits && (len(got) != 1 || got[0] != want) || !waits && len(got) > 0 {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestQuota(t *testing.T) {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop"}}
	q.Status.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("1500m"), "requests.memory": resource.MustParse("1Gi"), "pods": resource.MustParse("5")}
	q.Status.Used = corev1.ResourceList{"requests.cpu": resource.MustParse("200m")}
	kept, err := keepQuota(q)
	if err != nil {
		t.Fatal(err)
	}
	slimmed, ok := kept.(*corev1.ResourceQuota)
	if !ok {
		t.Fatalf("got a %T", kept)
	}
	got, ok := quota(slimmed)
	if !ok || got.Namespace != "shop" || got.Hard["requests.cpu"] != 1500 || got.Hard["requests.memory"] != 1<<30 || got.Hard["pods"] != 5 || got.Used["requests.cpu"] != 200 {
		t.Errorf("got %+v, %v", got, ok)
	}
	q.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	if _, ok := quota(q); ok {
		t.Error("a quota with a scope counts for every pod")
	}
}
