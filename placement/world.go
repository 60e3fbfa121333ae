package placement

import "github.com/hansa-io/hansa/federation"

// World is everything about the federation that a decision may depend on.
type World struct {
	Members []Member
	// Assignments are the decisions in force. They say what runs where, for
	// stay, and where others run, for affinity.
	Assignments []federation.Assignment
	// Reservations are replicas that were decided but that no member's facts
	// count yet. The hub drops one when a report of the member shows the pods.
	Reservations []Reservation
	// External holds scores from outside by name ("cost", "carbon", "locality"),
	// then by member. Lower is better; the unit does not matter.
	External map[string]map[string]float64
	// RoundTrips holds measured round trips in ms between regions, in both
	// directions. Where there is none, the estimate of catalogue.Latency stands.
	RoundTrips map[string]map[string]float64
}

// Member is one member as the hub sees it at the time of the snapshot.
type Member struct {
	Spec   federation.MemberSpec
	Facts  federation.MemberFacts
	Health federation.Health
	// Masked is the reason why the member counts as lost although it is not: a
	// drill's fault mask, a simulated loss. Empty means that it is not masked.
	Masked string
}

// Reservation is room that is spoken for.
type Reservation struct {
	Workload   federation.Key
	Member     string
	Replicas   int64
	PerReplica federation.Resources
	// Tolerations of its pods, as those of a Demand.
	Tolerations []federation.Toleration
}

// standing says what a member may do for placement.
type standing uint8

const (
	open   standing = iota // takes replicas
	closed                 // keeps what it has, takes nothing new
	lost                   // gives away what it has
)

// standing of a member follows from its state:
//
//	Healthy                                     open
//	Joining, Suspect, Degraded, Returning,
//	Quarantined, Reconciling, or cordoned       closed
//	Unreachable, Fenced, draining, or masked    lost
func (m *Member) standing() standing {
	switch {
	case m.Masked != "", m.Spec.Draining, m.Spec.Leaving.Leaves(), m.Health == federation.Unreachable, m.Health == federation.Fenced:
		return lost
	case m.Health != federation.Healthy, m.Spec.Cordoned:
		return closed
	}
	return open
}
