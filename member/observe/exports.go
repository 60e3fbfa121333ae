package observe

import (
	"cmp"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Service is what matters of a Service.
type Service struct {
	Key      federation.Key
	Headless bool
	External bool // type ExternalName: cannot be exported
	Ports    []ServicePort
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name        string
	Protocol    string
	Port        int32
	AppProtocol string
}

// Slice is what matters of an EndpointSlice.
type Slice struct {
	Service   federation.Key
	Ports     []SlicePort
	Endpoints []federation.Endpoint
}

// SlicePort is a port that the endpoints of a slice listen on.
type SlicePort struct {
	Name     string
	Protocol string
	Port     int32
}

// ServiceExport is what matters of a ServiceExport.
type ServiceExport struct {
	Key       federation.Key
	CreatedAt time.Time
}

// Exports joins ServiceExports with their Services and EndpointSlices, sorted by
// service. An export without a Service, or of one that cannot be exported, is
// left out, as the Multi-Cluster Services API demands. Member, Incarnation,
// Sequence and ObservedAt are the caller's to set.
func Exports(exports []ServiceExport, services []Service, endpointSlices []Slice) []federation.Export {
	byKey := map[federation.Key]Service{}
	for _, s := range services {
		byKey[s.Key] = s
	}
	bySlice := map[federation.Key][]Slice{}
	for _, s := range endpointSlices {
		bySlice[s.Service] = append(bySlice[s.Service], s)
	}
	var out []federation.Export
	for _, e := range exports {
		service, ok := byKey[e.Key]
		if !ok || service.External {
			continue
		}
		out = append(out, export(e, service, bySlice[e.Key]))
	}
	slices.SortFunc(out, func(a, b federation.Export) int { return a.Service.Compare(b.Service) })
	return out
}

func export(e ServiceExport, s Service, parts []Slice) federation.Export {
	out := federation.Export{Service: e.Key, Type: "ClusterSetIP", ExportedAt: e.CreatedAt}
	if s.Headless {
		out.Type = "Headless"
	}
	for _, p := range s.Ports {
		out.Ports = append(out.Ports, federation.Port{
			Name: p.Name, Protocol: p.Protocol, Port: p.Port, Target: target(p, parts), AppProtocol: p.AppProtocol,
		})
	}
	seen := map[string]bool{}
	for _, part := range parts {
		for _, ep := range part.Endpoints {
			if !seen[ep.Address] {
				seen[ep.Address] = true
				out.Endpoints = append(out.Endpoints, ep)
			}
		}
	}
	slices.SortFunc(out.Endpoints, func(a, b federation.Endpoint) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

// target is the port that endpoints listen on; the service's own while there is
// no endpoint.
func target(p ServicePort, parts []Slice) int32 {
	for _, part := range parts {
		for _, sp := range part.Ports {
			if sp.Name == p.Name && sp.Protocol == p.Protocol && sp.Port != 0 {
				return sp.Port
			}
		}
	}
	return p.Port
}

// SameExport reports whether two reports of one service say the same, whenever
// they were taken.
func SameExport(a, b federation.Export) bool {
	return a.Type == b.Type && a.ExportedAt.Equal(b.ExportedAt) && a.Removed == b.Removed &&
		slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
}
