package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Event is one thing that the hub learned. Step applies one at a time.
//
// Events of three groups exist. Records: what a bucket holds; they may come
// double, late or again after a restart, and do no harm then. Evidence: what was
// seen of members and gateways. Requests: each carries a number of the shell's
// choice and gets exactly one Reply with it, sometimes in a later Step.
type Event interface{ event() }

// Source is a bucket whose snapshot the machine needs before it decides.
type Source string

// The sources; their values are the names of the buckets.
const (
	SourceWorkloads   Source = "workloads"
	SourceMembers     Source = "members"
	SourceAssignments Source = "assignments"
	SourceHealth      Source = "health"
	SourceOperations  Source = "operations"
	SourceFacts       Source = "facts"
	SourceStatus      Source = "status"
	SourceScores      Source = "scores"
	SourceRules       Source = "statusrules"
)

// Sources lists every source, in an order in which they may be fed.
func Sources() []Source {
	return []Source{
		SourceMembers, SourceWorkloads, SourceAssignments, SourceHealth,
		SourceOperations, SourceFacts, SourceStatus, SourceScores, SourceRules,
	}
}

// WorkloadChanged: the record was written; its Revision is the store's.
type WorkloadChanged struct{ Workload federation.Workload }

// WorkloadDeleted: the record is gone; what runs of it has to be removed.
type WorkloadDeleted struct{ Key federation.Key }

// WorkloadUnreadable: the record is there, and this hub cannot read it. What runs of it
// stays as it is.
type WorkloadUnreadable struct {
	Key    federation.Key
	Reason string
}

// MemberChanged: a member joined, or its record was written.
type MemberChanged struct {
	Spec     federation.MemberSpec
	Revision federation.Revision
}

// MemberRemoved: the member's record is gone; it left the federation.
type MemberRemoved struct{ Member string }

// FactsChanged: a member reported its capacity.
type FactsChanged struct{ Facts federation.MemberFacts }

// StatusChanged: a member reported about one of its works.
type StatusChanged struct{ Status federation.WorkStatus }

// FeedChanged: a score from outside was written.
type FeedChanged struct{ Feed federation.Feed }

// FeedRemoved: the score of that name is gone.
type FeedRemoved struct{ Name string }

// RuleChanged: a status rule was written.
type RuleChanged struct{ Rule federation.StatusRule }

// RuleRemoved: the status rule of that name is gone.
type RuleRemoved struct{ Name string }

// AssignmentLoaded: what the store has under Key; Revision 0 means nothing.
type AssignmentLoaded struct {
	Key        federation.Key
	Assignment federation.Assignment
	Revision   federation.Revision
}

// HealthLoaded: what the store has for the member; Revision 0 means nothing.
type HealthLoaded struct {
	Member   string
	Record   federation.HealthRecord
	Revision federation.Revision
}

// OperationLoaded: what the store has under ID; Revision 0 means nothing.
type OperationLoaded struct {
	ID        string
	Operation federation.Operation
	Revision  federation.Revision
}

// Synced: everything that Source held was fed.
type Synced struct{ Source Source }

// BeatArrived: a member's heartbeat. The caller has checked that it came from
// the member's own account.
type BeatArrived struct{ Beat federation.Beat }

// ProbeResult: what Vantage ("hub", or a member) saw of a member.
type ProbeResult struct {
	Vantage string
	Reply   federation.ProbeReply
}

// Measured: the round trip from Vantage to the API server of Member, after Survey.
type Measured struct {
	Vantage   string
	Member    string
	RoundTrip time.Duration
}

// QueriesArrived: what clients asked a gateway for.
type QueriesArrived struct{ Report federation.QueryReport }

// Disconnected: a server of the bus has lost a connection of the member. It makes the
// machine look earlier, and is no evidence.
type Disconnected struct{ Member string }

// GatewayBeatArrived: which of the hub's beats a gateway has applied.
type GatewayBeatArrived struct{ Beat federation.GatewayBeat }

