// Package clusterset says what the exports of several members make together: one
// service, as the Multi-Cluster Services API (KEP-1645) merges them. Gateways answer by
// it, and agents write ServiceImports by it.
package clusterset

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// Service is what the exports of one service make together.
type Service struct {
	Type string // of the oldest export
	// Ports is the union of the exports' ports; where two differ under one name or number,
	// the oldest export is right. In the order of the exports' age.
	Ports []federation.Port
	// Conflicts are those that lost, oldest first.
	Conflicts []Conflict
}

// Conflict is one export that is not as an older one.
type Conflict struct {
	Member string
	Reason string // of the condition Conflict: TypeConflict, PortConflict
	Text   string // without the member: "port http 81 differs from the older http 80"
}

// String returns the conflict with the member that lost.
func (c Conflict) String() string { return c.Member + ": " + c.Text }

// Merge joins the exports of one service, at least one.
func Merge(exports []federation.Export) Service {
	byAge := slices.Clone(exports)
	slices.SortStableFunc(byAge, func(a, b federation.Export) int {
		return cmp.Or(a.ExportedAt.Compare(b.ExportedAt), cmp.Compare(a.Member, b.Member))
	})
	var out Service
	for _, e := range byAge {
		switch {
		case out.Type == "":
			out.Type = e.Type
		case out.Type != e.Type:
			out.Conflicts = append(out.Conflicts, Conflict{e.Member, "TypeConflict", fmt.Sprintf("type %s differs from the older %s", e.Type, out.Type)})
		}
		for _, p := range e.Ports {
			i := slices.IndexFunc(out.Ports, func(o federation.Port) bool { return Clash(o, p) })
			switch {
			case i < 0:
				out.Ports = append(out.Ports, p)
			case !Same(out.Ports[i], p):
				out.Conflicts = append(out.Conflicts, Conflict{e.Member, "PortConflict", fmt.Sprintf("port %s differs from the older %s", name(p), name(out.Ports[i]))})
			}
		}
	}
	return out
}

// Clash reports whether two ports cannot be ports of one Service side by side: a name
// stands for one port, and a number and protocol too.
func Clash(a, b federation.Port) bool {
	return a.Name == b.Name || a.Protocol == b.Protocol && a.Port == b.Port
}

// Same reports whether two ports are one to those who ask for the service.
func Same(a, b federation.Port) bool {
	return a.Name == b.Name && a.Protocol == b.Protocol && a.Port == b.Port
}

// name returns "http 80", for other protocols than TCP "dns 53/UDP".
func name(p federation.Port) string {
	text := fmt.Sprintf("%s %d", cmp.Or(p.Name, "(unnamed)"), p.Port)
	if p.Protocol != "" && p.Protocol != "TCP" {
		text += "/" + p.Protocol
	}
	return text
}
