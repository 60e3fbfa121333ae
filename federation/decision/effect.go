package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// Effect is one thing that the shell has to do. Effects of a Step are carried
// out in their order. Writes may be under way together; those into one bucket
// start in their order. Every write is answered by one WriteDone with its ID.
//
// The order that matters: an assignment is durable (PutAssignment answered
// Written, or read back) before any PutWork of it; an operation's record is
// durable before what it does; a hub beat waits for no write.
type Effect interface{ effect() }

// PutAssignment writes a decision if the record has the expected revision.
// Neighbours may be written as one batch; when the batch conflicts, one by one.
type PutAssignment struct {
	ID         uint64
	Assignment federation.Assignment
	Expected   federation.Revision
}

// DeleteAssignment removes the record of a workload that is gone everywhere.
type DeleteAssignment struct {
	ID       uint64
	Key      federation.Key
	Expected federation.Revision
}

// PutHealth writes a verdict.
type PutHealth struct {
	ID       uint64
	Record   federation.HealthRecord
	Expected federation.Revision
}

// PutOperation writes the state of an operation.
type PutOperation struct {
	ID        uint64
	Operation federation.Operation
	Expected  federation.Revision
}

// PutMember writes a member's record.
type PutMember struct {
	ID       uint64
	Spec     federation.MemberSpec
	Expected federation.Revision
}

// DeleteMember removes a member that leaves: its record after its health, facts,
// statuses and exports, so that nothing is left for the next one of its name; then its
// credentials.
type DeleteMember struct {
	ID       uint64
	Member   string
	Account  string
	Expected federation.Revision
	// Done: its agent has done its part, so that its credentials may end before the
	// record does; then no hub that dies between the two lets them live.
	Done bool
}

// EndUser has the bus refuse one user of a member's account; its live connections are
// cut. The shell repeats it until it is done, and feeds UserEnded then.
type EndUser struct{ Member, Account, Key string }

// OrderRotation tells an agent to replace its user of the bus. It is repeated.
type OrderRotation struct {
	Account string
	Order   federation.RotationOrder
}

// OrderLeave tells an agent to let go of its cluster. It is repeated.
type OrderLeave struct {
	Account string
	Order   federation.LeaveOrder
}

// PutWork hands a work to a member, whatever revision its record has: repeating
// it is harmless, since works carry an epoch.
//
// The shell seals the Secrets among its objects to SealKey, which is set when there are
// any, before anything is written.
type PutWork struct {
	ID      uint64
	Account string
	Work    federation.Work
	SealKey string
}

// DropWork deletes the record of a work whose removal was proven, and the status
// record that proved it. That there is none counts as Written.
type DropWork struct {
	ID      uint64
	Account string
	Member  string
	Key     federation.Key
}

// ReadRecord asks for the present version of a record; the answer is the event
// of that Source for Name ("shop/web", a member, an operation's ID), with
// Revision 0 when there is none. The shell repeats it until it can be answered.
type ReadRecord struct {
	Source Source
	Name   string
}

// SendHubBeat says what the hub knows to every gateway, on core NATS, and to the members
// in To their part of that. One that is Early, since traffic must shift, is for the
// gateways alone: members hear the next.
type SendHubBeat struct {
	Beat  federation.HubBeat
	Early bool
	Looks map[string][]federation.Look // what each member is to look at; never changed
	To    []string                     // sorted
}

// For is what one member hears of it.
func (e SendHubBeat) For(member string) federation.HubBeat {
	b := e.Beat.For(member)
	b.Looks = e.Looks[member]
	return b
}

// AskProbe has each vantage point ("hub", or a member) look at a member. Those that answer
// in time are fed as ProbeResult.
type AskProbe struct {
	Vantages []string
	Request  federation.ProbeRequest
}

// Outranked: most members, or a gateway, follow a hub of that term, which is above this
// one's. Nobody listens to this one; its leadership has to end, and the next to begin
// above the term.
type Outranked struct{ Term uint64 }

// Survey has a member look at another one's API server, to learn how long the way
// is. The answer, if one comes, is fed as Measured.
type Survey struct {
	Vantage string
	Member  string
	URL     string
	CA      []byte // PEM
	Timeout time.Duration
}

// Audit has placement.Readiness computed beside the machine, since it may take
// seconds; Audited answers it. Nothing in it changes any more.
type Audit struct {
	Snapshot *placement.Snapshot
	Requests []placement.Request
}

// PutEvent appends to the history, for people. Nothing waits for it.
type PutEvent struct{ Event federation.Event }

// Reply answers the request with that number: with Answer, whose type the
// request names, or with a Refusal.
type Reply struct {
	Request uint64
	Answer  any
	Refusal *Refusal
}

// Refusal says no. Kind is one of the closed set of package messaging.
type Refusal struct {
	Kind string // Invalid | NotFound | Conflict | Refused | Denied | Unavailable
	Text string // one line: what was wrong, where, what to do about it
}

func (PutAssignment) effect()    {}
func (DeleteAssignment) effect() {}
func (PutHealth) effect()        {}
func (PutOperation) effect()     {}
func (PutMember) effect()        {}
func (DeleteMember) effect()     {}
func (Outranked) effect()        {}
func (EndUser) effect()          {}
func (OrderRotation) effect()    {}
func (OrderLeave) effect()       {}
func (PutWork) effect()          {}
func (DropWork) effect()         {}
func (ReadRecord) effect()       {}
func (SendHubBeat) effect()      {}
func (AskProbe) effect()         {}
func (Survey) effect()           {}
func (Audit) effect()            {}
func (PutEvent) effect()         {}
func (Reply) effect()            {}
