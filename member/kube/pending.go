package kube

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-io/hansa/member/observe"
)

// The indexes of pods: those that the cluster's scheduler finds no node for, and all
// that do not run as they should, by the object that made them.
const (
	unscheduled = "unscheduled"
	troubled    = "troubled"
)

func indexUnscheduled(o any) ([]string, error) {
	return byMaker(o, func(p *pod) bool { return p.unscheduled })
}

func indexTroubled(o any) ([]string, error) {
	return byMaker(o, func(p *pod) bool { return p.trouble != "" })
}

func byMaker(o any, counts func(*pod) bool) ([]string, error) {
	p, ok := o.(*pod)
	if !ok || !counts(p) {
		return nil, nil
	}
	return []string{p.maker}, nil
}

func isUnscheduled(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

// templateHash is the label by which a ReplicaSet of a Deployment is named.
const templateHash = "pod-template-hash"

// makerOf names the object of a workload that a pod belongs to: its controller, or
// the Deployment behind it, which the controller's name tells.
func makerOf(p *corev1.Pod) string {
	c := metav1.GetControllerOf(p)
	if c == nil {
		return makerKey("Pod", p.Namespace, p.Name)
	}
	if hash := p.Labels[templateHash]; hash != "" && c.Kind == "ReplicaSet" {
		if name, ok := strings.CutSuffix(c.Name, "-"+hash); ok {
			return makerKey("Deployment", p.Namespace, name)
		}
	}
	return makerKey(c.Kind, p.Namespace, c.Name)
}

func makerKey(kind, namespace, name string) string { return kind + " " + namespace + "/" + name }

// Unscheduled counts the pods of the object that the cluster's scheduler finds no
// node for.
func (w *Watch) Unscheduled(r Ref) int64 {
	pods, err := w.pods.GetIndexer().IndexKeys(unscheduled, makerKey(r.Kind, r.Namespace, r.Name))
	if err != nil {
		return 0 // the index is not there yet
	}
	return int64(len(pods))
}

// quota reads a ResourceQuota; one with scopes does not bound every pod and is left
// out.
func quota(q *corev1.ResourceQuota) (observe.Quota, bool) {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
		return observe.Quota{}, false
	}
	return observe.Quota{Namespace: q.Namespace, Hard: amounts(q.Status.Hard), Used: amounts(q.Status.Used)}, true
}

func amounts(l corev1.ResourceList) map[string]int64 {
	out := make(map[string]int64, len(l))
	for name, q := range l {
		if strings.HasSuffix(string(name), "cpu") {
			out[string(name)] = q.MilliValue()
		} else {
			out[string(name)] = q.Value()
		}
	}
	return out
}

func keepQuota(o any) (any, error) {
	q, ok := o.(*corev1.ResourceQuota)
	if !ok {
		return o, nil
	}
	out := &corev1.ResourceQuota{ObjectMeta: slim(q.ObjectMeta), Status: q.Status}
	out.Spec.Scopes, out.Spec.ScopeSelector = q.Spec.Scopes, q.Spec.ScopeSelector
	return out, nil
}