// OpinionArrived: what another hub, which does not lead, hears of the members.
type OpinionArrived struct{ Opinion federation.Opinion }

// Stalled: the hub's own loop did not run for so long.
type Stalled struct{ For time.Duration }

// HelloArrived asks what a member may run. Answer: federation.HelloReply.
type HelloArrived struct {
	Request uint64
	Hello   federation.Hello
}

// RenewArrived asks for an at-most-one lease. Answer: federation.Grant.
type RenewArrived struct {
	Request uint64
	Renew   federation.RenewRequest
}

// SealKeyOffered: an agent says which key it wants secrets sealed to. The caller has
// checked that it is one. Answer: federation.SealReply.
type SealKeyOffered struct {
	Request uint64
	Offer   federation.SealOffer
}

// UserSigned: a user was signed for an agent that asks for one. The caller has checked
// that the key of the last one signed the request, and, unless it came off the bus, that
// it came from the member's own account. Answer: federation.MemberSpec, once the record
// names the user; it must not be handed out before.
type UserSigned struct {
	Request  uint64
	Rotation federation.Rotation
	User     federation.BusUser
	OffBus   bool // it came by a gateway: the bus does not let the agent in
}

// UserUsed: an agent says which user it is on the bus with. Answer:
// federation.MemberSpec.
type UserUsed struct {
	Request uint64
	Used    federation.Rotated
}

// LeaveReported: an agent tells how far it has come with an OrderLeave. Answer:
// federation.MemberSpec; of one that is done, once the record says so.
type LeaveReported struct {
	Request uint64
	Report  federation.LeaveReport
}

// UserEnded: the bus refuses that user of the member, after EndUser.
type UserEnded struct{ Member, Key string }

// OperationRequested asks for an operation. Answer: federation.Operation, once
// its first record is stored.
type OperationRequested struct {
	Request   uint64
	Operation federation.OperationRequest
}

// AbortRequested asks an operation to end. Answer: federation.Operation.
type AbortRequested struct {
	Request uint64
	Abort   federation.AbortRequest
}

// ApproveRequested lets an operation that awaits approval go on. Answer:
// federation.Operation.
type ApproveRequested struct {
	Request uint64
	ID      string
	Who     string
}

// MemberCommand changes a member. Answer: federation.MemberSpec.
type MemberCommand struct {
	Request uint64
	Change  federation.MemberChange
}

// SimulateRequested asks what would happen. Answer: federation.Simulation.
type SimulateRequested struct {
	Request    uint64
	Simulation federation.SimulationRequest
}

// DescribeRequested asks for the evidence about a member. Answer:
// []federation.Evidence.
type DescribeRequested struct {
	Request uint64
	Member  string
}

// ReadinessRequested asks what losses would do. Answer: federation.Readiness of
// what the machine knows when it is asked, or later.
type ReadinessRequested struct{ Request uint64 }

// RebalanceRequested asks to place workloads anew. Answer: federation.Simulation.
type RebalanceRequested struct {
	Request   uint64
	Rebalance federation.RebalanceRequest
}

// ReplayRequested asks to make a stored decision again. Answer: federation.Replay.
type ReplayRequested struct {
	Request  uint64
	Workload federation.Key
}

// Audited: the result of an Audit.
type Audited struct{ Report federation.Readiness }

// FreezeRequested stops automation, or lets it act again. Answer:
// federation.Operation, the record of it.
type FreezeRequested struct {
	Request uint64
	Frozen  bool
	Reason  string
	Who     string
}

// WriteDone is the outcome of the write with that ID.
type WriteDone struct {
	ID       uint64
	Outcome  Outcome
	Revision federation.Revision // of the record, when Outcome is Written
	Detail   string              // for people, when it is not
}

// Outcome is how a write ended.
type Outcome uint8

