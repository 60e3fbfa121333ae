package federation

// SimulationRequest asks where everything would go if the world changed.
type SimulationRequest struct {
	// Lose lists the scopes whose members are gone (member, zone, region).
	Lose []Scope `json:"lose,omitempty"`
	// Scale sets the replicas of workloads.
	Scale map[Key]int64 `json:"scale,omitempty"`
	// Add lists members that would be there as well.
	Add []MemberSpec `json:"add,omitempty"`
	// AddFacts are the facts of the added members, by the same index.
	AddFacts []MemberFacts `json:"addFacts,omitempty"`
	// Policies replaces the placement of existing workloads.
	Policies map[Key]PlacementSpec `json:"policies,omitempty"`
}

// Simulation is the answer: computed by the engine that decides, on the
// snapshot the hub decides on, and carried out by nobody.
type Simulation struct {
	Moves []Move  `json:"moves"` // sorted by workload, then by member
	Unmet []Unmet `json:"unmet"`
	Fits  bool    `json:"fits"`
	// Headroom is the free share of CPU left over the remaining members, 0 to 1.
	Headroom float64  `json:"headroom"`
	Lost     []string `json:"lost"`            // members, sorted
	Rules    []string `json:"rules,omitempty"` // rules that would be broken
	// SnapshotHash identifies the inputs.
	SnapshotHash string `json:"snapshotHash"`
}

// Move is a change of one member's replicas of one workload.
type Move struct {
	Workload Key    `json:"workload"`
	Member   string `json:"member"`
	From     int64  `json:"from"` // replicas before
	To       int64  `json:"to"`   // replicas after
}

// Unmet is demand that found no room.
type Unmet struct {
	Workload Key    `json:"workload"`
	Replicas int64  `json:"replicas"`
	Tier     int    `json:"tier"`
	Reason   string `json:"reason"` // the constraint that binds, with numbers
}
