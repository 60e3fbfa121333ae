package kube

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/hansa-io/hansa/federation"
)

func nodeAt(name, address, kind string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{nodeKindLabel: kind}},
		Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
		},
	}
}

// TestIngress: the place is that of the first announced Service that has one outside of
// the cluster, and survives what the caches leave out.
func TestIngress(t *testing.T) {
	service := func(name, how string, edit func(*corev1.Service)) *corev1.Service {
		s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: name, Annotations: map[string]string{"other": "x"}}}
		if how != "" {
			s.Annotations[IngressAnnotation] = how
		}
		s.Spec.Ports = []corev1.ServicePort{{Protocol: corev1.ProtocolUDP, Port: 53, NodePort: 30053}, {Protocol: corev1.ProtocolTCP, Port: 80, NodePort: 30080}}
		edit(s)
		return s
	}
	none := func(*corev1.Service) {}
	balanced := func(ip, name string) func(*corev1.Service) {
		return func(s *corev1.Service) {
			s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip, Hostname: name}}
		}
	}
	nodes := []*corev1.Node{
		nodeAt("a", "10.9.9.9", simulatedKind, corev1.ConditionTrue), nodeAt("b", "10.0.0.2", "", corev1.ConditionFalse),
		nodeAt("d", "10.0.0.4", "", corev1.ConditionTrue), nodeAt("c", "10.0.0.3", "", corev1.ConditionTrue),
	}
	for _, c := range []struct {
		what     string
		nodes    []*corev1.Node
		services []*corev1.Service
		want     string
	}{
		{"nothing", nodes, nil, federation.NoIngress},
		{"nothing announced", nodes, []*corev1.Service{service("a", "", none)}, federation.NoIngress},
		{"a port of a node", nodes, []*corev1.Service{service("a", "tcp", none)}, "tcp://10.0.0.3:30080"},
		{"no node that runs anything", nodes[:2], []*corev1.Service{service("a", "tcp", none)}, federation.NoIngress},
		{"a path", nodes, []*corev1.Service{service("a", "/healthz", none)}, "http://10.0.0.3:30080/healthz"},
		{"a load balancer", nodes, []*corev1.Service{service("a", "tcp", balanced("192.0.2.1", ""))}, "tcp://192.0.2.1:80"},
		{"its name", nodes, []*corev1.Service{service("a", "/", balanced("", "lb.example"))}, "http://lb.example:80/"},
		{"version 6", nodes, []*corev1.Service{service("a", "tcp", balanced("2001:db8::1", ""))}, "tcp://[2001:db8::1]:80"},
		{"brought from outside", nodes, []*corev1.Service{service("a", "tcp", func(s *corev1.Service) { s.Spec.ExternalIPs = []string{"192.0.2.7"} })}, "tcp://192.0.2.7:80"},
		{"the first that has a place", nodes, []*corev1.Service{
			service("c", "tcp", balanced("192.0.2.3", "")), service("b", "tcp", balanced("192.0.2.2", "")),
			service("a", "tcp", func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] }),
		}, "tcp://192.0.2.2:80"},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := &Watch{nodes: informer(nil, "nodes", &corev1.Node{}, ""), svcs: informer(nil, "services", &corev1.Service{}, "")}
			if err := w.svcs.AddIndexers(cache.Indexers{announced: indexAnnounced}); err != nil {
				t.Fatal(err)
			}
			for _, n := range c.nodes {
				fill(t, w.nodes, keepNode, n)
			}
			for _, s := range c.services {
				fill(t, w.svcs, keepService, s)
			}
			if got := w.Ingress(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func fill(t *testing.T, cache cache.SharedIndexInformer, keep cache.TransformFunc, o any) {
	t.Helper()
	kept, err := keep(o)
	if err == nil {
		err = cache.GetIndexer().Add(kept)
	}
	if err != nil {
		t.Fatal(err)
	}
}
