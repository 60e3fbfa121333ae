package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
	"github.com/hansa-io/hansa/member/cluster/pki"
)

const (
	// agentImage is what the test calls the image of the agent.
	agentImage = "localhost/hansa/agent"
	// podNetwork names what the nodes put on the machine; the next run removes what a
	// broken one left.
	podNetwork = "7e57a9d0"
)

// guest is a workload of osaka: its namespace, and what its failover says.
const guest = `apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: %[1]s, name: host}
spec:
  replicas: 1
  selector: {matchLabels: {app: host}}
  template:
    metadata: {labels: {app: host}}
    spec: {containers: [{name: host, image: ` + images.Server + `}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: %[1]s, name: host}
spec: {members: {required: {matchExpressions: [{key: name, operator: In, values: [osaka]}]}}, spread: [], failover: {%[2]s}}
`

// TestPod attaches a cluster by the commands of the guide: the image of the agent is
// built, the chart is installed, and the agent runs as a container in the cluster.
func TestPod(t *testing.T) {
	path, err := clusterBinary()
	must(t, err)
	if err := host.Check(path); err != nil {
		t.Skip(err)
	}
	p := newPod(t)
	p.run(t, "kubectl", "apply", "-f", "configs/agent/1-namespace.yaml")
	p.run(t, "helm", "install", "hansa-agent", "configs/charts/hansa-agent", "-n", "hansa-system",
		"--set", "member.name=osaka", "--set", "member.place.region=ap-northeast", "--set", "image.repository="+agentImage, "--set", "reach.users={admin}",
		"--set", "reach.groups={hansa:admins}", "--set-string", "join.token="+lastLine(p.run(t, "hansa", "token", "create", "--member", "osaka")))
	p.awaitHealthy(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, pod)
	}{
		{"land", checkPodLands},
		{"once", checkPodOnce},
		{"reach", checkPodReach},
		{"again", checkPodAgain},
		{"leave", checkPodLeaves},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, p) }) {
			t.Log(p.logs(t))
			return
		}
	}
}

// pod is a hub, and a cluster with real nodes in which the agent is a pod.
type pod struct{ federation }

// newPod starts the cluster first: the hub listens where its pods can reach it, on the
// bridge of the nodes.
func newPod(t *testing.T) pod {
	t.Helper()
	p := pod{newFederation(t)}
	must(t, os.MkdirAll(p.home, 0o700))
	data := filepath.Join(p.home, "osaka")
	cluster := startCluster(t, writeConfig(t, config.Config{Name: "osaka", DataDir: data, ServiceCIDR: "10.113.0.0/16", PodCIDR: "10.213.0.0/16", Nodes: config.Nodes{Kind: config.KindContainerd, Count: 1, Network: podNetwork}}))
	t.Setenv("KUBECONFIG", filepath.Join(data, "admin.kubeconfig"))
	t.Cleanup(func() {
		if code := cluster.signal(t, syscall.SIGTERM); code != 0 || t.Failed() {
			t.Errorf("hansa-cluster ended with %d\n%s", code, cluster.stderr())
		}
	})

	_, err := output("make", "-C", root, "image", "IMAGE="+agentImage+":latest")
	must(t, err)
	loadImage(t, filepath.Join(data, "run"), filepath.Join(p.path, "hansa-agent.tar"))

	node := net.ParseIP(strings.TrimSpace(p.run(t, "kubectl", "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`))).To4()
	node[3] = 1 // the bridge
	p.startHub(t, node)
	return p
}

// loadImage gives an image to the nodes of a cluster, as "hansa image load" does for
// members of "hansa up".
func loadImage(t *testing.T, socket, path string) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return host.Dial(ctx, socket) },
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://nodes/images", file)
	must(t, err)
	answer, err := client.Do(request)
	must(t, err)
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("load the image: %s, %s, %v", answer.Status, text, err)
	}
}

// startHub runs a hub at the address until the test ends.
func (p pod) startHub(t *testing.T, at net.IP) {
	t.Helper()
	authority, err := pki.NewAuthority("hansa test", time.Now())
	must(t, err)
	server, err := authority.Issue(pki.Request{CommonName: "hansa", IPs: []net.IP{at}})
	must(t, err)
	for name, content := range map[string][]byte{
		"ca.crt": authority.Pair().Certificate, "server.crt": server.Certificate, "server.key": server.Key,
		"token": []byte("secret-of-this-test"), "tokens.yaml": []byte("tokens: [{name: admin, role: admin, token: secret-of-this-test}]\n"),
		"hub.yaml": fmt.Appendf(nil, `dataDir: hub-data
bus: {listen: "%[1]s:7422", certFile: server.crt, keyFile: server.key, caFile: ca.crt}
gateway: {listen: "%[1]s:7443", metricsListen: "", certFile: server.crt, keyFile: server.key, tokensFile: tokens.yaml}
`, at),
	} {
		must(t, os.WriteFile(filepath.Join(p.home, name), content, 0o600))
	}
	_, err = configs.LoadHub(filepath.Join(p.home, "hub.yaml"))
	must(t, err)
	must(t, cli.WriteContext(filepath.Join(p.home, "config.yaml"), cli.Context{Gateway: at.String() + ":7443", CAFile: "ca.crt", TokenFile: "token"}))
	var log bytes.Buffer
	command := exec.Command(filepath.Join(p.path, "hansa"), "hub", "--config", filepath.Join(p.home, "hub.yaml"))
	command.Stdout, command.Stderr = &log, &log
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p.await(t, time.Minute, func() string {
		if out, code := p.try(t, "hansa", "status"); code != 0 {
			return out
		}
		return ""
	})
}

