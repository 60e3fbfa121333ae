package federation

import "time"

// Hello is an agent's account of itself to the hub: sent at the start of each
// incarnation, on the hub's challenge, and again while it is quarantined.
type Hello struct {
	Member      string
	Incarnation Incarnation
	// Sequence orders the hellos and renewals of one incarnation as they were sent.
	Sequence  uint64
	ClusterID string
	Holdings  []Holding // sorted by workload
	// Synced is set once the agent's caches hold the present state of its cluster.
	Synced bool
	// Held: every order up to this revision of the member's work bucket is on the
	// agent's disk; 0: some may be lost, and all are wanted again.
	Held Revision
	// AgentAt is "HOST:PORT" of the agent's own port, where others reach it beside the
	// bus; empty when it has none.
	AgentAt string
}

// AllHeld, as what an agent holds, says that a hub has answered this life of it already:
// what it had lost has come again, and from then on it loses nothing.
const AllHeld = ^Revision(0)

// HelloReply tells the agent what it may run.
type HelloReply struct {
	Term   uint64 // of the hub's leadership
	Health Health // of the member as the hub sees it now
	// Keep stays, with the epoch it runs under from now on.
	Keep []Holding
	// Stop must be stopped, and proven so by the next Hello.
	Stop []Holding
	// Reason says why the member waits, for people.
	Reason string
	// Synced is that of the Hello that is answered: what a member has learned since
	// then, the hub does not know.
	Synced bool
	// BusURLs and BusCA (PEM) are where the bus is now, as in a JoinReply.
	BusURLs []string
	BusCA   []byte
}

// RenewRequest asks the hub for the right to run an at-most-one workload.
type RenewRequest struct {
	Member      string
	Incarnation Incarnation
	Sequence    uint64 // as that of a Hello
	Workload    Key
	Epoch       Epoch
	// Held is set while the member runs it under an earlier grant that still
	// holds on its own clock.
	Held bool
	// Peers is the version of those that the member would ask, were the hub away.
	Peers uint64
}

// Grant answers a RenewRequest. The member counts TTL from when it sent the
// request, the hub from when it answered.
type Grant struct {
	TTL time.Duration
	// Denied says why the member may not run it; empty when it may.
	Denied string
	// Peers are those that the member asks while no hub answers.
	Peers Peers
}

// Peers are the members whose word prolongs one member's leases while no hub answers: all
// of them together.
type Peers struct {
	Version uint64 // grows with each change; 0: the hub names none
	Members []Peer // sorted by name
}

// Peer is one of them.
type Peer struct {
	Member string
	At     string // "HOST:PORT" of its agent
}

// AttestRequest asks a peer whether the member may go on with what it runs.
type AttestRequest struct {
	Member string
	Claims []Attestation
}

// Attestation is that nobody else runs the workload, or is to, as far as a peer knows.
type Attestation struct {
	Workload Key
	Epoch    Epoch // under which it runs
}

// AttestReply is the peer's word.
type AttestReply struct {
	Attested []Attestation
	Refused  []AttestRefusal // the other claims
}

// AttestRefusal is one claim that a peer does not attest.
type AttestRefusal struct {
	Workload Key
	Why      string
}

// ProbeRequest asks an agent to look at another member: at its API server, at its ingress,
// and at its agent's port.
type ProbeRequest struct {
	Member    string
	URL       string // of the API server, "https://127.0.0.1:7501"
	CA        []byte // PEM
	IngressAt string // as in a Beat; empty: it has none
	AgentAt   string // as in a Hello; empty: it has none
	Timeout   time.Duration
	// Survey marks a look that only measures the way; it is no evidence.
	Survey bool
}

// ProbeReply is what was seen.
type ProbeReply struct {
	Member string // that was looked at
	Signal Signal // of the API server
	Detail string // "HTTP 200 in 3 ms", "connection refused"
	// Ingress is what was seen of the ingress, and IngressDetail how.
	Ingress       Signal
	IngressDetail string
	// Agent is what was seen of the agent's port, and AgentDetail how.
	Agent       Signal
	AgentDetail string
	// RoundTrip to the API server: the time of TCP's handshake; 0 without one.
	RoundTrip time.Duration
	Survey    bool // as asked
}

