package federation

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// PlacementSpec is the spec of a Placement document (hansa.io/v1alpha1). The
// JSON names are what users write; defaults are set by Defaulted.
type PlacementSpec struct {
	// Resources selects what is placed; empty means all resources of the same
	// namespace in the same apply that no other Placement selects.
	Resources    []ResourceSelector `json:"resources,omitempty"`
	Dependencies string             `json:"dependencies,omitempty"` // Follow (default) | None
	Members      MemberSelection    `json:"members,omitzero"`
	Spread       []SpreadConstraint `json:"spread,omitempty"`
	Replicas     ReplicaSpec        `json:"replicas,omitzero"`
	Geo          GeoSpec            `json:"geo,omitzero"`
	Affinity     AffinitySpec       `json:"affinity,omitzero"`
	// Scores maps the name of a score to its weight: latency, balance,
	// headroom, cost, carbon, affinity, stay.
	Scores map[string]float64 `json:"scores,omitempty"`
	// Preemption is Never (default) or LowerTiers: when room is short, the workload
	// may take it from workloads whose failover.tier is a higher number.
	Preemption string       `json:"preemption,omitempty"`
	Overrides  []Override   `json:"overrides,omitempty"`
	Failover   FailoverSpec `json:"failover,omitzero"`
	Landing    LandingSpec  `json:"landing,omitzero"`
}

// ResourceSelector selects objects by kind and by name or labels.
type ResourceSelector struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Name       string         `json:"name,omitempty"`
	Selector   *LabelSelector `json:"selector,omitempty"`
}

// LabelSelector is the Kubernetes label selector; both parts must match.
type LabelSelector struct {
	MatchLabels      map[string]string `json:"matchLabels,omitempty"`
	MatchExpressions []Requirement     `json:"matchExpressions,omitempty"`
}

// Requirement is one expression of a selector. Operator is In, NotIn, Exists,
// DoesNotExist, Gt or Lt. Beside the member's labels these keys are known as
// facts: name, region, zone, provider, jurisdiction, kubernetesVersion,
// nodeKind, kind (an API kind served), nodes, free.cpu (cores),
// free.memory (bytes), free.pods.
type Requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values,omitempty"`
}

// MemberSelection says which members may and should run the workload.
type MemberSelection struct {
	Names       []string        `json:"names,omitempty"`
	Exclude     []string        `json:"exclude,omitempty"`
	Required    *LabelSelector  `json:"required,omitempty"`
	Preferred   []PreferredTerm `json:"preferred,omitempty"`
	Groups      []MemberGroup   `json:"groups,omitempty"` // ordered fall-back groups
	Tolerations []Toleration    `json:"tolerations,omitempty"`
}

// PreferredTerm adds Weight (1–100) to the affinity score of matching members.
type PreferredTerm struct {
	Weight int64 `json:"weight"`
	LabelSelector
}

// MemberGroup is one of the ordered groups: the first is filled first; with
// Overflow the rest spills into the next.
type MemberGroup struct {
	Name     string        `json:"name,omitempty"`
	Members  LabelSelector `json:"members"`
	Overflow bool          `json:"overflow,omitempty"`
}

// Toleration lets a workload onto tainted members. Operator is Equal (default)
// or Exists; an empty Effect tolerates all effects.
type Toleration struct {
	Key      string      `json:"key,omitempty"`
	Operator string      `json:"operator,omitempty"`
	Value    string      `json:"value,omitempty"`
	Effect   TaintEffect `json:"effect,omitempty"`
	// Seconds a NoExecute taint is tolerated; nil means for ever.
	Seconds *int64 `json:"tolerationSeconds,omitempty"`
}

