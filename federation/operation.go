package federation

import (
	"fmt"
	"strings"
	"time"
)

// Scope is what an operation is about: "region=eu-central", "zone=…",
// "member=frankfurt" or "workload=shop/web".
type Scope struct {
	By    string `json:"by"` // member | zone | region | workload
	Value string `json:"value"`
}

// String returns "by=value".
func (s Scope) String() string { return s.By + "=" + s.Value }

// ParseScope reads "by=value".
func ParseScope(s string) (Scope, error) {
	by, value, ok := strings.Cut(s, "=")
	switch {
	case !ok || value == "":
		return Scope{}, fmt.Errorf("scope %q: want member=NAME, zone=Z, region=R or workload=NS/NAME", s)
	case by == "member", by == "zone", by == "region", by == "workload":
		return Scope{By: by, Value: value}, nil
	}
	return Scope{}, fmt.Errorf("scope %q: %q is not member, zone, region or workload", s, by)
}

// Covers reports whether the member at place p belongs to the scope. A scope of
// one workload covers no member.
func (s Scope) Covers(member string, p Place) bool {
	switch s.By {
	case "member":
		return s.Value == member
	case "zone":
		return s.Value == p.Zone
	case "region":
		return s.Value == p.Region
	}
	return false
}

// Mode says whether an operation is real.
type Mode string

// The modes of an operation.
const (
	Live   Mode = "Live"
	Drill  Mode = "Drill"
	DryRun Mode = "DryRun"
)

// OperationState is the state of an operation; see package recovery.
type OperationState string

// The operation states.
const (
	OperationDraft            OperationState = "Draft"
	OperationSimulated        OperationState = "Simulated"
	OperationGated            OperationState = "Gated"
	OperationAwaitingApproval OperationState = "AwaitingApproval"
	OperationRunning          OperationState = "Running"
	OperationPaused           OperationState = "Paused"
	OperationVerifying        OperationState = "Verifying"
	OperationHeld             OperationState = "Held"
	OperationRestoring        OperationState = "Restoring"
	OperationCompleted        OperationState = "Completed"
	OperationAborting         OperationState = "Aborting"
	OperationRollingBack      OperationState = "RollingBack"
	OperationRolledBack       OperationState = "RolledBack"
	OperationRefused          OperationState = "Refused"
)

// Ended reports whether nothing more will happen to the operation.
func (s OperationState) Ended() bool {
	return s == OperationCompleted || s == OperationRolledBack || s == OperationRefused
}

// Verdict is how an operation went.
type Verdict string

// The verdicts. Inconclusive: a guardrail or a person, not the system, ended it.
const (
	Pass         Verdict = "PASS"
	Fail         Verdict = "FAIL"
	Inconclusive Verdict = "INCONCLUSIVE"
)

// OperationRequest asks for an operation.
type OperationRequest struct {
	Verb      string        `json:"verb"` // drill | shift | evacuate | relocate | failover | failback | fence | …
	Scope     Scope         `json:"scope"`
	To        Scope         `json:"to,omitzero"` // where a relocation goes; zero: anywhere else
	Mode      Mode          `json:"mode"`
	Level     string        `json:"level,omitempty"`  // of a drill: L3 | L4 | L5a | L5b
	Hold      time.Duration `json:"hold,omitempty"`   // how long a drill keeps the fault after capacity was restored
	Budget    int64         `json:"budget,omitempty"` // replicas that a failback moves at most; 0: no bound
	Initiator string        `json:"initiator,omitempty"`
	Reason    string        `json:"reason,omitempty"`
}

