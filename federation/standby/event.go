package standby

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Event is one thing that the hub learned.
type Event interface{ event() }

// MemberChanged: a member joined, or its record was written.
type MemberChanged struct{ Spec federation.MemberSpec }

// MemberRemoved: the member left the federation.
type MemberRemoved struct{ Member string }

// HealthLoaded: what the leader has stored about a member.
type HealthLoaded struct{ Record federation.HealthRecord }

// Synced: all records of members, and all of their health, were fed.
type Synced struct{}

// BeatArrived: a member's heartbeat. The caller has checked that it came from the
// member's own account.
type BeatArrived struct{ Beat federation.Beat }

// ProbeResult: what Vantage ("hub", or a member) saw of a member.
type ProbeResult struct {
	Vantage string
	Reply   federation.ProbeReply
}

// Disconnected: a server of the bus has lost a connection of the member.
type Disconnected struct{ Member string }

// LeaderBeat: the beat of the hub that leads.
type LeaderBeat struct{ Beat federation.HubBeat }

// OpinionArrived: what another standby says; here only that it is there counts.
type OpinionArrived struct{ Opinion federation.Opinion }

// Stalled: the hub's own loop did not run for so long.
type Stalled struct{ For time.Duration }

// Tick: the Deadline has come.
type Tick struct{}

func (MemberChanged) event()  {}
func (MemberRemoved) event()  {}
func (HealthLoaded) event()   {}
func (Synced) event()         {}
func (BeatArrived) event()    {}
func (ProbeResult) event()    {}
func (Disconnected) event()   {}
func (LeaderBeat) event()     {}
func (OpinionArrived) event() {}
func (Stalled) event()        {}
func (Tick) event()           {}

// Effect is one thing to be done.
type Effect interface{ effect() }

// AskProbe has each vantage look at a member, all at once. What each sees comes back as
// ProbeResult.
type AskProbe struct {
	Request  federation.ProbeRequest
	Vantages []string
}

// SendOpinion says what this hub hears, to the other hubs and to gateways.
type SendOpinion struct{ Opinion federation.Opinion }

func (AskProbe) effect()    {}
func (SendOpinion) effect() {}
