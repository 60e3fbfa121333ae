package federation

import "time"

// Epoch is a fencing token of one workload. It grows by one whenever the set of
// members that may run the workload changes, and never goes back. An order that
// carries an epoch below the highest one its receiver has seen changes nothing.
// The zero Epoch means "never assigned".
type Epoch uint64

// Incarnation counts the lives of one agent. The agent increments it on disk
// before its first beat, so a beat of an earlier life is recognised as late.
type Incarnation uint64

// Revision is the number that the store gave to a write: it grows within one
// bucket and identifies one version of a record. Zero means "does not exist".
type Revision uint64

// Place says where a caller or a member is. Empty strings and zero coordinates
// mean "not known".
type Place struct {
	// Region is a name of the built-in catalogue (for example "eu-central") or
	// one of the configuration.
	Region string `json:"region,omitempty"`
	// Zone is a zone within Region (for example "eu-central-1a").
	Zone string `json:"zone,omitempty"`
	// Provider names who runs the place (for example "aws", "gcp", "local").
	Provider string `json:"provider,omitempty"`
	// Jurisdiction is the ISO 3166-1 alpha-2 code of the law that holds there,
	// with "EU" understood as the set of its states by package placement.
	Jurisdiction string `json:"jurisdiction,omitempty"`
	// Latitude in degrees, north positive, −90 to 90.
	Latitude float64 `json:"latitude,omitempty"`
	// Longitude in degrees, east positive, −180 to 180.
	Longitude float64 `json:"longitude,omitempty"`
}

// Located reports whether the place has coordinates. The point 0°N 0°E, in the
// Gulf of Guinea, counts as unknown.
func (p Place) Located() bool { return p.Latitude != 0 || p.Longitude != 0 }

// Resources is an amount of what pods consume. The zero value is nothing.
type Resources struct {
	MilliCPU    int64            `json:"milliCPU,omitempty"`    // thousandths of a core
	MemoryBytes int64            `json:"memoryBytes,omitempty"` // bytes
	Pods        int64            `json:"pods,omitempty"`        // pod slots
	Extended    map[string]int64 `json:"extended,omitempty"`    // for example "nvidia.com/gpu"; never changed in place
}

// NodeClass is a group of nodes of one member with the same allocatable
// resources. Free room is told per class so that a pod larger than any single
// node's free room is not counted as fitting.
type NodeClass struct {
	Name        string    `json:"name,omitempty"` // instance type, or a hash of the allocatable resources
	Nodes       int64     `json:"nodes"`
	Allocatable Resources `json:"allocatable"` // of one node
	// Free lists the free room of each node of the class that has some left,
	// largest first. It may be cut to the first 64 nodes; Room below is exact.
	Free []Resources `json:"free,omitempty"`
	// Room is the free room of all nodes of the class together.
	Room Resources `json:"room"`
	// Taints that keep pods away which do not tolerate them, sorted; only of Tainted.
	Taints []Taint `json:"taints,omitempty"`
}

// Quota is what the ResourceQuotas of one namespace of a member still allow: the
// least of each resource over all of them.
type Quota struct {
	Namespace string `json:"namespace"`
	// Free by resource: "cpu" (thousandths of a core), "memory" (bytes), "pods", and
	// extended resources by name. What is missing is not bounded. Never changed in
	// place.
	Free map[string]int64 `json:"free"`
}

// TaintEffect says what a taint does; the values are those of Kubernetes.
type TaintEffect string

// The taint effects.
const (
	NoSchedule       TaintEffect = "NoSchedule"
	PreferNoSchedule TaintEffect = "PreferNoSchedule"
	NoExecute        TaintEffect = "NoExecute"
)

// Taint keeps workloads off a member unless they tolerate it.
type Taint struct {
	Key    string      `json:"key"`
	Value  string      `json:"value,omitempty"`
	Effect TaintEffect `json:"effect"`
}

