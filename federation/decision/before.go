package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation/membership"
)

// Listened comes before the last Synced: what this hub has heard until now.
type Listened struct{ Before Before }

func (Listened) event() {}

// Before is what a hub knows from the time in which it did not lead.
type Before struct {
	// Heard says when members that were silent then were heard last: their silence
	// need not be measured anew.
	Heard map[string]time.Time
	// Hubs are the other hubs that it has heard.
	Hubs membership.Roster
}