// awaitHealthy waits until the agent's pod is ready and the hub has it as a member.
func (p pod) awaitHealthy(t *testing.T) {
	t.Helper()
	p.await(t, time.Minute, func() string {
		ready, _ := p.try(t, "kubectl", "get", "pod", "-n", "hansa-system", "hansa-agent-0", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if h := p.members(t)["osaka"].Status.Health; ready != "True" || h != "Healthy" {
			return fmt.Sprintf("the pod is ready: %q, osaka is %q\n%s", ready, h, p.logs(t))
		}
		return ""
	})
}

func (p pod) awaitReady(t *testing.T, workload string) {
	t.Helper()
	p.await(t, time.Minute, func() string {
		if w := p.workload(t, workload); w.Status.State != "Ready" {
			out, _ := p.try(t, "hansa", "describe", "workload", workload)
			return out
		}
		return ""
	})
}

func (p pod) logs(t *testing.T) string {
	t.Helper()
	described, _ := p.try(t, "kubectl", "describe", "pod", "-n", "hansa-system", "hansa-agent-0")
	logs, _ := p.try(t, "kubectl", "logs", "-n", "hansa-system", "hansa-agent-0", "--tail", "40")
	return described + logs
}

func checkPodLands(t *testing.T, p pod) {
	p.apply(t, fmt.Sprintf(guest, "inn", "survive: None"))
	p.awaitReady(t, "inn/host")
	if got := p.run(t, "kubectl", "get", "deployment", "-n", "inn", "host", "-o", "jsonpath={.status.readyReplicas}"); got != "1" {
		t.Errorf("%q replicas are ready", got)
	}
}

// checkPodOnce: the API server asks the agent, by its Service, about pods of workloads
// that run at most once, and starts none while it is away.
func checkPodOnce(t *testing.T, p pod) {
	p.apply(t, fmt.Sprintf(guest, "single", "survive: None, continuity: AtMostOne"))
	p.awaitReady(t, "single/host")
	byHand := func(workload string) string {
		out, _ := p.try(t, "kubectl", "-n", "single", "run", "byhand", "--image="+agentImage, "--labels=hansa.io/at-most-one=true", "--annotations=hansa.io/workload="+workload, "--dry-run=server")
		return out
	}
	if out := byHand("single/host"); !strings.Contains(out, "pod/byhand created (server dry run)") {
		t.Errorf("with a lease: %s", out)
	}
	if out := byHand("single/other"); !strings.Contains(out, "workload single/other runs at most once, and not here: this member has no lease of it") {
		t.Errorf("without a lease: %s", out)
	}
}

// checkPodReach: kubectl goes through the gateway and the agent's pod.
func checkPodReach(t *testing.T, p pod) {
	p.await(t, 20*time.Second, func() string {
		if out, _ := p.try(t, "hansa", "kubectl", "osaka", "--", "get", "deployments", "-n", "inn", "-o", "name"); strings.TrimSpace(out) != "deployment.apps/host" {
			return out
		}
		return ""
	})
}

// checkPodAgain: a new pod goes on with the identity on its disk, without the token. What
// runs is left alone, but for what runs at most once: that lost its lease with the agent.
func checkPodAgain(t *testing.T, p pod) {
	running := p.run(t, "kubectl", "get", "pods", "-n", "inn", "-o", "name")
	p.run(t, "kubectl", "delete", "secret", "-n", "hansa-system", "hansa-join")
	p.run(t, "kubectl", "delete", "pod", "-n", "hansa-system", "hansa-agent-0", "--now")
	p.await(t, time.Minute, func() string {
		if out := p.run(t, "hansa", "describe", "member", "osaka"); !strings.Contains(out, "incarnation 2") {
			return out
		}
		return ""
	})
	p.awaitHealthy(t)
	p.awaitReady(t, "single/host")
	if now := p.run(t, "kubectl", "get", "pods", "-n", "inn", "-o", "name"); now != running || running == "" {
		t.Errorf("%q runs, and before %q", now, running)
	}
}

// checkPodLeaves: nothing of Hansa's stays in the way of the cluster.
func checkPodLeaves(t *testing.T, p pod) {
	p.run(t, "hansa", "leave", "osaka", "--delete", "--force", "--yes")
	p.await(t, time.Minute, func() string {
		if out := p.run(t, "kubectl", "get", "namespaces,validatingwebhookconfigurations", "-o", "name"); strings.Contains(out, "/inn") || strings.Contains(out, "/single") || strings.Contains(out, "hansa-at-most-one") {
			return out
		}
		return ""
	})
	p.run(t, "helm", "uninstall", "hansa-agent", "-n", "hansa-system")
}