// MemberSpec is what an operator or the join decided about a member. The hub
// stores one record per member in bucket "members".
type MemberSpec struct {
	Name     string            `json:"name"`
	Place    Place             `json:"place"`
	Labels   map[string]string `json:"labels,omitempty"`
	Taints   []Taint           `json:"taints,omitempty"`
	Cordoned bool              `json:"cordoned,omitempty"` // takes no new replicas
	Draining bool              `json:"draining,omitempty"` // gives away its replicas
	// Account is the public account key of the member on the bus.
	Account string `json:"account,omitempty"`
	// ClusterID is the uid of the kube-system namespace of the cluster that
	// joined under this name; another cluster cannot come back as this member.
	ClusterID string `json:"clusterID,omitempty"`
	// ProbeURL is the address of the member's API server for the off-bus probe
	// ("https://127.0.0.1:7501"); empty when it cannot be reached from outside.
	ProbeURL string `json:"probeURL,omitempty"`
	// ProbeCA is the PEM of the CA that signs the API server's certificate.
	ProbeCA  []byte    `json:"probeCA,omitempty"`
	JoinedAt time.Time `json:"joinedAt"`
	// SealKey is the public curve key of the agent that secrets are sealed to; empty
	// when the agent is too old to have one.
	SealKey string `json:"sealKey,omitempty"`
	// SealedTo is the key that every work with secrets in the member's bucket is known
	// to be sealed to. While it is not SealKey, they are being sent again.
	SealedTo string `json:"sealedTo,omitempty"`
	// User is the agent's present user of the bus; without a key when its agent is too
	// old to have told.
	User BusUser `json:"user,omitzero"`
	// NextUser was signed for the agent, which has not said yet that it uses it.
	NextUser BusUser `json:"nextUser,omitzero"`
	// EndedUsers are the public keys that the bus has still to be told to refuse.
	EndedUsers []string `json:"endedUsers,omitempty"`
	// RotateBy is when User ends, whatever the agent has done by then: an operator
	// wants it replaced. Zero: nobody does.
	RotateBy time.Time `json:"rotateBy,omitzero"`
	// Leaving is set while the member leaves.
	Leaving Leaving `json:"leaving,omitzero"`
	// AgentAt is "HOST:PORT" of the agent's own port, as it said with its last hello;
	// empty when it has none.
	AgentAt string `json:"agentAt,omitempty"`
	// Peers are those whose word prolongs the member's leases while no hub answers.
	Peers NamedPeers `json:"peers,omitzero"`
}

// NamedPeers are the peers of a member.
type NamedPeers struct {
	Version   uint64   `json:"version"`             // grows with each change; 0: never any
	Names     []string `json:"names,omitempty"`     // of those that it is to ask, sorted
	Confirmed bool     `json:"confirmed,omitempty"` // the member has said that it asks these
	// Witnesses are those that it asks for certain, while it has not confirmed.
	Witnesses []string `json:"witnesses,omitempty"`
}

// Any reports whether the member may ask anybody.
func (p NamedPeers) Any() bool { return p.Version != 0 && (!p.Confirmed || len(p.Names) > 0) }

// Certain are those that the member asks in any case, if it asks at all.
func (p NamedPeers) Certain() []string {
	if p.Confirmed {
		return p.Names
	}
	return p.Witnesses
}

// MemberFacts is what the agent reports about its cluster, as a whole each time
// it changed. The hub stores the latest one per member.
type MemberFacts struct {
	Member            string      `json:"member"`
	Incarnation       Incarnation `json:"incarnation"`
	Sequence          uint64      `json:"sequence"` // of this report within the incarnation
	KubernetesVersion string      `json:"kubernetesVersion,omitempty"`
	Nodes             int64       `json:"nodes"`
	NodesReady        int64       `json:"nodesReady"`
	NodeKind          string      `json:"nodeKind,omitempty"` // "simulated", "containerd", "attached", "mixed"
	// NodeKinds counts the nodes of each kind.
	NodeKinds map[string]int64 `json:"nodeKinds,omitempty"`
	// Allocatable is that of all nodes that are ready, not cordoned, and without a taint
	// that keeps ordinary pods away.
	Allocatable Resources   `json:"allocatable"`
	Free        Resources   `json:"free"` // Allocatable − requests of the pods that occupy it
	Classes     []NodeClass `json:"classes,omitempty"`
	// Tainted are the classes of the nodes that are ready, not cordoned, and take pods that
	// tolerate their taints only; those with the most nodes, at most 16. Neither Allocatable
	// nor Free has them.
	Tainted []NodeClass `json:"tainted,omitempty"`
	// Quotas says what the cluster's ResourceQuotas leave, sorted by namespace.
	Quotas []Quota `json:"quotas,omitempty"`
	// Kinds lists the API kinds served, "apps/v1/Deployment", sorted.
	Kinds []string `json:"kinds,omitempty"`
	// ObservedAt is the agent's wall clock when it took the facts; for people,
	// never for decisions.
	ObservedAt time.Time `json:"observedAt"`
}
