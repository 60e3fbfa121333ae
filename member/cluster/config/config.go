package config

// Config describes one embedded member. Start from the zero value, set Name
// and DataDir, and call Complete; or use Load for a file.
type Config struct {
	// Name of the member: a DNS label of at most MaxName characters. Required.
	Name string `yaml:"name"`
	// Place is where the member claims to be.
	Place Place `yaml:"place"`
	// DataDir holds everything the member keeps. Relative paths in a file
	// count from the directory of that file. Required.
	DataDir string `yaml:"dataDir"`
	// APIAddress is the IPv4 address of this machine where the API server listens
	// and where others reach it. Default DefaultAPIAddress, so that nothing outside
	// this machine does.
	APIAddress string `yaml:"apiAddress,omitempty"`
	// APIPort is the port of the API server. 0 takes a free one the first time and
	// keeps it in the data directory.
	APIPort int `yaml:"apiPort"`
	// ServiceCIDR is the IPv4 range of ClusterIPs, from /12 to /24. It cannot
	// change once the data directory exists. Default DefaultServiceCIDR.
	ServiceCIDR string `yaml:"serviceCIDR"`
	// PodCIDR is the IPv4 range of nodes and pods, large enough for
	// nodes.count nodes full of pods. It cannot change once the data directory
	// exists. Default DefaultPodCIDR.
	PodCIDR string `yaml:"podCIDR"`
	// EmulatedVersion lets the control plane offer what an older Kubernetes has,
	// for example "1.35": to rehearse an upgrade before it comes. How far back it can
	// go is Kubernetes' own rule, three minor versions. Default the present one.
	EmulatedVersion string `yaml:"kubernetesEmulatedVersion,omitempty"`
	// Nodes are the nodes of the member.
	Nodes Nodes `yaml:"nodes"`
	// Labels describe the member to placement, for example tier: gold.
	Labels map[string]string `yaml:"labels,omitempty"`
	// Agent joins the member to a hub. Nil runs the cluster alone.
	Agent *AgentConfig `yaml:"agent,omitempty"`
}

// Place is a point in the world, with the two failure domains around it.
type Place struct {
	// Region, for example eu-central. Default DefaultRegion.
	Region string `yaml:"region"`
	// Zone within the region, for example eu-central-1a. Default the region
	// followed by "-a".
	Zone string `yaml:"zone"`
	// Latitude in degrees, south negative. Together with a Longitude of 0 it
	// means unknown.
	Latitude float64 `yaml:"latitude"`
	// Longitude in degrees, west negative.
	Longitude float64 `yaml:"longitude"`
}

// Nodes describes the nodes of a member. All of one kind are alike.
type Nodes struct {
	// Kind says what a node is: KindSimulated or KindContainerd.
	Kind string `yaml:"kind"`
	// Count of nodes of that kind, 1 to MaxNodes. Default DefaultNodeCount, and one
	// of KindContainerd.
	Count int `yaml:"count"`
	// Simulated is how many simulated nodes there are beside those of
	// KindContainerd. They have TaintSimulated, so that only pods that tolerate it
	// are not run. Default none.
	Simulated int `yaml:"simulated,omitempty"`
	// CPU each node offers, a Kubernetes quantity. Default DefaultCPU. Nodes of
	// KindContainerd offer what the machine has.
	CPU string `yaml:"cpu"`
	// Memory each node offers, as with CPU. Default DefaultMemory.
	Memory string `yaml:"memory"`
	// Pods each node takes, 1 to MaxPods. Default DefaultPods, or as many as
	// podCIDR has room for on each node.
	Pods int `yaml:"pods"`
	// Zones over which the nodes are spread in turn. Default the zone of the
	// place and the two that follow it.
	Zones []string `yaml:"zones"`
	// Network names what nodes of KindContainerd put on the machine: eight
	// hexadecimal digits, the same for members whose pods reach each other.
	// Default digits that stand for the data directory.
	Network string `yaml:"network,omitempty"`
}

// LabelNodeKind is on every node of an embedded member; its value is the kind.
const LabelNodeKind = "hansa.io/node-kind"

// TaintSimulated, with the value TaintValue and the effect NoSchedule, is on simulated
// nodes that have containerd nodes beside them. It is the taint by which users of kwok
// keep pods that are to run away from nodes that run nothing.
const (
	TaintSimulated = "kwok.x-k8s.io/node"
	TaintValue     = "fake"
)

// AgentConfig is the section of the member's agent. The agent gives it its
// meaning; here it is only carried.
type AgentConfig struct {
	// JoinToken is the one-time token of the hub. Needed until the agent has
	// joined; kept out of what --check prints.
	JoinToken string `yaml:"joinToken"`
	// StateDir is where the agent keeps its keys and its incarnation. Default
	// the directory agent in the data directory.
	StateDir string `yaml:"stateDir"`
}

// Values of Nodes.Kind.
const (
	// KindSimulated nodes accept pods and report them running, but run nothing.
	KindSimulated = "simulated"
	// KindContainerd nodes run containerd, a kubelet and a kube-proxy, in
	// namespaces of their own. They need Linux and root.
	KindContainerd = "containerd"
)

// Defaults of the fields that have one.
const (
	DefaultRegion      = "local"
	DefaultAPIAddress  = "127.0.0.1"
	DefaultServiceCIDR = "10.96.0.0/16"
	DefaultPodCIDR     = "10.244.0.0/16"
	DefaultNodeCount   = 5
	DefaultCPU         = "4"
	DefaultMemory      = "16Gi"
	DefaultPods        = 110
)

// Limits of the fields that have one.
const (
	// MaxName keeps the longest node name within a label value.
	MaxName = 50
	// MaxNodes is as many nodes as one process serves well.
	MaxNodes = 1000
	// leastPods is the fewest pods for a node that a default chooses.
	leastPods = 30
	// MaxPods is as many pods as one node may offer.
	MaxPods = 500
	// MaxContainerdNodes and MaxContainerdPods are what the ranges of a node's
	// addresses have room for.
	MaxContainerdNodes = 100
	MaxContainerdPods  = 250
	// MaxFile is the largest configuration file, in bytes.
	MaxFile = 1 << 20
)
