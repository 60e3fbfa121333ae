package cli

import (
	"fmt"
	"strings"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

var services = kind[*gatewayv1.Service]{
	name:       "service",
	argument:   "NS/NAME",
	short:      "Exported services of the clusterset, and who serves them",
	namespaced: true,
	fetch: func(c call, q query) ([]*gatewayv1.Service, string, error) {
		answer, err := c.Discovery.ListServices(c.cmd.Context(), &gatewayv1.ListServicesRequest{Namespace: q.namespace})
		return answer.GetItems(), "", err
	},
	key: func(s *gatewayv1.Service) string {
		return s.GetMetadata().GetNamespace() + "/" + s.GetMetadata().GetName()
	},
	tree: func(s *gatewayv1.Service) object { return treeOf(s) },
	columns: []column[*gatewayv1.Service]{
		{name: "SERVICE", cell: func(s *gatewayv1.Service) string {
			return s.GetMetadata().GetNamespace() + "/" + s.GetMetadata().GetName()
		}},
		{name: "TYPE", cell: func(s *gatewayv1.Service) string { return or(s.GetStatus().GetType(), none) }},
		{name: "PORTS", cell: servicePorts},
		{name: "READY", cell: serviceReady},
		{name: "MEMBERS", cell: serviceMembers},
		{name: "NOTE", cell: func(s *gatewayv1.Service) string { return strings.Join(s.GetStatus().GetConflicts(), "; ") }},
	},
}

// servicePorts is "http:80/TCP,9090/TCP".
func servicePorts(s *gatewayv1.Service) string {
	var out []string
	for _, p := range s.GetStatus().GetPorts() {
		text := fmt.Sprintf("%d/%s", p.GetPort(), or(p.GetProtocol(), "TCP"))
		if p.GetName() != "" {
			text = p.GetName() + ":" + text
		}
		out = append(out, text)
	}
	return or(strings.Join(out, ","), none)
}

// serviceReady counts the endpoints that answers may have, of all that are known.
func serviceReady(s *gatewayv1.Service) string {
	var ready, all int32
	for _, m := range s.GetStatus().GetMembers() {
		all += m.GetEndpoints()
		if !m.GetWithdrawn() {
			ready += m.GetReady()
		}
	}
	return fmt.Sprintf("%d/%d", ready, all)
}

// serviceMembers is "tokyo:2/2,frankfurt:withdrawn".
func serviceMembers(s *gatewayv1.Service) string {
	var out []string
	for _, m := range s.GetStatus().GetMembers() {
		share := fmt.Sprintf("%d/%d", m.GetReady(), m.GetEndpoints())
		if m.GetWithdrawn() {
			share = "withdrawn"
		}
		out = append(out, m.GetMember()+":"+share)
	}
	return or(strings.Join(out, ","), none)
}
