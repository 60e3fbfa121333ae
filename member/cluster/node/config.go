package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/hansa-io/hansa/member/cluster/host"
)

// Config is what a node is told at its start.
type Config struct {
	Network host.Network `json:"network"`
	// Name of the node, and of its host.
	Name string `json:"name"`
	// Dir is the node's directory on the machine.
	Dir string `json:"dir"`
	// Labels that the kubelet gives the Node.
	Labels map[string]string `json:"labels"`
	// MaxPods is how many pods the node takes.
	MaxPods int `json:"maxPods"`
	// Address of eth0, with the length of the member's range.
	Address netip.Prefix `json:"address"`
	// Pods is the range of this node's pods.
	Pods netip.Prefix `json:"pods"`
	// MemberPods and MemberServices are the ranges of the whole member.
	MemberPods     netip.Prefix `json:"memberPods"`
	MemberServices netip.Prefix `json:"memberServices"`
	// Images are tarballs to import before the first pod.
	Images []string `json:"images"`
	// Files are written for the components, by name in the directory Secrets.
	Files map[string][]byte `json:"files"`
}

// Names of Config.Files.
const (
	FileCA            = "ca.crt"
	FileServingCert   = "kubelet.crt"
	FileServingKey    = "kubelet.key"
	FileKubelet       = "kubelet.kubeconfig"
	FileProxy         = "proxy.kubeconfig"
	FileDNS           = "dns.kubeconfig"
	directoryOfConfig = "/var/lib/hansa"
)

// DNSAddress is where pods find the DNS server of their node.
const DNSAddress = "169.254.20.10"

// PauseImage holds the namespaces of each pod.
const PauseImage = "localhost/hansa/pause:1"

// Socket is where containerd listens, inside of the node.
const Socket = "/run/containerd/containerd.sock"

// maxConfig is more than any configuration needs.
const maxConfig = 1 << 20

func readConfig(in io.Reader) (Config, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxConfig))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration of the node: %w", err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("read configuration of the node: %w", err)
	}
	if c.Name == "" || c.Dir == "" || !c.Network.Valid() {
		return Config{}, errors.New("the configuration of the node on standard input has no name, directory or network: nodes are started by hansa-cluster")
	}
	return c, nil
}

// file is the path of one of c.Files inside of the node.
func (c Config) file(name string) string { return directoryOfConfig + "/" + name }