// CertificateRequest asks the hub for a certificate of the federation, for the agent's
// port and for what the agent asks there of others.
type CertificateRequest struct {
	Member    string
	PublicKey []byte // Ed25519, of a key that stays with the agent
}

// CertificateReply has the certificate, and that of the CA that signed it.
type CertificateReply struct {
	Certificate []byte // DER
	CA          []byte // DER
}

// Alive is what an agent says at its own port.
type Alive struct {
	Member      string      `json:"member"`
	Incarnation Incarnation `json:"incarnation"`
	// HubAgeMillis is how long ago it has heard a hub; nil: never in this life.
	HubAgeMillis *int64 `json:"hubAgeMillis,omitempty"`
}

// QueryReport says how often clients asked a gateway for services since its last
// report.
type QueryReport struct {
	Gateway string
	Counts  []QueryCount
}

// QueryCount is the number of queries for one service from one place.
type QueryCount struct {
	Service Key
	At      string // a region or city of the catalogue, or "lat,long"
	Queries int64
}

// GatewayBeat says what a gateway has applied of the hub's beats.
type GatewayBeat struct {
	Gateway   string
	Term      uint64
	Sequence  uint64
	Withdrawn []string // members whose endpoints are out of its answers, sorted
}

// JoinRequest is what an agent says of itself when it joins.
type JoinRequest struct {
	TokenID     string
	TokenSecret string
	Member      string
	Place       Place
	Labels      map[string]string
	ClusterID   string
	ProbeURL    string
	ProbeCA     []byte // PEM
	UserKey     string // public nkey of the agent's bus user
	SealKey     string // public curve key for secrets
	Version     string
	Federation  string // that the cluster says it belongs to; "" if to none
}

// JoinReply has the agent's credentials.
type JoinReply struct {
	UserJWT   string
	BusURLs   []string
	BusCA     []byte // PEM
	Account   string
	ExpiresAt time.Time
	// Federation identifies the federation.
	Federation string
}

// TokenRequest asks for a one-time join token bound to a member's name.
type TokenRequest struct {
	Member string
	TTL    time.Duration
}

// TokenReply has the token; its secret is not stored.
type TokenReply struct {
	ID        string
	Secret    string
	ExpiresAt time.Time
}

// Token is a join token as stored in bucket "tokens".
type Token struct {
	ID         string
	Member     string
	SecretHash []byte // SHA-256
	ExpiresAt  time.Time
	Used       bool
}

// TokensRequest asks for all join tokens, or to revoke one first.
type TokensRequest struct {
	Revoke string // id; empty revokes none
}

// TokensReply lists the join tokens, without the hashes of their secrets, by member
// and expiry.
type TokensReply struct{ Tokens []Token }

// ApproveRequest lets an operation go on that waits for a person.
type ApproveRequest struct {
	ID  string
	Who string
}

// FreezeRequest stops automation, or lets it act again.
type FreezeRequest struct {
	Frozen bool
	Reason string
	Who    string
}

// MemberChange asks the hub to change a member.
type MemberChange struct {
	Member string
	Action string // cordon | uncordon | drain | undrain | confirm | leave | rotate | taint | untaint | label | unlabel
	// Argument of taint is KEY[=VALUE]:EFFECT, of untaint KEY[:EFFECT], of label
	// KEY=VALUE, of unlabel KEY; of leave "retain" or "delete", and "force" after that if
	// what finds no place elsewhere is to be given up, or "forget".
	Argument string
	Who      string
}

// AbortRequest asks the hub to abort an operation.
type AbortRequest struct {
	ID     string
	Reason string
	Who    string
}

// Evidence is one observer's view of a member.
type Evidence struct {
	Observer string // "hub", or a member
	What     string // beat | api | agent | ingress
	Signal   Signal
	Age      time.Duration
	Detail   string
}
