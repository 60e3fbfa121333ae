package local

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hansa-io/hansa/member/cluster/host"
)

// Home is the directory of a local federation.
type Home string

// DefaultHome returns $HANSA_HOME, or .hansa in the user's home directory.
func DefaultHome() (Home, error) {
	if dir := os.Getenv("HANSA_HOME"); dir != "" {
		abs, err := filepath.Abs(dir)
		return Home(abs), err
	}
	dir, err := os.UserHomeDir()
	return Home(filepath.Join(dir, ".hansa")), err
}

func (h Home) path(parts ...string) string {
	return filepath.Join(append([]string{string(h)}, parts...)...)
}

// network names what the containerd nodes of this home put on the machine.
func (h Home) network() host.Network { return host.NetworkOf(string(h)) }

// Context is the file that tells clients where the gateway is.
func (h Home) Context() string { return h.path("config.yaml") }

// CA is the certificate of the home's own authority, PEM.
func (h Home) CA() string { return h.path("pki", "ca.crt") }

// Spec is the file that Up was given, as it was completed.
func (h Home) Spec() string { return h.path("federation.yaml") }

// MemberDir is the directory of one member's process.
func (h Home) MemberDir(name string) string { return h.path("members", name) }

// Kubeconfig is the file with which kubectl reaches a member directly.
func (h Home) Kubeconfig(member string) string {
	return filepath.Join(h.MemberDir(member), "data", "admin.kubeconfig")
}

// hubName names the hubs: "hub", "hub-2", "hub-3".
func hubName(i int) string {
	if i == 0 {
		return "hub"
	}
	return fmt.Sprintf("hub-%d", i+1)
}

// maxHubs is how many hubs a local federation can have.
const maxHubs = 3

// made lists what Up makes directly in the home; Down removes just these.
func (h Home) made() []string {
	out := []string{h.path("members"), h.path("pki"), h.Spec(), h.Context()}
	for i := range maxHubs {
		out = append(out, h.path(hubName(i)))
	}
	return out
}
