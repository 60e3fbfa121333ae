package arch

// kind is the layer of a package. Layers import downwards:
// main → shell → adapter → pure → words.
type kind int

const (
	words kind = iota
	pure
	adapter
	shell
	composition // a main, or a package that only tests use
)

// row is what one package may import of this module, besides federation.
type row struct {
	dir  string // "dir" or "dir/..." (dir and everything below)
	kind kind
	may  []string
}

// table is the import law of this module. The first row that matches counts. A
// package without a row fails the build: its layer has to be decided first.
var table = []row{
	{"federation", words, nil},
	{"federation/membership", pure, nil},
	{"federation/standby", pure, []string{"federation/membership"}},
	{"federation/lease", pure, nil},
	{"federation/recovery", pure, nil},
	{"federation/rollout", pure, nil},
	{"federation/expression", pure, nil},
	{"federation/clusterset", pure, nil},
	{"federation/decision", pure, []string{
		"federation/expression", "federation/membership", "federation/lease", "federation/recovery", "federation/rollout", "placement", "placement/manifest",
		"placement/catalogue",
	}},
	{"placement/catalogue", pure, nil},
	{"placement", pure, []string{"placement/catalogue"}},
	{"placement/manifest", pure, []string{"federation/expression", "placement"}},
	{"member/observe", pure, nil},
	{"member/guard", pure, []string{"federation/lease"}},
	{"member/imports", pure, []string{"federation/clusterset"}},
	{"gateway/route", pure, []string{"federation/clusterset", "federation/decision", "messaging/subject", "placement/catalogue"}},
	{"messaging/subject", pure, nil},
	{"federation/busdoctor", pure, nil},
	{"messaging/flow", pure, nil},
	{"messaging/mailbox", adapter, nil},

	{"federation/v1", adapter, nil},
	{"federation/sealed", adapter, []string{"federation/v1"}},
	{"gateway/v1", adapter, nil},
	{"gateway/document", adapter, []string{"configs", "federation/expression", "placement", "placement/manifest", "placement/catalogue"}},
	{"messaging", adapter, nil},
	{"messaging/tunnel", adapter, []string{"messaging", "messaging/flow", "messaging/subject"}},
	{"messaging/trace/...", adapter, nil},
	{"messaging/inproc", adapter, []string{"messaging", "messaging/mailbox", "messaging/subject", "messaging/trace", "messaging/tunnel"}},
	{"messaging/mirror", adapter, []string{"messaging", "messaging/subject"}},
	{"messaging/nats/...", adapter, []string{"configs/certfile", "messaging", "messaging/subject", "messaging/trace", "messaging/tunnel", "messaging/nats/..."}},
	{"messaging/messagingtest", adapter, []string{"messaging", "messaging/subject", "messaging/trace"}},
	{"member/kube", adapter, []string{"member/imports", "member/observe"}},
	{"member/admit", adapter, nil},
	{"member/wrap", adapter, []string{"member/admit"}},
	{"member/store", adapter, nil},
	{"member/peer", adapter, []string{"federation/authority", "federation/probe"}},
	{"member/reach", adapter, []string{"member/kube", "messaging", "messaging/subject"}},
	{"member/access", adapter, []string{"messaging"}},
	{"member/landing", adapter, []string{"federation/expression", "member/admit", "member/kube"}},
	{"member/cluster/...", adapter, []string{"configs/reach", "member/cluster/..."}},
	{"federation/probe", adapter, []string{"federation/authority"}},
	{"federation/authority", adapter, nil},
	{"federation/archive", adapter, nil},
	{"configs/certfile", adapter, nil},
	{"configs/...", adapter, []string{"placement/catalogue"}},

	{"federation/hub", shell, []string{
		"configs", "federation/...", "placement/...", "messaging", "messaging/mailbox", "messaging/subject", "messaging/trace",
	}},
	{"member", shell, []string{
		"configs", "federation/authority", "federation/probe", "federation/sealed", "federation/v1", "gateway/v1", "member/access", "member/admit", "member/guard", "member/imports", "member/kube", "member/landing", "member/observe", "member/peer", "member/reach", "member/store",
		"messaging", "messaging/mailbox", "messaging/subject", "messaging/trace",
	}},
	{"gateway/cli", shell, []string{"configs", "federation/archive", "gateway/v1", "messaging/trace"}},
	{"gateway/cli/local", shell, []string{"configs", "gateway/cli", "gateway/v1", "member/cluster/config", "member/cluster/host", "member/cluster/pki", "placement/catalogue"}},
	{"gateway/...", shell, []string{
		"configs", "configs/certfile", "federation/busdoctor", "federation/decision", "federation/expression", "federation/sealed", "federation/v1", "gateway/...", "messaging", "messaging/subject",
		"messaging/trace", "placement/...",
	}},

	{"member/cmd/hansa-pod", adapter, nil},
	{"member/cmd/agent-image", adapter, []string{"member/cluster/images"}},
	{"member/cmd/hansa-agent", composition, []string{"configs", "messaging/agentbus"}},
	{"member/cmd/hansa-cluster", composition, []string{"member/...", "messaging/...", "configs/..."}},
	{"messaging/agentbus", composition, []string{"configs", "member/...", "messaging/..."}},
	{"messaging/hubbus", composition, []string{"configs", "messaging/nats/..."}},
	{"test/...", composition, []string{"..."}},
	{".", composition, []string{"..."}},
}