// SpreadConstraint spreads the chosen members over the values of By: region,
// zone, provider, member or a label key.
type SpreadConstraint struct {
	By      string `json:"by"`
	Min     int64  `json:"min,omitempty"`     // at least so many values
	Max     int64  `json:"max,omitempty"`     // at most so many values; 0 means no bound
	MaxSkew int64  `json:"maxSkew,omitempty"` // largest difference of replicas between two values; 0 means no bound
	// WhenUnsatisfiable is DoNotSchedule (default) or ScheduleAnyway.
	WhenUnsatisfiable string `json:"whenUnsatisfiable,omitempty"`
}

// ReplicaSpec says how replicas are divided over the chosen members.
type ReplicaSpec struct {
	Mode    string         `json:"mode,omitempty"`    // Duplicated | Divided (default)
	By      string         `json:"by,omitempty"`      // Capacity (default) | Static | Aggregated | Demand
	Min     int64          `json:"min,omitempty"`     // per chosen member
	Max     int64          `json:"max,omitempty"`     // per chosen member; 0 means no bound
	Weights []StaticWeight `json:"weights,omitempty"` // for Static
}

// StaticWeight gives the members that match a weight; the first match counts,
// members that match none have weight 0.
type StaticWeight struct {
	Members LabelSelector `json:"members"`
	Weight  int64         `json:"weight"`
}

// GeoSpec says where the users are and where data may be.
type GeoSpec struct {
	Users      []UserShare `json:"users,omitempty"`
	MaxLatency Duration    `json:"maxLatency,omitempty"` // bound on the estimate from every user place to its nearest member
	Residency  []string    `json:"residency,omitempty"`  // jurisdictions that are allowed; "EU" is the set of its states
}

// UserShare is a part of the users and where it is: a name of the catalogue or
// "lat,long".
type UserShare struct {
	At    string  `json:"at"`
	Share float64 `json:"share"`
}

// AffinitySpec ties a workload to others, by a topology key (default member).
type AffinitySpec struct {
	With    []Key  `json:"with,omitempty"`
	NotWith []Key  `json:"notWith,omitempty"`
	By      string `json:"by,omitempty"`
}

// Override changes the objects of a work in the members that match.
type Override struct {
	Members LabelSelector `json:"members"`
	// When is a CEL expression over "member" and "object", the object as it is for that
	// member before this override: it counts for the objects for which it is true. Empty:
	// for all.
	When string `json:"when,omitempty"`
	// Replicas is how many each of these members runs, in the place of the manifest's
	// number; objects with fewer than the largest keep their proportion to it. Only for
	// mode Duplicated: what is divided is divided by placement alone. Of several overrides
	// that match the last counts. 0: as the manifest says.
	Replicas int64           `json:"replicas,omitempty"`
	Images   []ImageOverride `json:"images,omitempty"`
	Env      []EnvOverride   `json:"env,omitempty"`
	Args     []ArgsOverride  `json:"args,omitempty"`
	// Labels and Annotations are set on every object of the work; pod templates and
	// selectors stay as they are.
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Patches     []PatchOverride   `json:"patches,omitempty"`
}

// ImageOverride replaces the image of a container in every pod template.
type ImageOverride struct {
	Container string `json:"container"`
	Image     string `json:"image"`
}

// EnvOverride sets an environment variable of a container in every pod template.
type EnvOverride struct {
	Container string `json:"container"`
	Name      string `json:"name"`
	Value     string `json:"value"`
}

// ArgsOverride changes the arguments of a container in every pod template: Args take the
// place of those that are there, then Append come behind them.
type ArgsOverride struct {
	Container string   `json:"container"`
	Args      []string `json:"args,omitempty"`
	Append    []string `json:"append,omitempty"`
}

// PatchOverride applies an RFC 6902 JSON patch to one object.
type PatchOverride struct {
	Target ResourceSelector `json:"target"`
	Patch  json.RawMessage  `json:"patch"`
}

// Continuity says whether a workload may run in two members at once while the
// federation is cut.
type Continuity string

// The continuity classes.
const (
	KeepRunning Continuity = "KeepRunning" // the default: an isolated member keeps it running
	AtMostOne   Continuity = "AtMostOne"   // runs only under a lease
)

