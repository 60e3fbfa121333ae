package kube

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/observe"
)

// The labels that nodes say of themselves.
const (
	instanceTypeLabel = "node.kubernetes.io/instance-type"
	zoneLabel         = "topology.kubernetes.io/zone"
	nodeKindLabel     = "hansa.io/node-kind"
	kwokTypeLabel     = "type" // "kwok" on simulated nodes
)

// Cluster is the present capacity; the caller adds Version and Kinds.
func (w *Watch) Cluster() observe.Cluster {
	var c observe.Cluster
	for _, o := range w.nodes.GetStore().List() {
		if n, ok := o.(*corev1.Node); ok {
			c.Nodes = append(c.Nodes, node(n))
		}
	}
	for _, o := range w.pods.GetStore().List() {
		if p, ok := o.(*pod); ok && !p.ended {
			c.Pods = append(c.Pods, observe.Pod{Node: p.node, Requests: p.requests})
		}
	}
	for _, o := range w.quotas.GetStore().List() {
		if q, ok := o.(*corev1.ResourceQuota); ok {
			if counted, plain := quota(q); plain {
				c.Quotas = append(c.Quotas, counted)
			}
		}
	}
	return c
}

// Nodes counts all nodes and those that are ready.
func (w *Watch) Nodes() (all, ready int64) {
	for _, o := range w.nodes.GetStore().List() {
		if n, ok := o.(*corev1.Node); ok {
			all++
			if isReady(n) {
				ready++
			}
		}
	}
	return all, ready
}

// Exports are the present exports of the cluster.
func (w *Watch) Exports() []federation.Export {
	return observe.Exports(
		list(w.exports, serviceExport), list(w.svcs, service), list(w.slices, slice))
}

func list[T, O any](informer cache.SharedIndexInformer, convert func(O) T) []T {
	var out []T
	for _, o := range informer.GetStore().List() {
		if v, ok := o.(O); ok {
			out = append(out, convert(v))
		}
	}
	return out
}

func node(n *corev1.Node) observe.Node {
	return observe.Node{
		Name: n.Name, Ready: isReady(n), Schedulable: !n.Spec.Unschedulable, Taints: taints(n), Class: n.Labels[instanceTypeLabel],
		Kind: kindOf(n), Zone: n.Labels[zoneLabel], Allocatable: resources(n.Status.Allocatable),
	}
}

// simulatedKind is the kind of nodes that run nothing.
const simulatedKind = "simulated"

func kindOf(n *corev1.Node) string {
	kind := n.Labels[nodeKindLabel]
	if kind == "" && n.Labels[kwokTypeLabel] == "kwok" {
		kind = simulatedKind
	}
	return kind
}

// taints are those that keep pods away from the node which do not tolerate them.
func taints(n *corev1.Node) []federation.Taint {
	var out []federation.Taint
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute {
			out = append(out, federation.Taint{Key: t.Key, Value: t.Value, Effect: federation.TaintEffect(t.Effect)})
		}
	}
	slices.SortFunc(out, func(a, b federation.Taint) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value), strings.Compare(string(a.Effect), string(b.Effect)))
	})
	return out
}

func isReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func resources(l corev1.ResourceList) federation.Resources {
	var r federation.Resources
	for name, q := range l {
		switch name {
		case corev1.ResourceCPU:
			r.MilliCPU = q.MilliValue()
		case corev1.ResourceMemory:
			r.MemoryBytes = q.Value()
		case corev1.ResourcePods:
			r.Pods = q.Value()
		case corev1.ResourceEphemeralStorage, corev1.ResourceStorage:
		default:
			r.Extended = extended(r.Extended, string(name), q)
		}
	}
	return r
}

func extended(m map[string]int64, name string, q resource.Quantity) map[string]int64 {
	if m == nil {
		m = map[string]int64{}
	}
	m[name] = q.Value()
	return m
}

func service(s *corev1.Service) observe.Service {
	out := observe.Service{
		Key:      federation.Key{Namespace: s.Namespace, Name: s.Name},
		Headless: s.Spec.ClusterIP == corev1.ClusterIPNone, External: s.Spec.Type == corev1.ServiceTypeExternalName,
	}
	for _, p := range s.Spec.Ports {
		out.Ports = append(out.Ports, observe.ServicePort{
			Name: p.Name, Protocol: string(p.Protocol), Port: p.Port, AppProtocol: deref(p.AppProtocol),
		})
	}
	return out
}

func slice(s *discoveryv1.EndpointSlice) observe.Slice {
	out := observe.Slice{Service: federation.Key{Namespace: s.Namespace, Name: s.Labels[discoveryv1.LabelServiceName]}}
	for _, p := range s.Ports {
		out.Ports = append(out.Ports, observe.SlicePort{Name: deref(p.Name), Protocol: string(deref(p.Protocol)), Port: deref(p.Port)})
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		for _, address := range e.Addresses {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			out.Endpoints = append(out.Endpoints, federation.Endpoint{
				Address: address, Ready: ready, Terminating: deref(e.Conditions.Terminating),
				Serving: e.Conditions.Serving == nil && ready || deref(e.Conditions.Serving),
				Zone:    deref(e.Zone), Node: deref(e.NodeName), Hostname: deref(e.Hostname),
			})
		}
	}
	return out
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func serviceExport(u *unstructured.Unstructured) observe.ServiceExport {
	return observe.ServiceExport{
		Key: federation.Key{Namespace: u.GetNamespace(), Name: u.GetName()}, CreatedAt: u.GetCreationTimestamp().Time,
	}
}

// What follows keeps of each object only what is read above.

func slim(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, Labels: m.Labels, ResourceVersion: m.ResourceVersion, UID: m.UID}
}

func keepNode(o any) (any, error) {
	n, ok := o.(*corev1.Node)
	if !ok {
		return o, nil
	}
	out := &corev1.Node{ObjectMeta: slim(n.ObjectMeta)}
	out.Spec.Unschedulable, out.Spec.Taints = n.Spec.Unschedulable, n.Spec.Taints
	out.Status.Allocatable = n.Status.Allocatable
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			out.Status.Addresses = append(out.Status.Addresses, a)
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return out, nil
}

func keepService(o any) (any, error) {
	s, ok := o.(*corev1.Service)
	if !ok {
		return o, nil
	}
	out := &corev1.Service{ObjectMeta: slim(s.ObjectMeta)}
	out.Spec.ClusterIP, out.Spec.Type, out.Spec.Ports = s.Spec.ClusterIP, s.Spec.Type, s.Spec.Ports
	if how := s.Annotations[IngressAnnotation]; how != "" {
		out.Annotations = map[string]string{IngressAnnotation: how}
		out.Spec.ExternalIPs, out.Status.LoadBalancer = s.Spec.ExternalIPs, s.Status.LoadBalancer
	}
	return out, nil
}

func keepSlice(o any) (any, error) {
	s, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return o, nil
	}
	return &discoveryv1.EndpointSlice{ObjectMeta: slim(s.ObjectMeta), Endpoints: s.Endpoints, Ports: s.Ports}, nil
}

func dropManagedFields(o any) (any, error) {
	if m, ok := o.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return o, nil
}
