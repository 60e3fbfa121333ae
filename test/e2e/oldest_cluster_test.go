package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
)

// oldCluster is a control plane of the oldest Kubernetes that members may have: real
// programs of that release, without a scheduler and without kubelets.
type oldCluster struct {
	dir     string
	address string // of the API server
	etcd    []string
}

// newOldCluster starts etcd, API server and controller manager, and returns when the API
// server is ready; admin.kubeconfig is in its directory.
func newOldCluster(t *testing.T, programs string) oldCluster {
	t.Helper()
	ports := natstest.Addresses(t, 3)
	c := oldCluster{dir: t.TempDir(), address: ports[0], etcd: []string{"http://" + ports[1], "http://" + ports[2]}}
	c.certify(t)
	c.start(t, filepath.Join(programs, "etcd"), "--data-dir", c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", c.etcd[0], "--advertise-client-urls", c.etcd[0],
		"--listen-peer-urls", c.etcd[1], "--initial-advertise-peer-urls", c.etcd[1], "--initial-cluster", "default="+c.etcd[1])
	_, port, err := net.SplitHostPort(c.address)
	must(t, err)
	c.start(t, filepath.Join(programs, "kube-apiserver"), "--etcd-servers", c.etcd[0], "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", port,
		"--tls-cert-file", c.path("server.crt"), "--tls-private-key-file", c.path("server.key"), "--client-ca-file", c.path("ca.crt"),
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", c.path("server.key"), "--service-account-signing-key-file", c.path("server.key"),
		"--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24", "--endpoint-reconciler-type", "none")
	// Nobody plays the nodes: they are not to be found dead.
	c.start(t, filepath.Join(programs, "kube-controller-manager"), "--kubeconfig", c.path("admin.kubeconfig"), "--bind-address", "127.0.0.1", "--secure-port", "0", "--leader-elect=false",
		"--service-account-private-key-file", c.path("server.key"), "--root-ca-file", c.path("ca.crt"), "--controllers", "*,-node-lifecycle-controller,-taint-eviction-controller")
	return c
}

func (c oldCluster) path(name string) string { return filepath.Join(c.dir, name) }

// certify writes the certificates, and the kubeconfig of an administrator.
func (c oldCluster) certify(t *testing.T) {
	t.Helper()
	authority, err := pki.NewAuthority("old cluster", time.Now())
	must(t, err)
	server, err := authority.Issue(pki.Request{CommonName: "kube-apiserver", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	admin, err := authority.Issue(pki.Request{CommonName: "admin", Organizations: []string{"system:masters"}})
	must(t, err)
	for name, content := range map[string][]byte{
		"ca.crt": authority.Pair().Certificate, "server.crt": server.Certificate, "server.key": server.Key, "admin.crt": admin.Certificate, "admin.key": admin.Key,
	} {
		must(t, os.WriteFile(c.path(name), content, 0o600))
	}
	c.writeKubeconfig(t, "admin", fmt.Sprintf("{client-certificate: %q, client-key: %q}", c.path("admin.crt"), c.path("admin.key")))
}

// writeKubeconfig writes NAME.kubeconfig for a user who shows the credentials.
func (c oldCluster) writeKubeconfig(t *testing.T, name, credentials string) string {
	t.Helper()
	path := c.path(name + ".kubeconfig")
	must(t, os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: old
contexts: [{name: old, context: {cluster: old, user: %[1]s}}]
clusters: [{name: old, cluster: {server: "https://%[2]s", certificate-authority: %[3]q}}]
users: [{name: %[1]s, user: %[4]s}]
`, name, c.address, c.path("ca.crt"), credentials), 0o600))
	return path
}

// start runs a program that ends with the test, after those that need it.
func (c oldCluster) start(t *testing.T, program string, arguments ...string) {
	t.Helper()
	var log bytes.Buffer
	command := exec.Command(program, arguments...)
	command.Stdout, command.Stderr = &log, &log
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			lines := bytes.Split(log.Bytes(), []byte("\n"))
			t.Logf("%s:\n%s", filepath.Base(program), bytes.Join(lines[max(0, len(lines)-20):], []byte("\n")))
		}
	})
}
