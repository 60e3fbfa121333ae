package membership

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// The names of the truth table, as stored in HealthRecord.Verdict.
const (
	NameHealthy     = "Healthy"
	NameBusLost     = "BusLost"
	NameAPIDown     = "APIDown"
	NameIngressDown = "IngressDown"
	NameMgmtLost    = "MgmtLost"
	NameDegraded    = "Degraded"
	NameUnreachable = "Unreachable"
	NamePathFault   = "PathFault"
	NameCommandLost = "CommandLost"
	NameHubIsolated = "HubIsolated"
)

// edges lists every change of health that exists.
var edges = map[federation.Health][]federation.Health{
	federation.Joining:     {federation.Healthy},
	federation.Healthy:     {federation.Suspect, federation.Degraded, federation.Unreachable},
	federation.Suspect:     {federation.Healthy, federation.Degraded, federation.Unreachable},
	federation.Degraded:    {federation.Healthy, federation.Suspect, federation.Unreachable},
	federation.Unreachable: {federation.Fenced, federation.Returning},
	federation.Fenced:      {federation.Returning},
	federation.Returning:   {federation.Quarantined, federation.Unreachable},
	federation.Quarantined: {federation.Reconciling, federation.Returning, federation.Unreachable},
	federation.Reconciling: {federation.Healthy, federation.Returning, federation.Unreachable},
}

// MayFollow reports whether a member's health may change from one to the other.
func MayFollow(from, to federation.Health) bool { return slices.Contains(edges[from], to) }

// Withdrawn reports whether the endpoints of a member must not be in answers: it
// is lost, not yet back, or its data plane does not answer.
func Withdrawn(r federation.HealthRecord) bool {
	switch r.Health {
	case federation.Healthy, federation.Suspect:
		return false
	case federation.Degraded:
		return r.Verdict == NameIngressDown || r.Verdict == NameDegraded
	}
	return true
}

// returning reports whether the member is between Unreachable and Healthy.
func returning(h federation.Health) bool {
	return h == federation.Returning || h == federation.Quarantined || h == federation.Reconciling
}

// lost reports whether the verdict is in.
func lost(h federation.Health) bool { return h == federation.Unreachable || h == federation.Fenced }

// nameOfBeating is the row of a member whose beats arrive.
func nameOfBeating(api, ingress federation.Signal, deaf bool) string {
	switch {
	case api == federation.Red && ingress == federation.Red:
		return NameDegraded
	case api == federation.Red:
		return NameAPIDown
	case ingress == federation.Red:
		return NameIngressDown
	case deaf:
		return NameCommandLost
	}
	return NameHealthy
}

// healthOfBeating is the state that goes with a row of nameOfBeating.
func healthOfBeating(name string) federation.Health {
	if name == NameHealthy {
		return federation.Healthy
	}
	return federation.Degraded
}