// never lists edges that no row can permit, with the reason.
var never = []struct{ from, to, because string }{
	{"gateway/...", "federation/hub", "gateways and hub talk over the bus only, so that each can run without the other"},
	{"member/...", "federation/hub", "agents and hub talk over the bus only, so that each can run without the other"},
	{"member/...", "gateway/grpcserver", "a member needs nothing of a gateway but its API"},
	{"federation/...", "gateway/...", "the hub does not know who asks"},
	{"federation/...", "member/...", "the hub holds no code that runs in members"},
	{"federation/...", "messaging/nats/...", "shells talk to roles; the composition root picks the adapter"},
	{"gateway/...", "messaging/nats/...", "shells talk to roles; the composition root picks the adapter"},
	{".", "member/cluster", "the hansa binary links no Kubernetes control plane"},
	{"gateway/...", "member/cluster", "the hansa binary links no Kubernetes control plane"},
}

// dependency says which packages may import a module, and why only they. The
// longest prefix that matches counts. A module without a row fails the build.
type dependency struct {
	prefix  string
	by      []string
	because string
}

var dependencies = []dependency{
	{"github.com/nats-io", []string{"messaging/nats/..."}, "one adapter knows NATS; everybody else knows roles"},

	{"k8s.io/client-go", []string{"member/kube", "member/cluster/...", "member/cmd/hansa-cluster", "test/bench"}, "one adapter talks to a member's API server; the embedded cluster makes its own clients"},
	{"github.com/fluxcd", []string{"member/kube", "member/landing"}, "kstatus is a member's business"},
	{"k8s.io/apimachinery", []string{"member/kube", "member/landing", "member/cluster/...", "member/cmd/hansa-cluster", "test/bench"}, "pure packages have types of their own"},
	{"k8s.io/api", []string{"member/kube", "member/landing", "member/cluster/...", "member/cmd/hansa-cluster", "test/bench"}, "pure packages have types of their own"},
	{"k8s.io/cri-streaming", []string{"test/kubelet"}, "tests only: the protocols of a kubelet that streams"},
	{"sigs.k8s.io/structured-merge-diff", []string{"member/kube"}, "managed fields are read where the cluster is"},
	{"sigs.k8s.io/mcs-api", []string{"member/kube", "member/cluster"}, "exports are read where the cluster is; the embedded cluster brings the CRD of imports"},
	{"sigs.k8s.io/sig-storage-lib-external-provisioner", []string{"member/cluster/volumes"}, "volumes of the embedded cluster"},
	{"github.com/coredns", []string{"member/cluster/node"}, "the DNS server of a containerd node"},
	{"k8s.io", []string{"member/cluster/...", "member/cmd/hansa-cluster"}, "the control plane is linked by one binary"},
	{"sigs.k8s.io/kwok", []string{"member/cluster/..."}, "simulated nodes belong to the embedded cluster"},
	{"go.etcd.io/bbolt", []string{"member/store"}, "an agent's orders on its disk, in transactions; etcd keeps its own in it"},
	{"go.etcd.io/etcd", []string{"member/cluster/..."}, "etcd belongs to the embedded cluster"},
	{"go.yaml.in/yaml", []string{"configs", "gateway/cli/...", "gateway/document", "member/cluster/..."}, "documents and configuration files end where they are decoded"},
	{"sigs.k8s.io/yaml", []string{".", "federation/hub", "gateway", "gateway/cli/...", "gateway/document", "gateway/v1", "member", "member/cluster/...", "member/cmd/hansa-cluster"}, "documents and configuration files end where they are decoded"},

	{"github.com/google/cel-go", []string{"federation/expression"}, "one package knows the language of users' expressions"},

	{"google.golang.org/grpc", []string{".", "gateway/...", "member", "messaging/trace/otlp"}, "the public API, the agent that joins by it, and the collector of traces in a test"},
	{"go.opentelemetry.io", []string{"messaging/trace/..."}, "everybody else knows a text that travels"},
	{"google.golang.org/genproto", []string{"gateway/..."}, "rich error details"},
	{"google.golang.org/protobuf", []string{"federation/v1", "gateway/...", "member"}, "generated types stop at the door"},
	{"github.com/grpc-ecosystem/grpc-gateway", []string{"gateway/v1", "gateway/httpserver"}, "HTTP/JSON of the public API"},
	{"github.com/klauspost/compress", []string{"federation/archive", "federation/v1"}, "works and backups are compressed where they are encoded"},
	{"github.com/hashicorp/golang-lru", []string{"gateway", "gateway/grpcserver", "gateway/httpserver"}, "the cache of marshalled answers"},
	{"github.com/prometheus/client_golang", []string{"federation/hub", "member", "gateway", "gateway/httpserver", "gateway/kubeproxy", "messaging/hubbus", "messaging/nats/..."}, "shells measure, cores return"},
	{"github.com/spf13", []string{".", "configs", "gateway/cli/...", "member/cmd/hansa-agent", "member/wrap", "messaging/hubbus"}, "the command line; configs makes the command of each role from its file, member/wrap that of a pod"},
	{"github.com/spf13/pflag", []string{".", "gateway/cli/...", "member/cluster", "member/cluster/node"}, "the command line; Kubernetes' components take their options as flags"},
	{"go.uber.org/zap", []string{"member/cluster/..."}, "etcd logs with it"},
	{"golang.org/x/term", []string{".", "gateway/cli/..."}, "the command line"},
	{"github.com/libp2p/go-yamux", []string{"messaging/tunnel"}, "streams are multiplexed in one place"},
	{"golang.org/x/time", []string{"federation/hub", "messaging/tunnel"}, "who opens tunnels is limited by rate, and every member is kept to its share"},
	{"golang.org/x/sync", []string{".", "federation/hub", "member/...", "gateway/...", "messaging/..."}, "shells own goroutines"},

	{"github.com/cockroachdb/datadriven", nil, "tests only"},
	{"github.com/rogpeppe/go-internal", nil, "tests only"},
	{"github.com/anishathalye/porcupine", []string{"test/sim"}, "histories of the simulated world are checked with it"},
	{"golang.org/x/net", nil, "tests only; what a net.Conn promises"},
	{"golang.org/x/sys", []string{"member/cluster/containerd", "member/cluster/node"}, "mounts and open files of nodes; namespaces and TAP devices of test/net"},
	{"github.com/vishvananda/netlink", []string{"member/cluster/host", "member/cluster/node"}, "the network of containerd nodes"},
	{"github.com/google/go-containerregistry", []string{"member/cluster/images"}, "images without a registry"},
	{"github.com/creack/pty", nil, "tests only: the terminal of a person"},
	{"pgregory.net/rapid", nil, "tests only"},
}

// pureStandard is what a pure package may import of the standard library:
// values, text and arithmetic. Package time is for its types; see purity_test.go.
var pureStandard = []string{
	"bytes", "cmp", "container/heap", "container/list", "crypto/sha256", "embed",
	"encoding/base32", "encoding/base64", "encoding/binary", "encoding/csv", "encoding/hex", "encoding/json",
	"errors", "fmt", "hash", "hash/crc32", "hash/fnv", "iter", "maps", "math", "math/big", "math/bits",
	"net/netip", "path", "regexp", "reflect", "slices", "sort", "strconv", "strings", "text/tabwriter", "time",
	"unicode", "unicode/utf8",
}
