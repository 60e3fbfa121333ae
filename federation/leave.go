package federation

import "time"

// Remains says what becomes of the objects that Hansa made in a cluster that leaves.
type Remains string

// What may become of them.
const (
	Retain Remains = "retain" // they stay, without Hansa's marks
	Delete Remains = "delete" // exactly those in the inventory go
)

// Leaving says that a member leaves the federation, and how; the zero value says that it
// stays. It stands in the member's record until the agent has done its part, however long
// that takes.
type Leaving struct {
	Remains Remains   `json:"remains,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Force: also what finds no place elsewhere is given up.
	Force bool `json:"force,omitempty"`
	// Told: the agent may have been told to let go of the cluster, which it brings to its
	// end; from then on it is too late to stay.
	Told bool `json:"told,omitempty"`
	// Done: the agent has done its part in the cluster.
	Done bool `json:"done,omitempty"`
}

// Leaves reports whether the member leaves.
func (l Leaving) Leaves() bool { return l.Remains != "" }

// LeaveOrder tells an agent to let go of its cluster. It is repeated until the agent has
// reported that it did.
type LeaveOrder struct {
	Member    string
	ClusterID string
	Remains   Remains
}

// LeaveReport tells how far an agent has come with a LeaveOrder.
type LeaveReport struct {
	Member    string
	ClusterID string
	Done      bool
	Waits     string // for what, if it is not done and something holds it up
}