// Operation is the one-shot record of a recovery verb, and its audit record,
// stored in bucket "operations" under its ID.
type Operation struct {
	ID             string           `json:"id"`
	Request        OperationRequest `json:"request"`
	State          OperationState   `json:"state"`
	Verdict        Verdict          `json:"verdict,omitempty"`
	Reason         string           `json:"reason,omitempty"` // one line: why it was refused, failed or is inconclusive
	Members        []string         `json:"members"`          // that the scope covered when it started, sorted
	SimulationHash string           `json:"simulationHash,omitempty"`
	PreviousHash   string           `json:"previousHash,omitempty"` // of the operation before it: a hash chain
	Hash           string           `json:"hash,omitempty"`         // of this record without Hash, once it has ended
	// Marks is the clock of the operation. A mark that was not reached is absent.
	Marks     map[Mark]time.Time `json:"marks"`
	Workloads []WorkloadReport   `json:"workloads,omitempty"` // sorted by workload
	Timeline  []TimelineEntry    `json:"timeline,omitempty"`
	Objective ObjectiveSpec      `json:"objective,omitzero"` // the strictest of the workloads concerned
	Achieved  Achieved           `json:"achieved,omitzero"`
	CreatedAt time.Time          `json:"createdAt"`
	Plan      *Simulation        `json:"plan,omitempty"` // of a dry run: what would move, and what would find no room
}

// Mark names a point of the clock of an operation.
type Mark string

// The marks T0 to T11.
const (
	T0Fault        Mark = "T0"  // fault, or its injection
	T1MissedBeat   Mark = "T1"  // first missed beat
	T2Suspect      Mark = "T2"  // suspect
	T3Verdict      Mark = "T3"  // verdict
	T4Decision     Mark = "T4"  // decision committed to the store
	T5Shifted      Mark = "T5"  // traffic weight is 0 at the gateways
	T6ServedElse   Mark = "T6"  // first request answered from elsewhere
	T7FirstReady   Mark = "T7"  // first replacement replica ready
	T8CapacityBack Mark = "T8"  // capacity at its target again
	T9Steady       Mark = "T9"  // steady again
	T10Data        Mark = "T10" // data caught up; absent without data
	T11Restored    Mark = "T11" // restored, fault lifted, nothing left
)

// MarkMeaning maps each mark to the words of a report.
var MarkMeaning = map[Mark]string{
	T0Fault: "fault", T1MissedBeat: "first missed beat", T2Suspect: "suspect", T3Verdict: "verdict",
	T4Decision: "decision committed", T5Shifted: "traffic shifted", T6ServedElse: "first answer from elsewhere",
	T7FirstReady: "first replacement ready", T8CapacityBack: "capacity restored", T9Steady: "steady",
	T10Data: "data", T11Restored: "restored",
}

// Achieved is what was measured.
type Achieved struct {
	RTO      time.Duration `json:"rto"`      // T9 − T0
	Downtime time.Duration `json:"downtime"` // time in which a workload had no ready endpoint at all, summed
	Detect   time.Duration `json:"detect"`   // T3 − T0
}

// WorkloadReport is one workload's part of a report.
type WorkloadReport struct {
	Workload  Key                `json:"workload"`
	Marks     map[Mark]time.Time `json:"marks"`
	Objective ObjectiveSpec      `json:"objective,omitzero"`
	Achieved  Achieved           `json:"achieved"`
	From      []string           `json:"from"` // members that ran it before
	// Before is where a drill found the workload, and where it puts it back.
	Before []AssignedMember `json:"before,omitempty"`
	// After is where a relocation puts it.
	After   []AssignedMember `json:"after,omitempty"`
	To      []string         `json:"to"` // members that ran it at T9
	Verdict Verdict          `json:"verdict"`
	Reason  string           `json:"reason,omitempty"`
}

// TimelineEntry is one transition or observation, for people.
type TimelineEntry struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// FaultMask makes an observer see a member as silent. Each observer applies it
// locally; it ends at NotAfter by the observer's own timer unless renewed.
type FaultMask struct {
	Operation string        `json:"operation"`
	Members   []string      `json:"members"`
	Level     string        `json:"level"`
	Lifetime  time.Duration `json:"lifetime"` // from when the observer received it; at most 15 min
}