// FailoverSpec says what happens when a member of the assignment is lost.
type FailoverSpec struct {
	Mode       string     `json:"mode,omitempty"`       // Automatic (default) | Approve | Never
	Dwell      string     `json:"dwell,omitempty"`      // Auto (default) or a duration
	Continuity Continuity `json:"continuity,omitempty"` // KeepRunning (default) | AtMostOne
	Lease      string     `json:"lease,omitempty"`      // of AtMostOne: Fast (default, 15 s) | Balanced (90 s) | Manual (until fenced)
	Survive    string     `json:"survive,omitempty"`    // None (default) | Member | Zone | Region
	Tier       int        `json:"tier,omitempty"`       // 0 first … 4 last
	// After names workloads, NAMESPACE/NAME, that have to be whole again first when
	// the same loss has taken them too; at most 5 min are waited for them.
	After     []string      `json:"after,omitempty"`
	Objective ObjectiveSpec `json:"objective,omitzero"`
}

// ObjectiveSpec is what was promised; zero means nothing was.
type ObjectiveSpec struct {
	RTO Duration `json:"rto,omitempty"`
	RPO Duration `json:"rpo,omitempty"`
}

// LandingSpec says how the agent treats objects in its cluster.
type LandingSpec struct {
	Takeover string `json:"takeover,omitempty"` // Never (default) | IfNoDiff | Always
	Drift    string `json:"drift,omitempty"`    // Correct (default) | Report
	Deletion string `json:"deletion,omitempty"` // Background (default) | Foreground | Orphan
	// Immutable says what happens when a field has changed that the API server lets
	// nobody change: Refuse (default), or Recreate, which deletes the object first.
	Immutable string `json:"immutable,omitempty"`
}

// Duration is a time.Duration that reads and writes "90s" in JSON.
type Duration time.Duration

// D returns the standard library's form.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String returns the form that users write, for example "1m30s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the form of String.
func (d Duration) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(d.String())), nil }

// UnmarshalJSON reads "120ms"; a bare number is refused since its unit is not clear.
func (d *Duration) UnmarshalJSON(b []byte) error {
	s, err := strconv.Unquote(string(b))
	if err != nil {
		return fmt.Errorf("duration %s: write it with a unit, for example \"10s\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("duration %q: want a non-negative duration with a unit, for example \"10s\"", s)
	}
	*d = Duration(v)
	return nil
}

// Defaulted returns a copy with every unset field at its default.
func (p PlacementSpec) Defaulted() PlacementSpec {
	p.Dependencies = or(p.Dependencies, "Follow")
	p.Replicas.Mode = or(p.Replicas.Mode, "Divided")
	p.Replicas.By = or(p.Replicas.By, "Capacity")
	p.Failover = p.Failover.Defaulted()
	p.Preemption = or(p.Preemption, "Never")
	p.Landing.Takeover = or(p.Landing.Takeover, "Never")
	p.Landing.Drift = or(p.Landing.Drift, "Correct")
	p.Landing.Deletion = or(p.Landing.Deletion, "Background")
	p.Landing.Immutable = or(p.Landing.Immutable, "Refuse")
	p.Affinity.By = or(p.Affinity.By, "member")
	spread := make([]SpreadConstraint, len(p.Spread))
	for i, s := range p.Spread {
		s.WhenUnsatisfiable = or(s.WhenUnsatisfiable, "DoNotSchedule")
		spread[i] = s
	}
	p.Spread = spread
	return p
}

// Defaulted returns a copy with every unset field at its default.
func (f FailoverSpec) Defaulted() FailoverSpec {
	f.Mode = or(f.Mode, "Automatic")
	f.Dwell = or(f.Dwell, "Auto")
	f.Continuity = or(f.Continuity, KeepRunning)
	if f.Continuity == AtMostOne {
		f.Lease = or(f.Lease, "Fast")
	}
	f.Survive = or(f.Survive, "None")
	return f
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
