package federation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Key names a workload or another namespaced record: "shop/web".
type Key struct {
	Namespace string
	Name      string
}

// String returns "namespace/name".
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// Compare orders keys by namespace, then by name.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(k.Name, o.Name)
}

// MarshalText writes the form of String, so that a Key may be a JSON map key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the form of String.
func (k *Key) UnmarshalText(b []byte) error {
	p, err := ParseKey(string(b))
	if err != nil {
		return err
	}
	*k = p
	return nil
}

// ParseKey reads "namespace/name".
func ParseKey(s string) (Key, error) {
	ns, name, ok := strings.Cut(s, "/")
	if !ok || ns == "" || name == "" || strings.Contains(name, "/") {
		return Key{}, fmt.Errorf("%q is not NAMESPACE/NAME", s)
	}
	return Key{Namespace: ns, Name: name}, nil
}

// Object is one Kubernetes object exactly as the user wrote it, as JSON.
type Object struct {
	APIVersion string
	Kind       string
	Namespace  string // empty for cluster-scoped objects
	Name       string
	Raw        json.RawMessage
}

// ID returns "apps/v1/Deployment shop/web", unique within a workload.
func (o Object) ID() string {
	if o.Namespace == "" {
		return o.APIVersion + "/" + o.Kind + " " + o.Name
	}
	return o.APIVersion + "/" + o.Kind + " " + o.Namespace + "/" + o.Name
}

// Workload is a Placement and the resources it selects, as stored in bucket
// "workloads" under its Key. What the user wrote is never changed in it.
type Workload struct {
	Key       Key
	Revision  Revision // of the record; given by the store
	Placement PlacementSpec
	Objects   []Object
	// Source names the apply that brought it (for "apply --prune"); a directory
	// or file name as the user gave it.
	Source    string
	AppliedAt time.Time
	AppliedBy string
	// Sealed has the Secrets among Objects in the store, sealed to the hubs; what Objects
	// has of them then are their names. See package federation/sealed.
	Sealed Sealed
	// Digest is a keyed digest of what is sealed: equal ones mean equal Secrets.
	Digest []byte
}

// Assignment is the hub's decision where a workload runs, stored in bucket
// "assignments" under the workload's Key.
type Assignment struct {
	Workload         Key              `json:"workload"`
	WorkloadRevision Revision         `json:"workloadRevision"`
	Epoch            Epoch            `json:"epoch"`
	Members          []AssignedMember `json:"members"` // sorted by name
	Unmet            int64            `json:"unmet,omitempty"`
	Explanation      Explanation      `json:"explanation"`
	InputsHash       string           `json:"inputsHash,omitempty"` // hash of the Request and Snapshot it was computed from
	Reason           string           `json:"reason,omitempty"`     // why it was computed: "applied", "frankfurt unreachable", "drill 7f3a"
	DecidedAt        time.Time        `json:"decidedAt"`
	Operation        string           `json:"operation,omitempty"` // id of the operation that asked for it
	// ReadyIn is how long a share needs from the order until it is ready: the 95th
	// percentile of what was measured, and with it an Auto dwell. Zero: not measured.
	ReadyIn time.Duration `json:"readyIn,omitempty"`
	// Grown has the members whose share became larger, with what stood there before, or −1
	// for none. What a move takes away elsewhere goes once all of them are ready.
	Grown map[string]int64 `json:"grown,omitempty"`
	// Strays has the members that had a share before and have not proven since that nothing
	// is left of it, with the account under which an order may still wait for them.
	Strays map[string]string `json:"strays,omitempty"`
}

// AssignedMember is one member's share of an assignment.
type AssignedMember struct {
	Member string `json:"member"`
	// Replicas the member has to run; 0 for workloads without a replica count.
	Replicas int64 `json:"replicas"`
	// Since is the epoch with which the member entered the set.
	Since Epoch `json:"since"`
	// Shifted is set while the member's endpoints carry no traffic although it
	// still holds replicas (traffic drill, or dwell of an unreachable member).
	Shifted bool `json:"shifted,omitempty"`
}

// Share returns what the member has of the workload, and whether it is in the set.
func (a *Assignment) Share(member string) (AssignedMember, bool) {
	i, found := slices.BinarySearchFunc(a.Members, member, func(m AssignedMember, name string) int { return strings.Compare(m.Member, name) })
	if !found {
		return AssignedMember{}, false
	}
	return a.Members[i], true
}

// Replicas returns the size of the member's share, and whether it is in the set.
func (a Assignment) Replicas(member string) (int64, bool) {
	share, found := a.Share(member)
	return share.Replicas, found
}

// Explanation says for every member why it was chosen or not. It is part of the
// assignment, so "hansa explain" shows the decision as it was made.
type Explanation struct {
	Summary string              `json:"summary"`         // one line: "3 of 3 members, spread by region 1/1/1"
	Members []MemberExplanation `json:"members"`         // sorted by member
	Rules   []string            `json:"rules,omitempty"` // spread, division and survival rules, with their numbers
	// Relaxation is the nearest change of the request that would be feasible;
	// empty when everything fits.
	Relaxation string `json:"relaxation,omitempty"`
	// Changes tells what is different from the decision before, member by member;
	// empty for the first one.
	Changes []Difference `json:"changes,omitempty"`
}

