package recovery

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Event is what happens to an operation.
type Event interface{ event() }

// Observed is the federation as the hub sees it now, as far as it concerns the
// operation. It says what is, not what changed, so it may be fed as often as one
// likes.
type Observed struct {
	Members   []MemberSeen   // of the scope, sorted
	Workloads []WorkloadSeen // concerned, sorted
	// Withdrawn: every gateway that is heard has taken the scope's endpoints out
	// of its answers; true when none is heard. Admitted is the contrary.
	Withdrawn bool
	Admitted  bool
	// Elsewhere: at least one gateway answers without the scope.
	Elsewhere bool
	// Fault is a real fault outside of what the operation does; empty when there
	// is none.
	Fault string
	// Refusal is what the brake says against going on; empty when it lets go.
	Refusal string
	// Shadow is what the second detector of level L5a found.
	Shadow ShadowSeen
}

// MemberSeen is one member of the scope.
type MemberSeen struct {
	Member string
	Health federation.Health
	// HeardAt is when its last beat came, SuspectAt and VerdictAt when the hub
	// came to think so; zero when it did not.
	HeardAt   time.Time
	SuspectAt time.Time
	VerdictAt time.Time
	Masked    bool
}

// WorkloadSeen is one workload of the operation.
type WorkloadSeen struct {
	Workload federation.Key
	Members  []string // of the stored assignment, sorted
	// Decided: the stored assignment has nothing in the scope; of a failback, it was
	// placed anew; of a relocation, it is also as planned.
	Decided bool
	// First: a replica runs where none, or fewer, ran before; true when nothing
	// had to grow.
	First bool
	// Whole: every share of the stored assignment is ready and serves.
	Whole bool
	// Served: at least one replica outside the scope is ready.
	Served bool
	// Restored: the stored assignment has every member of before again.
	Restored bool
	// Settled: nothing is left to hand out or to take back.
	Settled bool
	// Waiting: it may not move by itself (failover.mode Never, or Approve).
	Waiting bool
}

// ShadowSeen is the outcome of a shadow.
type ShadowSeen struct {
	SuspectAt time.Time
	VerdictAt time.Time
	// Different says how the decision differs from the simulation; empty when it
	// is the same.
	Different string
}

// Aborted: somebody, or the hub, ends the operation.
type Aborted struct {
	Reason string
	Who    string
}

// Approved: a person lets it go on.
type Approved struct{ Who string }

// Tick: the Deadline has come.
type Tick struct{}

func (Observed) event() {}
func (Aborted) event()  {}
func (Approved) event() {}
func (Tick) event()     {}

// Effect is what an operation tells its owner.
type Effect interface{ effect() }

// Entered: the operation went to another state; its record has to be stored
// before what Wants now asks for is done.
type Entered struct {
	From federation.OperationState
	To   federation.OperationState
	Text string // for people
}

// Marked: a point of the clock was reached.
type Marked struct {
	Mark federation.Mark
	At   time.Time
}

func (Entered) effect() {}
func (Marked) effect()  {}

// Wants is what an operation asks of the federation in its present state.
type Wants struct {
	Mask     bool // the scope's members are to be taken for silent
	Withdraw bool // their endpoints are out of the answers
	Evacuate bool // nothing may be assigned to them
	Shadow   bool // a second detector takes them for silent
	Restore  bool // the workloads go back to where they were
	Release  bool // the shares of the lost members may move although the brake says no
	Rebound  bool // workloads are placed anew, so that the scope is used again (failback)
	Relocate bool // workloads go where the plan says
	Fence    bool // the scope may run nothing that must run once, and does not come back
}
