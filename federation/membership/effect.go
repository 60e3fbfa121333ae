package membership

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Effect is one thing to be done or known, in the order of the slice that Step
// returns. The transitions of members that were judged together are neighbours.
type Effect interface{ effect() }

// Transition: a member's health changed.
type Transition struct {
	Member string
	From   federation.Health
	To     federation.Health
	Record federation.HealthRecord
	// Withdrawn is set while the member's endpoints must not be in answers.
	Withdrawn bool
	// DwellFactor, at least 1, lengthens a dwell that nobody declared: evidence
	// was absent, or only one observer could look.
	DwellFactor float64
	// Evidence behind it, observer by observer.
	Evidence []federation.Evidence
	// Group is the set of members that fell together and are judged together,
	// sorted; nil when the member fell alone.
	Group []string
	// Domain is the failure domain that explains the group, "region=eu-central",
	// "zone=…", "provider=…" or "member=…"; empty when none does.
	Domain string
	// Goodbye is set when the member itself said that it stops.
	Goodbye bool
}

// Updated: a member's record changed, but not its health.
type Updated struct {
	Record    federation.HealthRecord
	Withdrawn bool
}

// AskProbe has each vantage ("hub" first, then members) look at the API server of
// Member, at its agent and at its ingress, all at once. What each sees within Timeout comes back as
// ProbeResult; from one that cannot be asked comes nothing.
type AskProbe struct {
	Member    string
	Vantages  []string
	IngressAt string // empty: it has none
	Timeout   time.Duration
}

// RealFault: a member fell silent underneath its mask. The drill must end.
type RealFault struct {
	Member    string
	Operation string
	Reason    string
}

// MaskEnded: nobody renewed the mask, so it ended.
type MaskEnded struct{ Operation string }

func (Transition) effect() {}
func (Updated) effect()    {}
func (AskProbe) effect()   {}
func (RealFault) effect()  {}
func (MaskEnded) effect()  {}