// Difference is what changed for one member from one decision to the next.
type Difference struct {
	Member string `json:"member"`
	From   int64  `json:"from"` // replicas before
	To     int64  `json:"to"`   // replicas after
	Before string `json:"before"`
	After  string `json:"after"` // how the member came out: "chosen, 81.2 points", "Health: is Unreachable"
}

// MemberExplanation is one member's line of an Explanation.
type MemberExplanation struct {
	Member string `json:"member"`
	Chosen bool   `json:"chosen"`
	// Filter names the filter that refused the member ("Health", "Taint", …);
	// empty when it passed all of them.
	Filter string `json:"filter,omitempty"`
	// Reason has the numbers: "needs 500m CPU a replica, free 320m".
	Reason string `json:"reason,omitempty"`
	// Remedy says what would have to change for a refused member.
	Remedy   string  `json:"remedy,omitempty"`
	Scores   []Score `json:"scores,omitempty"`
	Total    float64 `json:"total"`
	Replicas int64   `json:"replicas"`
	Fits     int64   `json:"fits"` // replicas that would fit
}

// Score is one normalised score of a member, 0 to 100, with its weight.
type Score struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Weight float64 `json:"weight"`
	Detail string  `json:"detail,omitempty"` // "9,370 km, about 112 ms"
}

// Work is what one member has to run for one workload.
type Work struct {
	Workload         Key
	Member           string
	Epoch            Epoch
	WorkloadRevision Revision
	Replicas         int64
	Landing          LandingSpec
	Continuity       Continuity
	Tier             int // 0 lands first … 4 last
	// Objects are ready to be landed: replicas set, overrides applied.
	Objects []Object
	// Sealed has the Secrets among Objects on the way to the member; what Objects has
	// of them then are their names. See package federation/sealed.
	Sealed Sealed
	// StatusRules are those for kinds among Objects, by name, with Name and Spec only.
	StatusRules []StatusRule
	// Variant names which overrides count in the member; empty when none does.
	Variant string
	// Removed asks the member to remove what it runs of the workload under an
	// epoch up to Epoch. Objects is empty then.
	Removed bool
}

// WorkStatus is what an agent reports about one work.
type WorkStatus struct {
	Workload         Key         `json:"workload"`
	Member           string      `json:"member"`
	Incarnation      Incarnation `json:"incarnation"`
	Sequence         uint64      `json:"sequence"` // of this report within the incarnation
	Epoch            Epoch       `json:"epoch"`
	WorkloadRevision Revision    `json:"workloadRevision"`
	State            WorkState   `json:"state"`
	Message          string      `json:"message,omitempty"`
	Replicas         int64       `json:"replicas"` // desired in this member
	Ready            int64       `json:"ready"`
	// Unschedulable counts the pods of the work that the member's own scheduler
	// finds no node for.
	Unschedulable int64 `json:"unschedulable,omitempty"`
	// RulesDigest is that of the rules which the states were told by.
	RulesDigest string `json:"rulesDigest,omitempty"`
	// Variant is that of the work.
	Variant    string         `json:"variant,omitempty"`
	Objects    []ObjectStatus `json:"objects,omitempty"`
	ObservedAt time.Time      `json:"observedAt"`
}

// ObjectStatus is the state of one landed object.
type ObjectStatus struct {
	ID      string    `json:"id"` // Object.ID
	State   WorkState `json:"state"`
	Message string    `json:"message,omitempty"`
	// Drift lists what others changed of what was landed, if they did.
	Drift []FieldDrift `json:"drift,omitempty"`
	// CorrectedAt is when the drift was corrected; zero while it stands.
	CorrectedAt time.Time `json:"correctedAt,omitzero"`
}

// FieldDrift is one field that is not as it was landed.
type FieldDrift struct {
	Path    string `json:"path"`              // "spec.replicas"
	Manager string `json:"manager,omitempty"` // who changed it; empty when nobody says so
	Wanted  string `json:"wanted"`            // JSON, cut off where it is long; of Secrets only that there is a value
	Found   string `json:"found,omitempty"`   // empty when the field is not there
}

// WorkState is the state of a work or of one of its objects.
type WorkState string

// The work states. Those of kstatus are mapped: InProgress → Progressing,
// Current → Ready, Terminating → Removing, NotFound → Removed.
const (
	WorkPending     WorkState = "Pending"     // accepted, not applied yet
	WorkProgressing WorkState = "Progressing" // applied, not yet ready
	WorkReady       WorkState = "Ready"
	WorkFailed      WorkState = "Failed"   // refused by the API server, or stalled
	WorkRemoving    WorkState = "Removing" // deletion under way
	WorkRemoved     WorkState = "Removed"  // proven gone
	WorkHeld        WorkState = "Held"     // the guard keeps it from running (old epoch, quarantine)
	WorkUnknown     WorkState = "Unknown"  // its member is silent
)
