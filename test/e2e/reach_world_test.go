package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/test/kubelet"
)

// reach is a federation whose members have a node that answers.
type reach struct {
	federation
	kubelet    *kubelet.Kubelet
	kubeconfig string // of tokyo, through the gateway
}

// through writes a kubeconfig that leads through the gateway.
func (f federation) through(t *testing.T, member string, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), member+".kubeconfig")
	f.run(t, "hansa", append([]string{"kubeconfig", member, "--out", file}, flags...)...)
	return file
}

// talker is a workload whose pods are on the node that answers.
const talker = `apiVersion: v1
kind: Namespace
metadata: {name: talk}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: talk, name: talker}
spec:
  replicas: 1
  selector: {matchLabels: {app: talker}}
  template:
    metadata: {labels: {app: talker}}
    spec:
      nodeName: stub
      tolerations: [{operator: Exists}]
      containers: [{name: main, image: example/talker}]
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: talk, name: talker}
spec: {resources: [{apiVersion: apps/v1, kind: Deployment, name: talker}], replicas: {mode: Duplicated}}
`

// running is the status that a kubelet gives a pod.
const running = `{"status": {"phase": "Running", "podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [
	{"name": "main", "image": "example/talker", "imageID": "x", "ready": true, "started": true, "restartCount": 0, "state": {"running": {}}}]}}`

// addStub adds the node that answers to a member.
func (f federation) addStub(t *testing.T, member string, k *kubelet.Kubelet) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node.json")
	if err := os.WriteFile(file, []byte(k.Node()), 0o600); err != nil {
		t.Fatal(err)
	}
	direct := f.kubeconfig(t, member)
	f.run(t, "kubectl", "--kubeconfig", direct, "create", "-f", file)
	f.run(t, "kubectl", "--kubeconfig", direct, "patch", "node", "stub", "--subresource=status", "--type=merge", "--patch-file", file)
}

// pod waits for the pod of talker in a member, and has it running.
func (r reach) pod(t *testing.T, member string) string {
	t.Helper()
	kubeconfig, name := r.federation.kubeconfig(t, member), ""
	r.await(t, 30*time.Second, func() string {
		name = r.run(t, "kubectl", "--kubeconfig", kubeconfig, "-n", "talk", "get", "pods", "-l", "app=talker", "-o", "jsonpath={.items[*].metadata.name}")
		if len(strings.Fields(name)) != 1 {
			return "pods of talker: " + name
		}
		return ""
	})
	r.run(t, "kubectl", "--kubeconfig", kubeconfig, "-n", "talk", "patch", "pod", name, "--subresource=status", "-p", running)
	return name
}

// kubectl runs it in tokyo.
func (r reach) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return r.run(t, "kubectl", append([]string{"--kubeconfig", r.kubeconfig}, args...)...)
}

// start runs a command whose output grows.
func (r reach) start(t *testing.T, name string, args ...string) *growing {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &growing{}
	command := exec.CommandContext(ctx, filepath.Join(r.path, name), args...)
	command.Env = append(os.Environ(), "HANSA_HOME="+r.home)
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out.end(command.Wait())
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return out
}

// growing is the output of a command that runs.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
	over bool
	err  error
}

// Write adds to the output.
func (g *growing) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(b)
}

func (g *growing) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over, g.err = true, err
}

// has waits until the output has all the texts.
func (r reach) has(t *testing.T, g *growing, texts ...string) {
	t.Helper()
	r.await(t, 30*time.Second, func() string {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, text := range texts {
			if !strings.Contains(g.text.String(), text) {
				return fmt.Sprintf("%q is not in the output (over: %v %v):\n%s", text, g.over, g.err, g.text.String())
			}
		}
		return ""
	})
}

// second starts a gateway with tokens of its own, and returns where it is and the files
// of the tokens, by role.
func (r reach) second(t *testing.T) (string, map[string]string) {
	t.Helper()
	hubFile := filepath.Join(r.home, "hub", "hub.yaml")
	hub, err := configs.LoadHub(hubFile)
	if err != nil {
		t.Fatal(err)
	}
	dir, list, files := t.TempDir(), "tokens:\n", map[string]string{}
	put := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	for role, name := range map[string]string{"viewer": "vera", "operator": "otto"} {
		list += fmt.Sprintf("- {name: %s, role: %s, token: %s-0123456789}\n", name, role, role)
		files[role] = put(role+".token", role+"-0123456789\n")
	}
	role := configs.GatewayRole{Name: "second", Gateway: hub.Gateway, Bus: configs.BusClient{
		URLs: []string{"tls://" + hub.Bus.Listen}, CAFile: hub.Bus.CAFile,
		CredentialsFile: put("gateway.creds", r.run(t, "hansa", "hub", "credentials", "--name", "second", "--config", hubFile)),
	}}
	role.Listen, role.MetricsListen, role.TokensFile = freeAddress(t), "", put("tokens.yaml", list)
	text, err := yaml.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	log := r.start(t, "hansa", "gateway", "--config", put("gateway.yaml", string(text)))
	r.has(t, log, "gateway listening")
	r.await(t, 20*time.Second, func() string {
		if out, code := r.try(t, "hansa", "get", "members", "--gateway", role.Listen, "--token-file", files["viewer"]); code != 0 || !strings.Contains(out, "tokyo") {
			return out
		}
		return ""
	})
	return role.Listen, files
}
