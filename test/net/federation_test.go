package net

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/pki"
)

// federation is a hub and three members in a network that can be broken. Virginia
// is an attached cluster: its agent is a process of its own.
type federation struct {
	network
	home, bin string
	disk      string // the hub's, a tmpfs
	processes map[string]*process
	http      *http.Client
	clusters  map[string]cluster
	watch     *watch
	rows      *[]row
	losses    int // verdicts before this part
}

const (
	agent       = "agent" // of virginia
	gatewayPort = ":7443"
	busPort     = ":7422"
	apiPort     = 6443
	diskSize    = 96 << 20
	minFree     = 24 << 20 // of it, for the hub
	regions     = "tokyo=ap-northeast frankfurt=eu-central virginia=us-east"
)

func newFederation(t *testing.T) *federation {
	t.Helper()
	require(t)
	alone(t)
	f := &federation{network: newNetwork(t), processes: map[string]*process{}, clusters: map[string]cluster{}, rows: &[]row{}}
	f.bin, _ = filepath.Abs("../../bin")
	home, err := os.MkdirTemp("", prefix+"home")
	if err != nil {
		t.Fatal(err)
	}
	f.home, f.disk = home, filepath.Join(home, "disk")
	f.mkdir(t, f.disk)
	sh(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", diskSize), prefix+"disk", f.disk)
	t.Cleanup(func() { // before the network goes
		if t.Failed() {
			for _, name := range slices.Sorted(maps.Keys(f.processes)) {
				t.Logf("%s:\n%s", name, f.processes[name].tail(40))
			}
		}
		for _, p := range f.processes {
			p.kill()
		}
	})
	f.writeHub(t)
	f.add(t, hub, hub, filepath.Join(f.bin, "hansa"), "hub", "--config", f.path("hub.yaml"))
	f.awaitGateway(t)
	for i, pair := range strings.Fields(regions) {
		name, region, _ := strings.Cut(pair, "=")
		f.addMember(t, i, config.Config{Name: name, Place: config.Place{Region: region}})
	}
	for _, name := range memberNames {
		f.clusters[name] = newCluster(t, name, f.path(name, "data", "admin.kubeconfig"))
	}
	f.attach(t)
	f.awaitMembers(t)
	return f
}

func (f *federation) path(parts ...string) string {
	return filepath.Join(append([]string{f.home}, parts...)...)
}

func (f *federation) mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// add starts a process for the first time.
func (f *federation) add(t *testing.T, name, host string, command ...string) {
	t.Helper()
	p := &process{name: name, host: host, command: command, log: f.path(name + ".log")}
	f.processes[name] = p
	p.start(t)
}

func (f *federation) write(t *testing.T, name string, content any) {
	t.Helper()
	b, isText := content.([]byte)
	if !isText {
		var err error
		if b, err = yaml.Marshal(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(f.path(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeHub writes the keys and the configuration of the hub, and the context of
// those who ask it.
func (f *federation) writeHub(t *testing.T) {
	t.Helper()
	authority, err := pki.NewAuthority("hansa net test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Issue(pki.Request{CommonName: "hansa", IPs: []net.IP{net.ParseIP(addresses[hub])}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"ca.crt": string(authority.Pair().Certificate), "server.crt": string(server.Certificate), "server.key": string(server.Key),
		"admin.token": "secret-of-this-test", "tokens.yaml": "tokens:\n- {name: admin, role: admin, token: secret-of-this-test}\n",
	} {
		f.write(t, name, []byte(content))
	}
	c, err := configs.DefaultHub()
	if err != nil {
		t.Fatal(err)
	}
	c.DataDir = filepath.Join(f.disk, "data")
	c.Bus.Listen, c.Bus.CertFile, c.Bus.KeyFile, c.Bus.CAFile = addresses[hub]+busPort, "server.crt", "server.key", "ca.crt"
	c.Gateway.Listen, c.Gateway.MetricsListen, c.Gateway.TokensFile = addresses[hub]+gatewayPort, addresses[hub]+":7090", "tokens.yaml"
	c.Gateway.CertFile, c.Gateway.KeyFile = c.Bus.CertFile, c.Bus.KeyFile
	c.Bus.MinFree = minFree
	c.Safety.Reversals = 20 // each member is lost again and again
	f.write(t, "hub.yaml", c)
	if err := cli.WriteContext(f.path("config.yaml"), cli.Context{Gateway: addresses[hub] + gatewayPort, CAFile: "ca.crt", TokenFile: "admin.token"}); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.Pair().Certificate)
	f.http = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DialContext: dial(hub), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13},
	}}
}

// addMember starts a cluster with an agent in it; virginia without.
func (f *federation) addMember(t *testing.T, index int, c config.Config) {
	t.Helper()
	f.mkdir(t, f.path(c.Name))
	c.DataDir = f.path(c.Name, "data")
	c.APIAddress, c.APIPort = addresses[c.Name], apiPort
	c.ServiceCIDR, c.PodCIDR = fmt.Sprintf("10.%d.0.0/16", 96+index), fmt.Sprintf("10.%d.0.0/16", 160+index)
	c.Nodes.Count = 3
	if c.Name != "virginia" {
		c.Agent = &config.AgentConfig{JoinToken: f.token(t, c.Name)}
	}
	f.write(t, c.Name+"/cluster.yaml", c.Complete())
	f.add(t, c.Name, c.Name, os.Getenv("HANSA_CLUSTER_BIN"), "--config", f.path(c.Name, "cluster.yaml"))
}

// attach starts the agent of virginia once its cluster can be reached.
func (f *federation) attach(t *testing.T) {
	t.Helper()
	f.write(t, "agent.yaml", map[string]any{
		"name": "virginia", "place": map[string]any{"region": "us-east"}, "kubeconfig": "virginia/data/agent.kubeconfig",
		"stateDir": "virginia/agent", "joinToken": f.token(t, "virginia"), "admission": map[string]any{"listen": "127.0.0.1:9444"},
		"peer": map[string]any{"listen": addresses["virginia"] + ":0"},
	})
	f.add(t, agent, "virginia", filepath.Join(f.bin, "hansa"), "agent", "--config", f.path("agent.yaml"))
}

func (f *federation) token(t *testing.T, member string) string {
	t.Helper()
	lines := strings.Fields(f.hansa(t, "token", "create", "--member", member, "--ttl", "10m"))
	return lines[len(lines)-1]
}

// try runs the command line beside the hub.
func (f *federation) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", space(hub), filepath.Join(f.bin, "hansa")}, args...)...)
	command.Env = append(os.Environ(), "HANSA_HOME="+f.home)
	out, err := command.CombinedOutput()
	return string(out), err
}

func (f *federation) hansa(t *testing.T, args ...string) string {
	t.Helper()
	out, err := f.try(t, args...)
	if err != nil {
		t.Fatalf("hansa %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// apply returns an error that holds what the command printed.
func (f *federation) apply(t *testing.T, documents string) error {
	t.Helper()
	f.write(t, "documents.yaml", []byte(documents))
	out, err := f.try(t, "apply", "-f", f.path("documents.yaml"))
	if err != nil {
		return fmt.Errorf("apply: %w: %s", err, out)
	}
	return nil
}

// get reads a path of the gateway's JSON API.
func (f *federation) get(path string, into any) error {
	request, err := http.NewRequest(http.MethodGet, "https://"+addresses[hub]+gatewayPort+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer secret-of-this-test")
	response, err := f.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, b)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
