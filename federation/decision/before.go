package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation/membership"
)

// Before is what a hub knew when its term began, from the time in which it listened.
type Before struct {
	// Heard says when members that were silent then were heard last: their silence
	// need not be measured anew.
	Heard map[string]time.Time
	// Hubs are the other hubs that it has heard.
	Hubs membership.Roster
}