// The outcomes.
const (
	// Written: it is durable.
	Written Outcome = iota
	// Conflicted: the record did not have the expected revision.
	Conflicted
	// Lost: it may or may not have happened.
	Lost
	// Rejected: it did not happen and will not, however often it is tried.
	Rejected
)

// Tick: the Deadline has come.
type Tick struct{}

func (WorkloadChanged) event()    {}
func (WorkloadDeleted) event()    {}
func (WorkloadUnreadable) event() {}
func (MemberChanged) event()      {}
func (MemberRemoved) event()      {}
func (FactsChanged) event()       {}
func (StatusChanged) event()      {}
func (FeedChanged) event()        {}
func (FeedRemoved) event()        {}
func (RuleChanged) event()        {}
func (RuleRemoved) event()        {}
func (ReadinessRequested) event() {}
func (RebalanceRequested) event() {}
func (ReplayRequested) event()    {}
func (Audited) event()            {}
func (AssignmentLoaded) event()   {}
func (HealthLoaded) event()       {}
func (OperationLoaded) event()    {}
func (Synced) event()             {}
func (BeatArrived) event()        {}
func (ProbeResult) event()        {}
func (Measured) event()           {}
func (QueriesArrived) event()     {}
func (Disconnected) event()       {}
func (GatewayBeatArrived) event() {}
func (OpinionArrived) event()     {}
func (Stalled) event()            {}
func (HelloArrived) event()       {}
func (RenewArrived) event()       {}
func (SealKeyOffered) event()     {}
func (UserSigned) event()         {}
func (UserUsed) event()           {}
func (LeaveReported) event()      {}
func (UserEnded) event()          {}
func (OperationRequested) event() {}
func (AbortRequested) event()     {}
func (ApproveRequested) event()   {}
func (MemberCommand) event()      {}
func (SimulateRequested) event()  {}
func (DescribeRequested) event()  {}
func (FreezeRequested) event()    {}
func (WriteDone) event()          {}
func (Tick) event()               {}

// requestOf is the number of the request that the event is; 0 when it is none.
func requestOf(ev Event) uint64 {
	switch ev := ev.(type) {
	case HelloArrived:
		return ev.Request
	case RenewArrived:
		return ev.Request
	case SealKeyOffered:
		return ev.Request
	case UserSigned:
		return ev.Request
	case UserUsed:
		return ev.Request
	case LeaveReported:
		return ev.Request
	case OperationRequested:
		return ev.Request
	case AbortRequested:
		return ev.Request
	case ApproveRequested:
		return ev.Request
	case FreezeRequested:
		return ev.Request
	case MemberCommand:
		return ev.Request
	case SimulateRequested:
		return ev.Request
	case DescribeRequested:
		return ev.Request
	case ReadinessRequested:
		return ev.Request
	case RebalanceRequested:
		return ev.Request
	case ReplayRequested:
		return ev.Request
	}
	return 0
}

// mostTogether bounds how many events one Step takes, so that it does not take long.
const mostTogether = 4096

// Together says how many of the first events may go into one Step, at least one. Reports
// may, of which many come and each is about little: what follows from them depends on the
// last, and is worked out once.
func Together(evs []Event) int {
	n := 1
	for n < min(len(evs), mostTogether) && report(evs[n-1]) && report(evs[n]) {
		n++
	}
	return n
}

// Evidence parts what says who is alive from all else; each part keeps its order. Evidence
// of a member that is not known yet says nothing, so it may go first.
func Evidence(evs []Event) (evidence, rest []Event) {
	for _, ev := range evs {
		switch ev.(type) {
		case BeatArrived, ProbeResult, OpinionArrived, Disconnected, GatewayBeatArrived:
			evidence = append(evidence, ev)
		default:
			rest = append(rest, ev)
		}
	}
	return evidence, rest
}

func report(ev Event) bool {
	switch ev.(type) {
	case StatusChanged, WriteDone, FactsChanged, BeatArrived:
		return true
	}
	return false
}
