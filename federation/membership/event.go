package membership

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Event is one thing that the hub learned. Events about a member that was not
// added change nothing.
type Event interface{ event() }

// MemberAdded: a member joined, or its record changed. Place, probe and identity
// matter here. Another ClusterID or JoinedAt means that it joined anew: its
// incarnations count from the beginning.
type MemberAdded struct{ Spec federation.MemberSpec }

// MemberRemoved: the member left the federation and is forgotten.
type MemberRemoved struct{ Member string }

// Restored brings back the state of a member as the last hub left it. It follows
// MemberAdded and is ignored once this machine has judged the member by itself.
// Silence counts from this Step.
type Restored struct{ Record federation.HealthRecord }

// BeatArrived: a heartbeat, by whatever path. Double, late and replayed ones are
// ignored. The caller has checked that it came from the member.
type BeatArrived struct{ Beat federation.Beat }

// ProbeResult: what Vantage ("hub", or a member) saw of a member's API server, of its agent
// and of its ingress.
type ProbeResult struct {
	Vantage string
	Reply   federation.ProbeReply
}

// Goodbye: the agent said that it stops as planned. Beat.Goodbye says the same.
type Goodbye struct {
	Member      string
	Incarnation federation.Incarnation
}

// Disconnected: the bus saw the member's connection end. It makes the machine ask
// earlier; it is no evidence of death.
type Disconnected struct{ Member string }

// HubStalled: the hub's own loop did not run for so long until now. What the
// machine noticed by its own late call is not counted twice.
type HubStalled struct{ For time.Duration }

// HubBeatSent: the hub's beat of that sequence went out now. Members say which
// one they heard last, and how long ago; so an old beat of theirs is known as
// old, and a member that hears nothing is seen.
type HubBeatSent struct{ Sequence uint64 }

// MaskSet sets a fault mask or renews it. It ends after its Lifetime (at most 15
// minutes) unless renewed.
type MaskSet struct{ Mask federation.FaultMask }

// MaskLifted ends the masks of an operation.
type MaskLifted struct{ Operation string }

// ReturnStep says how far the return of a member has come. Phases come in their
// order; one that is repeated, early, or of another incarnation changes nothing.
type ReturnStep struct {
	Member      string
	Incarnation federation.Incarnation
	Phase       Phase
}

// Phase is a part of the return protocol that is done.
type Phase uint8

// The phases of a return.
const (
	Answered Phase = iota // the challenge: it said what it holds
	Stopped               // everything of an old epoch is proven to have stopped
	Synced                // its caches hold the present state of its cluster
)

// FenceProven: the member runs nothing that must run once, proven or by leases
// that have run out.
type FenceProven struct {
	Member string
	Reason string
}

// Tick: the Deadline has come.
type Tick struct{}

func (MemberAdded) event()   {}
func (MemberRemoved) event() {}
func (Restored) event()      {}
func (BeatArrived) event()   {}
func (ProbeResult) event()   {}
func (Goodbye) event()       {}
func (Disconnected) event()  {}
func (HubStalled) event()    {}
func (HubBeatSent) event()   {}
func (MaskSet) event()       {}
func (MaskLifted) event()    {}
func (ReturnStep) event()    {}
func (FenceProven) event()   {}
func (Tick) event()          {}
