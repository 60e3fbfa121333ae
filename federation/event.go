package federation

import (
	"slices"
	"strings"
	"time"
)

// Event is a line of the federation's history, for people: who did or decided
// what about which subject. Events are kept on the bus for some time.
type Event struct {
	Revision Revision  `json:"revision"`
	At       time.Time `json:"at"`
	Type     string    `json:"type"`            // Health | Assignment | Operation | Landing | Join | Credentials | Apply | Brake | Restore | Bus
	About    string    `json:"about"`           // "member/tokyo", "workload/shop/web", "operation/7f3a"
	Who      string    `json:"who"`             // "hub", "agent tokyo", or the identity of a client
	Text     string    `json:"text"`            // one line
	Trace    string    `json:"trace,omitempty"` // identity of the trace of what caused it; may be empty
}

// HubBeat is what the hub's leader says four times a second on core NATS: to
// agents, that it hears them, each its own part (For), where there are many less often; to
// gateways, which members carry traffic. It needs no store, so a traffic shift does not wait for one.
type HubBeat struct {
	// Term is the term of the hub's leadership; it grows with each new leader,
	// and receivers ignore beats of a lower one.
	Term     uint64
	Sequence uint64 // grows within a term
	// Hub is the instance that leads, and Hubs how many there are with it, as far as it
	// has heard.
	Hub  string
	Hubs int64
	// Members has every member's health, sorted by name.
	Members []MemberBeat
	// Masks are the fault masks in force.
	Masks []FaultMask
	// Frozen is the brake's reason; empty when automation may act.
	Frozen string
	// Full says why no desired state is taken: the bus's disk has little room; empty
	// while it has.
	Full string
	// Heads has, for gateways, the last revision of each bucket that the hub has seen or
	// written: who has less for long is behind.
	Heads map[string]Revision
	// Imports is, for agents, the revision of the clusterset within the term; 0 while the
	// hub does not know it.
	Imports uint64
	// Looks is, for one member, what its agent is to look at until it is told otherwise.
	Looks []Look
}

// For is the part of the beat that concerns one member: its own line, and the masks that
// it is in. With that, what members hear grows with their number and not its square.
func (b HubBeat) For(member string) HubBeat {
	out := HubBeat{Term: b.Term, Sequence: b.Sequence}
	at, found := slices.BinarySearchFunc(b.Members, member, func(line MemberBeat, name string) int { return strings.Compare(line.Member, name) })
	if found {
		out.Members = b.Members[at : at+1 : at+1]
	}
	for _, mask := range b.Masks {
		if slices.Contains(mask.Members, member) {
			out.Masks = append(out.Masks, mask)
		}
	}
	return out
}

// MemberBeat is one member's line in a HubBeat.
type MemberBeat struct {
	Member      string
	Health      Health
	Incarnation Incarnation
	// Withdrawn is set while the member's endpoints must not be in answers.
	Withdrawn bool
	// HeardAge is how long ago the hub heard the member's last beat.
	HeardAge time.Duration
	Masked   bool
}

// Opinion is what a hub that does not lead says, at most four times a second, of what it
// hears of the members itself: to the hub that leads, as one observer more; to gateways,
// for the time in which no hub leads. It decides nothing.
type Opinion struct {
	Hub      string // the instance; no other hub has it
	Name     string // what people call it
	Term     uint64 // the highest in which it heard a hub lead
	Sequence uint64 // grows while the hub speaks
	// Members are those that it does not hear well, sorted by name; it hears all others.
	Members []MemberOpinion
}

// Of is the opinion about one member; false when the hub hears it well.
func (o Opinion) Of(member string) (MemberOpinion, bool) {
	at, found := slices.BinarySearchFunc(o.Members, member, func(line MemberOpinion, name string) int { return strings.Compare(line.Member, name) })
	if !found {
		return MemberOpinion{}, false
	}
	return o.Members[at], true
}

// MemberOpinion is one member's line in an Opinion.
type MemberOpinion struct {
	Member  string
	Health  Health
	Verdict string // the row of the truth table
	Reason  string // the evidence, in one line
	// Silent is set while no beats arrive.
	Silent   bool
	HeardAge time.Duration // since the last beat; less than 0: never heard
	// Withdrawn is set once it is Unreachable, until it has been well for some time.
	Withdrawn bool
	// API is what the hub saw of its API server since it fell silent, and Agent of its
	// agent's port.
	API, Agent Signal
}
