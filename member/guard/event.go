package guard

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Event is one thing that the agent learned.
type Event interface{ event() }

// WorkReceived: the record of a work, live or delivered again. Revision is that of the record in the member's work bucket.
type WorkReceived struct {
	Work     federation.Work
	Revision federation.Revision
}

// WorkGone: the record was deleted. It is housekeeping of the hub, and no order.
type WorkGone struct {
	Workload federation.Key
	Revision federation.Revision // of the deletion
}

// HubBeatHeard: the hub's beat arrived.
type HubBeatHeard struct{ Beat federation.HubBeat }

// HelloReplied: the hub says what may run.
type HelloReplied struct{ Reply federation.HelloReply }

// HelloFailed: no answer, or a refusal.
type HelloFailed struct{ Reason string }

// Landed: the objects of that order are applied.
type Landed struct {
	Workload federation.Key
	Epoch    federation.Epoch
	Revision federation.Revision
}

// RemovedProven: no object and no pod of the workload is left.
type RemovedProven struct {
	Workload federation.Key
	Epoch    federation.Epoch
}

// StoppedProven: no pod of the workload is left; its objects may be.
type StoppedProven struct {
	Workload federation.Key
	Epoch    federation.Epoch
}

// RenewAnswered: the answer to a RenewLease. SentAt is the now of the Step that
// asked for it, by this member's monotonic clock.
type RenewAnswered struct {
	Workload federation.Key
	Epoch    federation.Epoch
	Sequence uint64 // of the RenewLease
	SentAt   time.Time
	Grant    federation.Grant
}

// PeerAnswered: a peer answers the AskPeers with that sequence.
type PeerAnswered struct {
	Sequence uint64
	Peer     string
	Reply    federation.AttestReply
}

// AttestAsked: another member, which no hub answers, asks whether it may go on. Answered
// by Attested with the same request.
type AttestAsked struct {
	Request uint64
	Ask     federation.AttestRequest
}

// CachesSynced: the agent's view of its cluster is complete.
type CachesSynced struct{}

// Tick: the Deadline has come.
type Tick struct{}

func (WorkReceived) event()  {}
func (WorkGone) event()      {}
func (HubBeatHeard) event()  {}
func (HelloReplied) event()  {}
func (HelloFailed) event()   {}
func (Landed) event()        {}
func (RemovedProven) event() {}
func (StoppedProven) event() {}
func (RenewAnswered) event() {}
func (PeerAnswered) event()  {}
func (AttestAsked) event()   {}
func (CachesSynced) event()  {}
func (Tick) event()          {}

// Effect is one thing that the agent has to do. Effects of a Step are carried
// out in their order; a Persist is durable before what follows it is begun.
type Effect interface{ effect() }

// Keep changes the store of works, in one transaction: the orders of this Step that a
// restart may need are added as they came, under the revisions of their records. The
// records of this Step's events are acknowledged after that, and after what Persist
// says. UpTo and Whole are those of the Store that the next life reads.
type Keep struct {
	Add, Drop []Kept
	UpTo      federation.Revision
	Whole     bool
}

// Persist writes the guard's state; Restore reads it.
type Persist struct{ State []byte }

// KeepLeases writes down what at-most-one workloads may run here, before anything that
// follows it. It need not outlive the machine's power, since its times mean nothing after
// that: they are of this life's monotonic clock.
type KeepLeases struct{ Held Held }

// AskPeers asks each peer to attest that it runs none of the workloads, has no order to,
// and hears no hub. Each that does, or refuses, is fed as PeerAnswered.
type AskPeers struct {
	Sequence uint64
	Peers    []federation.Peer
	Claims   []federation.Attestation
}

// Attested answers an AttestAsked.
type Attested struct {
	Request uint64
	Reply   federation.AttestReply
}

// Land applies the objects of a work. Prune says whether objects that the work
// no longer has may be deleted. Careful: it goes on after a restart, and takes nothing
// away, neither objects nor replicas. Answered by Landed.
type Land struct {
	Work     federation.Work
	Revision federation.Revision
	Prune    bool
	Careful  bool
}

// Remove deletes what runs of the workload under an epoch up to Epoch. Answered
// by RemovedProven, also when there was nothing. It may come again.
type Remove struct {
	Workload federation.Key
	Epoch    federation.Epoch
	Landing  federation.LandingSpec
	Reason   string
}

// Stop stops the pods of an at-most-one workload and keeps its objects. Answered
// by StoppedProven. It may come again.
type Stop struct {
	Workload federation.Key
	Epoch    federation.Epoch
	Reason   string
}

// SendHello tells the hub what runs here. Answered by HelloReplied or
// HelloFailed.
type SendHello struct{ Hello federation.Hello }

// RenewLease asks the hub for the right to run an at-most-one workload. Answered
// by RenewAnswered, or not at all.
type RenewLease struct {
	Workload federation.Key
	Epoch    federation.Epoch
	Sequence uint64
	Held     bool   // it runs under a lease that still holds
	Peers    uint64 // version of those that it would ask
}

// Report is what observing the cluster cannot tell: that a work is held back,
// being removed, or proven gone.
type Report struct {
	Workload         federation.Key
	Epoch            federation.Epoch
	WorkloadRevision federation.Revision
	State            federation.WorkState
	Message          string
}

func (Keep) effect()       {}
func (Persist) effect()    {}
func (KeepLeases) effect() {}
func (AskPeers) effect()   {}
func (Attested) effect()   {}
func (Land) effect()       {}
func (Remove) effect()     {}
func (Stop) effect()       {}
func (SendHello) effect()  {}
func (RenewLease) effect() {}
func (Report) effect()     {}
