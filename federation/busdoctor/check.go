package busdoctor

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// World is what is judged.
type World struct {
	Now     time.Time
	Report  federation.BusReport
	Members []Member // by name
	// Expiries are of certificates that the servers of the bus do not tell.
	Expiries []federation.Expiry
	// Full says why the hub takes no desired state; empty while it does.
	Full string
}

// Member is what is known about a member besides the report.
type Member struct {
	Name    string
	Account string
	Healthy bool
	// CredentialsEnd is zero when that is not known.
	CredentialsEnd time.Time
	// CredentialsLate is from when on its agent should have others.
	CredentialsLate time.Time
}

// Finding is one thing that is wrong, one line each.
type Finding struct {
	Check string // the name of the check
	About string // "server a", "stream R_workloads", "member tokyo"
	Found string
	Why   string
	Do    string
}

// What the bus needs, and how bad a thing may be before it is found.
const (
	MaxPayload  = 8 << 20             // bytes of a message
	MaxControl  = 32 << 10            // bytes of a control line
	Soon        = 14 * 24 * time.Hour // before something expires
	clockSkew   = time.Second
	fullDisk    = 0.85 // share of what the store may use
	lagReplica  = 1000 // operations
	lagWorks    = 1000 // records
	redelivered = 100  // records
	connections = 2    // of one agent: control, and beats
)

// checks in the order of their findings: what stops the bus comes first.
var checks = []func(World) []Finding{
	servers, names, versions, routes, store, disk, limits, clocks,
	streams, replicas, leads, works,
	accounts, credentials, certificates, places, users, slow,
}

// Check returns what is wrong, the worst first; nothing when all is well.
func Check(w World) []Finding {
	var out []Finding
	for _, check := range checks {
		out = append(out, check(w)...)
	}
	return out
}
