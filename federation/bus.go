package federation

import "time"

// BusReport is how the bus is, as the hub's leader found it by asking every server.
type BusReport struct {
	At     time.Time // on the hub's clock
	Leader string    // the hub that leads; its own server has this name
	// Wanted is how many servers the bus has, as the hub is configured.
	Wanted      int
	Servers     []BusServer     // by name
	Streams     []BusStream     // worst first
	Consumers   []BusConsumer   // those that lag, worst first
	Connections []BusConnection // worst first
	// Orphans are accounts that no member has, and that were not revoked.
	Orphans []string
	// Omitted says what was left out because there is too much of it, or could not be
	// found out.
	Omitted []string
}

// BusServer is one server of the bus.
type BusServer struct {
	Name    string
	ID      string
	Version string
	Started time.Time
	// ClockOffset is how far its clock is before the hub's, as well as one answer tells.
	ClockOffset  time.Duration
	CPU          float64 // percent of one core
	Memory       int64   // bytes
	Connections  int64
	SlowClients  int64 // cut off since its start because they did not read
	Leads        int64 // streams
	LeadsCluster bool
	Routes       []BusRoute
	JetStream    BusStore
	MaxPayload   int64 // bytes
	MaxControl   int64 // bytes of one control line
	// CertificateEnds is zero when the server does not tell.
	CertificateEnds time.Time
	// Lacks are the members whose accounts it does not hold.
	Lacks []string
}

// BusRoute is a connection to another server.
type BusRoute struct {
	Server  string
	RTT     time.Duration
	Pending int64 // bytes
}

// BusStore is what a server keeps of streams.
type BusStore struct {
	Enabled    bool
	SyncAlways bool
	Domain     string
	Used       int64 // bytes on disk
	Limit      int64 // bytes; what it may use at most; 0: what the disk has
	Memory     int64 // bytes
}

// BusStream is a bucket as the servers keep it.
type BusStream struct {
	Bucket   string // "works" for those of a member
	Stream   string
	Member   string // whose works; empty for other buckets
	Missing  bool
	Records  int64
	Bytes    int64
	Leader   string
	Replicas []BusReplica // without the leader's
	Wrong    []string     // how it differs from what it should be
}

// BusReplica is one copy of a stream.
type BusReplica struct {
	Server  string
	Current bool
	Offline bool
	Lag     int64 // operations
}

// BusConsumer is a reader of a stream as its server sees it.
type BusConsumer struct {
	Bucket      string
	Stream      string
	Name        string
	Member      string // whose works; empty for other buckets
	Durable     bool
	Pending     int64 // records not delivered yet
	Unacked     int64 // delivered and not acknowledged
	Redelivered int64 // of those, delivered more than once
}

// BusConnection is one client of a server.
type BusConnection struct {
	Server  string
	Member  string // empty for hubs and gateways
	Role    string // of those without a member: hub, gateway, system, unknown
	Name    string // as the client calls itself
	Account string
	User    string // public key
	Address string // IP
	RTT     time.Duration
	Since   time.Time
	Pending int64 // bytes
	Stalls  int64 // how often it held others up
	// Expires is when its credentials end; zero when they do not.
	Expires time.Time
	// Closed says when and why the server closed it; only slow clients of late are
	// kept.
	Closed time.Time
	Reason string
}

// Expiry is something that ends at a time: credentials, or a certificate.
type Expiry struct {
	Kind  string // "credentials", "certificate"
	About string // "member tokyo", "server a", "CA of the bus"
	Ends  time.Time
	// Soon is from when on it is told; zero: two weeks before.
	Soon time.Time
}
