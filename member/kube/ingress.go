package kube

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/hansa-io/hansa/federation"
)

// IngressAnnotation on a Service says that users come to the cluster through it. Its value
// is "tcp", or the path that it answers over HTTP, "/healthz"; its first TCP port counts.
const IngressAnnotation = "hansa.io/ingress"

// announced is the index of the Services with that annotation.
const announced = "announced"

func indexAnnounced(o any) ([]string, error) {
	if s, ok := o.(*corev1.Service); ok && s.Annotations[IngressAnnotation] != "" {
		return []string{announced}, nil
	}
	return nil, nil
}

// Ingress is where others reach the cluster as its users do, as in a federation.Beat: that
// of the first announced Service, by namespace and name, that has an address outside of
// the cluster. The caches must be filled.
func (w *Watch) Ingress() string {
	found, err := w.svcs.GetIndexer().ByIndex(announced, announced)
	if err != nil { // the index is there from the start
		return federation.NoIngress
	}
	var services []*corev1.Service
	for _, o := range found {
		if s, ok := o.(*corev1.Service); ok {
			services = append(services, s)
		}
	}
	slices.SortFunc(services, func(a, b *corev1.Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, s := range services {
		if host, port := w.outside(s); host != "" {
			return place(s.Annotations[IngressAnnotation], net.JoinHostPort(host, strconv.Itoa(int(port))))
		}
	}
	return federation.NoIngress
}

func place(how, address string) string {
	if strings.HasPrefix(how, "/") {
		return "http://" + address + how
	}
	return "tcp://" + address
}

// outside is the address of a Service outside of its cluster: its load balancer's, one
// that somebody else brings to it, or a port of a node. Without one the host is empty.
func (w *Watch) outside(s *corev1.Service) (host string, port int32) {
	at := slices.IndexFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Protocol == corev1.ProtocolTCP || p.Protocol == "" })
	if at < 0 {
		return "", 0
	}
	p := s.Spec.Ports[at]
	for _, b := range s.Status.LoadBalancer.Ingress {
		if host := cmp.Or(b.IP, b.Hostname); host != "" {
			return host, p.Port
		}
	}
	switch {
	case len(s.Spec.ExternalIPs) > 0:
		return s.Spec.ExternalIPs[0], p.Port
	case p.NodePort != 0:
		return w.nodeAddress(), p.NodePort
	}
	return "", 0
}

// nodeAddress is that of the first node that is ready, by name, and runs containers.
func (w *Watch) nodeAddress() string {
	var first *corev1.Node
	for _, o := range w.nodes.GetStore().List() {
		n, ok := o.(*corev1.Node)
		if ok && isReady(n) && kindOf(n) != simulatedKind && len(n.Status.Addresses) > 0 && (first == nil || n.Name < first.Name) {
			first = n
		}
	}
	if first == nil {
		return ""
	}
	return first.Status.Addresses[0].Address
}
