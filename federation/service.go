package federation

import "time"

// Export is what one member serves under one exported service: the service's
// ports and the endpoints of its slices. An agent sends it whole on each change.
type Export struct {
	Member      string      `json:"member"`
	Incarnation Incarnation `json:"incarnation"`
	Sequence    uint64      `json:"sequence"` // of this report within the incarnation
	Service     Key         `json:"service"`
	Type        string      `json:"type"` // ClusterSetIP | Headless
	Ports       []Port      `json:"ports"`
	Endpoints   []Endpoint  `json:"endpoints"` // sorted by address
	// ExportedAt is the creation time of the ServiceExport; the oldest wins a
	// conflict of two members over ports, as MCS demands.
	ExportedAt time.Time `json:"exportedAt"`
	ObservedAt time.Time `json:"observedAt"`
	// Removed is set when the export is gone.
	Removed bool `json:"removed,omitempty"`
}

// Port is a port of an exported service.
type Port struct {
	Name        string `json:"name,omitempty"`
	Protocol    string `json:"protocol"` // TCP | UDP | SCTP
	Port        int32  `json:"port"`     // that clients of the service use
	Target      int32  `json:"target"`   // that the endpoints listen on
	AppProtocol string `json:"appProtocol,omitempty"`
}

// Endpoint is one address that serves.
type Endpoint struct {
	Address     string `json:"address"`
	Ready       bool   `json:"ready"`
	Serving     bool   `json:"serving"`
	Terminating bool   `json:"terminating,omitempty"`
	Zone        string `json:"zone,omitempty"`
	Node        string `json:"node,omitempty"`
	Hostname    string `json:"hostname,omitempty"`
}
