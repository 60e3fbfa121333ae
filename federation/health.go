package federation

import (
	"fmt"
	"time"
)

// Health is the state of a member in the eyes of the hub. The zero value is
// Joining.
type Health uint8

// The health states. Their order has no meaning.
const (
	Joining     Health = iota // joined, no beat yet
	Healthy                   // beats arrive, API answers
	Suspect                   // silent longer than expected; traffic may shift
	Unreachable               // the verdict: corroborated loss; the dwell runs
	Fenced                    // proven that it runs nothing that must run once
	Returning                 // first beat after Unreachable or Fenced; challenged
	Quarantined               // proves that everything of an old epoch has stopped
	Reconciling               // caches synced, deletions within budget, nearly back
	Degraded                  // beats arrive, but API server or data plane do not answer
)

var healthNames = [...]string{"Joining", "Healthy", "Suspect", "Unreachable", "Fenced", "Returning", "Quarantined", "Reconciling", "Degraded"}

// String returns the name that users see, for example "Unreachable".
func (h Health) String() string {
	if int(h) < len(healthNames) {
		return healthNames[h]
	}
	return fmt.Sprintf("Health(%d)", uint8(h))
}

// ParseHealth is the inverse of String.
func ParseHealth(s string) (Health, error) {
	for i, n := range healthNames {
		if n == s {
			return Health(i), nil
		}
	}
	return Joining, fmt.Errorf("health %q is not one of %v", s, healthNames)
}

// Known reports whether what the member last said still describes it. In every
// other state its workloads read Unknown and its endpoints leave the answers.
func (h Health) Known() bool {
	return h == Healthy || h == Suspect || h == Degraded || h == Reconciling
}

// Layers is the layered health that a beat carries: what the agent saw of its
// own cluster. Absent evidence (no ingress self test) is nil-like: Ingress "".
type Layers struct {
	API        Signal `json:"api"`               // apiserver /readyz
	Etcd       Signal `json:"etcd"`              // apiserver /readyz/etcd
	Ingress    Signal `json:"ingress,omitempty"` // self test of the exported ingress
	Nodes      int64  `json:"nodes"`
	NodesReady int64  `json:"nodesReady"`
}

// Signal is one piece of evidence: green, red, or absent (the zero value), which
// votes neither way.
type Signal uint8

// The signals.
const (
	Absent Signal = iota // the site cannot give this evidence
	Green                // answered, and well
	Red                  // did not answer, or badly
)

var signalNames = [...]string{"absent", "green", "red"}

// String returns "absent", "green" or "red".
func (s Signal) String() string {
	if int(s) < len(signalNames) {
		return signalNames[s]
	}
	return fmt.Sprintf("Signal(%d)", uint8(s))
}

// Beat is one heartbeat of an agent, sent every 250 ms on core NATS.
type Beat struct {
	Member      string
	Incarnation Incarnation
	Sequence    uint64
	// Stall is the longest time in the last second for which the agent itself
	// did not run.
	Stall time.Duration
	// HubSequence is the highest hub beat the agent heard, and HubAge how long
	// ago by the agent's monotonic clock; so both sides see one-way loss.
	HubSequence uint64
	HubAge      time.Duration
	// HubTerm is the highest term of a hub that the agent heard; a hub below it is
	// one of a store that was put back.
	HubTerm uint64
	Layers  Layers
	// IngressAt is where others reach the member as its users do: "tcp://HOST:PORT", or
	// "http://HOST:PORT/PATH"; NoIngress when it has no such place, and empty while the
	// agent does not know.
	IngressAt string
	// Peers are the agent's running observations of other members.
	Peers []PeerObservation
	// Goodbye is set on the last beat of a planned stop.
	Goodbye bool
}

// NoIngress is the Beat.IngressAt of a member that has none.
const NoIngress = "none"

// PeerObservation is what one member sees of another one's ingress.
type PeerObservation struct {
	Member  string
	Ingress Signal
	Age     time.Duration // since it was observed, on the observer's clock
	Detail  string        // "connection refused"; empty when it answers
}

// Look is what an agent is to look at, over and over: the ingress of another member.
type Look struct {
	Member    string
	IngressAt string // as in a Beat
}

// Holding says that a member runs a workload under an epoch.
type Holding struct {
	Workload Key   `json:"workload"`
	Epoch    Epoch `json:"epoch"`
	// Revision of the order that it obeys; one below is none to it.
	Revision Revision `json:"revision,omitempty"`
	// Stopped is set once the member has proven that no pod of it is left.
	Stopped bool `json:"stopped,omitempty"`
}

// HealthRecord is the hub's verdict about one member, stored in bucket "health"
// so that a new hub leader goes on where the last one stopped.
type HealthRecord struct {
	Member      string      `json:"member"`
	Health      Health      `json:"health"`
	Incarnation Incarnation `json:"incarnation"`
	// Verdict is the name of the truth-table row: Healthy, BusLost, APIDown,
	// IngressDown, MgmtLost, Degraded, Unreachable, PathFault, CommandLost,
	// HubIsolated.
	Verdict string `json:"verdict,omitempty"`
	// Reason is one line for people, with the numbers: "silent 1.3 s (phi 9.1),
	// API probe refused from 2 vantage points".
	Reason string `json:"reason,omitempty"`
	// Since is the hub's wall clock at the last transition; for people.
	Since time.Time `json:"since"`
	// Ingress is where the member's ingress is, as its agent said last; empty when it has
	// none.
	Ingress string `json:"ingress,omitempty"`
	// Masked is set while a drill's fault mask makes the hub see the member so.
	Masked string `json:"masked,omitempty"`
}
