package placement

import "github.com/hansa-io/hansa/federation"

// Request asks where one workload should run. Place reads it and keeps nothing
// of it; its slices and maps may be shared between requests.
type Request struct {
	Workload federation.Key
	// Placement is the document as the user wrote it; unset fields have their
	// defaults.
	Placement federation.PlacementSpec
	// Demand is what the workload's objects ask for; see package manifest.
	Demand Demand
	// Current is where the workload runs now. Nil means: as the snapshot's
	// assignments say. An empty, non-nil slice places from scratch.
	Current []federation.AssignedMember
	// Excluded refuses members for this request only, with the reason that
	// explanations show; replicas that run there move away.
	Excluded map[string]string
	// Keep names members whose running replicas stay although the member is
	// lost, masked or draining, with the reason: its dwell still runs, an
	// approval is missing, failover is Never. They take nothing new.
	Keep map[string]string
	// Users replaces the placement's geo.users when not empty: shares as the
	// gateways observed them.
	Users []federation.UserShare
	// Rebalance lets running replicas move for spread and weights too. The hub
	// sets it when the user changed the Placement or asked for a rebalance or a
	// failback. Without it replicas move only when they must.
	Rebalance bool
	// Whole lets running replicas move, as Rebalance does, when rules of the whole
	// (spread, groups) keep some without a place beside them, and everything finds one
	// elsewhere. Otherwise nothing moves.
	Whole bool
	// Explain fills Explanation, Relaxation and InputsHash of the decision. It
	// costs time in proportion to the number of members.
	Explain bool
}

// Demand is what a workload asks for.
type Demand struct {
	// Kinds are the API kinds a member has to serve, "apps/v1/Deployment",
	// sorted.
	Kinds []string
	// Replicated says that the workload has a replica count. One that has none
	// (only a ConfigMap, only a DaemonSet) is duplicated to the chosen members,
	// which then carry 0 replicas.
	Replicated bool
	// Replicas is the total to divide, or the number in each member when the
	// mode is Duplicated. At most MaxReplicas.
	Replicas int64
	// PerReplica is what one replica takes. Pods below 1 counts as 1.
	PerReplica federation.Resources
	// PerNode is what the workload takes on each node of a chosen member
	// (DaemonSets).
	PerNode federation.Resources
	// Tolerations that all its pods have: they may run on nodes whose taints these cover.
	Tolerations []federation.Toleration
}

// MaxReplicas bounds the replicas of one workload, and with them the time that a
// decision can take.
const MaxReplicas = 100_000

// Decision is where a workload should run.
//
// Either Err is set, the request was malformed and nothing else is; or Members
// is a placement that keeps every hard rule, and Unmet counts what found no
// place. Room that is short leaves a part unmet; a rule that cannot be kept
// leaves everything unmet but the replicas that run already.
type Decision struct {
	Workload federation.Key
	// Members is sorted by name. Since and Shifted are those of Current for
	// members that stay, and zero for new ones: the hub sets the epoch.
	Members []federation.AssignedMember
	// Unmet is the number of replicas without a place; 1 when a workload without
	// replicas found no member.
	Unmet int64
	// Changed says that Members differs from Current in a member or a count.
	Changed bool
	// Binding is the constraint that kept Unmet above 0, with its numbers.
	Binding string
	// Waived is the rule that was not kept so that the workload fails over; only
	// failover.survive is ever waived.
	Waived string
	// Preempted says which more important workload took replicas of this one, and
	// where; see PlaceAllPreempting.
	Preempted string
	// Explanation and InputsHash are filled when the request asked for them.
	Explanation federation.Explanation
	// InputsHash identifies everything the decision depended on: equal hashes,
	// equal decisions. See Snapshot.Hash.
	InputsHash string
	// Err says what is wrong with the request, in one line for its author.
	Err error
}

// replicas is the number of replicas that have a place.
func (d *Decision) replicas() int64 {
	var n int64
	for i := range d.Members {
		n += d.Members[i].Replicas
	}
	return n
}

// Assignment returns the decision as a record. WorkloadRevision, Epoch, Since of
// new members, Reason, DecidedAt and Operation are for the hub to set.
func (d Decision) Assignment() federation.Assignment {
	return federation.Assignment{
		Workload:    d.Workload,
		Members:     d.Members,
		Unmet:       d.Unmet,
		Explanation: d.Explanation,
		InputsHash:  d.InputsHash,
	}
}
