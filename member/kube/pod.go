package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-io/hansa/federation"
)

// pod is what is kept of a pod: what is asked of it, and no more, as a member may have
// tens of thousands.
type pod struct {
	metav1.ObjectMeta // names and version
	node              string
	ended             bool // it needs no room any more
	requests          federation.Resources
	maker             string // see makerOf
	unscheduled       bool
	trouble           string // see troubleOf
}

func keepPod(o any) (any, error) {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return o, nil
	}
	out := &pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, ResourceVersion: p.ResourceVersion},
		node:       p.Spec.NodeName, requests: requests(p), maker: makerOf(p), unscheduled: isUnscheduled(p), trouble: troubleOf(p),
	}
	out.ended = p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	return out, nil
}

// requests is what the pod occupies: the sum of its containers, or the largest of
// its init containers where that is more, plus overhead.
func requests(p *corev1.Pod) federation.Resources {
	sum := corev1.ResourceList{}
	for i := range p.Spec.Containers {
		addTo(sum, p.Spec.Containers[i].Resources.Requests)
	}
	for i := range p.Spec.InitContainers {
		c := &p.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			addTo(sum, c.Resources.Requests)
			continue
		}
		for name, q := range c.Resources.Requests {
			if have := sum[name]; have.Cmp(q) < 0 {
				sum[name] = q
			}
		}
	}
	addTo(sum, p.Spec.Overhead)
	return resources(sum)
}

func addTo(sum, more corev1.ResourceList) {
	for name, q := range more {
		have := sum[name]
		have.Add(q)
		sum[name] = have
	}
}
