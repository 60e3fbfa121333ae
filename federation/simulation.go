package federation

import "time"

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

// Readiness says how well the federation would bear the loss of each member and
// of each region, one at a time: computed by the engine that decides.
type Readiness struct {
	// Score is that of the worst scenario, 0 to 100; 100 when there are none.
	Score float64 `json:"score"`
	// Scenarios are sorted by score, worst first, then by scope.
	Scenarios []Scenario `json:"scenarios"`
	// SnapshotHash identifies the inputs; CheckedAt is when they were taken.
	SnapshotHash string    `json:"snapshotHash,omitempty"`
	CheckedAt    time.Time `json:"checkedAt,omitzero"`
}

// Scenario is one loss.
type Scenario struct {
	Lost Scope `json:"lost"`
	// Score is the part of the displaced replicas that finds room elsewhere, each
	// weighted by its tier (16, 8, 4, 2, 1 for tiers 0 to 4), times 100.
	Score     float64 `json:"score"`
	Displaced int64   `json:"displaced"` // replicas that run in the lost members
	// Unmet has at most the ten first workloads that would be short, by tier.
	Unmet []Unmet `json:"unmet,omitempty"`
	// Short is the number of replicas without room, over all workloads.
	Short int64 `json:"short"`
	// Fix is what to do first.
	Fix string `json:"fix,omitempty"`
}

// RebalanceRequest asks the hub to place workloads anew, as if for the first time,
// with the present room and rules.
type RebalanceRequest struct {
	Workload Key  `json:"workload,omitzero"` // the zero Key means all
	DryRun   bool `json:"dryRun,omitempty"`
	// Budget bounds the replicas that move; 0 means no bound. Workloads that move
	// the fewest go first.
	Budget int64  `json:"budget,omitempty"`
	Who    string `json:"who,omitempty"`
}

// Replay is a stored decision made again from the inputs that it was made from.
type Replay struct {
	Workload   Key    `json:"workload"`
	Epoch      Epoch  `json:"epoch"`
	InputsHash string `json:"inputsHash"` // of the stored decision
	// Same says that the same inputs gave the same decision. Detail says what is
	// different, or why it cannot be told.
	Same   bool   `json:"same"`
	Detail string `json:"detail"`
}

// Feed is a score from outside, in bucket "scores": any program may write one.
type Feed struct {
	Name string `json:"name"` // "cost", "carbon", "locality", …: the name in a Placement's scores
	// Values by member; lower is better, the unit does not matter.
	Values map[string]float64 `json:"values"`
	// MaxAge is how long the values count after ReportedAt.
	MaxAge     time.Duration `json:"maxAge"`
	ReportedAt time.Time     `json:"reportedAt"`
	Source     string        `json:"source,omitempty"` // who wrote it, for people
}

// Fresh reports whether the values count at t. Those that a clock ahead of t
// reported do.
func (f Feed) Fresh(t time.Time) bool { return t.Sub(f.ReportedAt) <= f.MaxAge }
