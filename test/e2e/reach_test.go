package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

// TestReach: real kubectl does with a member through the gateway what it does without.
func TestReach(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--members", "2", "--node-count", "2", "--ports", "auto", "--no-sample")
	k := kubelet.New(t)
	for _, member := range []string{"tokyo", "frankfurt"} {
		f.addStub(t, member, k)
	}
	r := reach{federation: f, kubelet: k, kubeconfig: f.through(t, "tokyo")}
	t.Run("objects", r.objects)
	t.Run("roles", r.roles)
	t.Run("logs", r.logs)
	t.Run("exec", r.exec)
	t.Run("copy", r.copy)
	t.Run("port-forward", r.portForward)
	t.Run("top", r.top)
	t.Run("merge", r.merge)
	t.Run("cut", r.cut)
}

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

func (r reach) objects(t *testing.T) {
	if got := r.kubectl(t, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username} {.status.userInfo.groups}"); got != `hansa:admin ["hansa:admins","system:authenticated"]` {
		t.Errorf("the member knows the caller as %s", got)
	}
	file := filepath.Join(t.TempDir(), "map.yaml")
	if err := os.WriteFile(file, []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata: {a: b}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	watch := r.start(t, "kubectl", "--kubeconfig", r.kubeconfig, "get", "configmaps", "-w", "--output-watch-events")
	r.has(t, watch, "kube-root-ca.crt")
	r.kubectl(t, "apply", "-f", file)
	r.kubectl(t, "annotate", "configmap", "seen", "x=y")
	r.kubectl(t, "delete", "configmap", "seen")
	r.has(t, watch, "ADDED      seen", "MODIFIED   seen", "DELETED    seen")
	out, code := r.try(t, "kubectl", "--kubeconfig", r.kubeconfig, "get", "nodes", "--as=system:admin")
	if code == 0 || !strings.Contains(out, "impersonates nobody but the caller") {
		t.Errorf("--as: exit %d, %s", code, out)
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	text, err := os.ReadFile(r.kubeconfig)
	if err == nil {
		err = os.WriteFile(nowhere, bytes.ReplaceAll(text, []byte("members/tokyo"), []byte("members/nowhere")), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, code = r.try(t, "kubectl", "--kubeconfig", nowhere, "get", "nodes")
	if code == 0 || !strings.HasPrefix(lastLine(out), `Error from server (Forbidden): member "nowhere" does not exist`) {
		t.Errorf("unknown member: exit %d, %s", code, out)
	}
	r.refused(t, `member tokio does not exist: did you mean "tokyo"?`, "hansa", "kubeconfig", "tokio")
}

// roles asks a gateway in a process of its own, which knows a viewer and an operator.
func (r reach) roles(t *testing.T) {
	address, tokens := r.second(t)
	as := func(who string) string {
		return r.through(t, "tokyo", "--gateway", address, "--token-file", tokens[who])
	}
	viewer, operator := as("viewer"), as("operator")
	for _, c := range []struct {
		kubeconfig string
		args       string
		says       string // "" is permitted
	}{
		{viewer, "get pods -A", ""},
		{viewer, "get nodes", ""},
		{viewer, "auth can-i list pods", ""},
		{viewer, "get secrets -A", `User "hansa:vera" cannot list resource "secrets"`},
		{viewer, "create configmap a", "vera is a viewer"},
		{viewer, "delete configmap kube-root-ca.crt", "vera is a viewer"},
		{viewer, "get --raw /api/v1/namespaces/default/pods/a/exec?command=true", "vera is a viewer"},
		{operator, "create configmap a", ""},
		{operator, "delete configmap a", ""},
		{operator, "delete node stub", `User "hansa:otto" cannot delete resource "nodes"`},
		{operator, "create clusterrolebinding mine --clusterrole=cluster-admin --user=hansa:otto", `User "hansa:otto" cannot create resource "clusterrolebindings"`},
	} {
		out, code := r.try(t, "kubectl", append([]string{"--kubeconfig", c.kubeconfig}, strings.Fields(c.args)...)...)
		if (code == 0) != (c.says == "") || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d, %s", c.args, code, out)
		}
	}
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
		CredentialsFile: put("gateway.creds", r.run(t, "hansa", "hub", "credentials", "--config", hubFile)),
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

func (r reach) logs(t *testing.T) {
	r.apply(t, talker)
	tokyo, frankfurt := r.pod(t, "tokyo"), r.pod(t, "frankfurt")
	r.kubelet.Write("one")
	if got := r.kubectl(t, "-n", "talk", "logs", tokyo); got != "one\n" {
		t.Errorf("kubectl logs: %q", got)
	}
	plain := r.start(t, "kubectl", "--kubeconfig", r.kubeconfig, "-n", "talk", "logs", "-f", tokyo)
	all := r.start(t, "hansa", "logs", "talk/talker", "-f")
	r.has(t, plain, "one\n")
	r.has(t, all, "tokyo/"+tokyo+" one\n", "frankfurt/"+frankfurt+" one\n")
	r.kubelet.Write("two")
	r.has(t, plain, "two\n")
	r.has(t, all, "tokyo/"+tokyo+" two\n", "frankfurt/"+frankfurt+" two\n")
	r.kubelet.Cut() // as a container that starts again does
	r.kubelet.Write("three")
	r.has(t, all, "tokyo/"+tokyo+" three\n", "frankfurt/"+frankfurt+" three\n")
	r.kubectl(t, "-n", "talk", "delete", "pod", tokyo, "--wait=false", "--force")
	other := ""
	r.await(t, 30*time.Second, func() string {
		if other = r.pod(t, "tokyo"); other == tokyo {
			return "the pod is not replaced"
		}
		return ""
	})
	r.kubelet.Write("four")
	r.has(t, all, "tokyo/"+other+" four\n", "frankfurt/"+frankfurt+" four\n")
	all.mu.Lock()
	defer all.mu.Unlock()
	if n := strings.Count(all.text.String(), "frankfurt/"+frankfurt+" one\n"); n != 1 {
		t.Errorf("a line was printed %d times:\n%s", n, all.text.String())
	}
	if got := r.run(t, "hansa", "logs", "talk/talker", "--member", "frankfurt", "--tail", "1"); got != "frankfurt/"+frankfurt+" four\n" {
		t.Errorf("the last line of frankfurt: %q", got)
	}
	r.refused(t, "workload talk/talk", "hansa", "logs", "talk/talk")
}

func (r reach) exec(t *testing.T) {
	pod := r.pod(t, "tokyo")
	if got := r.kubectl(t, "-n", "talk", "exec", pod, "--", "echo", "there"); got != "there\n" {
		t.Errorf("exec: %q", got)
	}
	if out, code := r.try(t, "kubectl", "--kubeconfig", r.kubeconfig, "-n", "talk", "exec", pod, "--", "sh", "-c", "echo why >&2; exit 1"); code == 0 || !strings.Contains(out, "why") {
		t.Errorf("exec that fails: exit %d, %s", code, out)
	}
	for _, websockets := range []string{"true", "false"} { // and SPDY
		pipe := fmt.Sprintf("echo typed | KUBECTL_REMOTE_COMMAND_WEBSOCKETS=%s kubectl --kubeconfig %s -n talk exec -i %s -- cat", websockets, r.kubeconfig, pod)
		if got := r.run(t, "sh", "-c", pipe); got != "typed\n" {
			t.Errorf("exec -i, WebSocket %s: %q", websockets, got)
		}
	}
}

func (r reach) copy(t *testing.T) {
	pod, from := r.pod(t, "tokyo"), filepath.Join(t.TempDir(), "from")
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	if err := os.WriteFile(from, data, 0o600); err != nil {
		t.Fatal(err)
	}
	back := filepath.Join(t.TempDir(), "back")
	r.kubectl(t, "-n", "talk", "cp", from, pod+":"+filepath.Join(r.kubelet.Dir, "copied"))
	r.kubectl(t, "-n", "talk", "cp", pod+":"+filepath.Join(r.kubelet.Dir, "copied"), back)
	got, err := os.ReadFile(back)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
		t.Errorf("there and back came %d bytes, %v", len(got), err)
	}
}

func (r reach) portForward(t *testing.T) {
	pod := r.pod(t, "tokyo")
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	defer service.Close()
	_, port, _ := strings.Cut(service.Listener.Addr().String(), ":")
	_, own, _ := strings.Cut(freeAddress(t), ":")
	forward := r.start(t, "kubectl", "--kubeconfig", r.kubeconfig, "-n", "talk", "port-forward", pod, own+":"+port)
	r.has(t, forward, "Forwarding from")
	if got := r.run(t, "curl", "-s", "http://127.0.0.1:"+own); got != "served" {
		t.Errorf("through the forwarded port: %q", got)
	}
}

func (r reach) top(t *testing.T) {
	if out := r.run(t, "hansa", "top", "members"); !strings.Contains(out, "CPU-REQUESTED") || !strings.Contains(out, "tokyo") {
		t.Errorf("top members:\n%s", out)
	}
	if out := r.run(t, "hansa", "top", "nodes", "tokyo"); !strings.Contains(out, "stub") || !strings.Contains(out, "tokyo: not measured: the cluster serves no metrics API") {
		t.Errorf("top nodes:\n%s", out)
	}
	if out := r.run(t, "hansa", "top", "workloads"); !strings.Contains(out, "talk/talker") || !strings.Contains(out, "not measured") {
		t.Errorf("top workloads:\n%s", out)
	}
}

// merge writes into a kubeconfig of the user, and keeps what is there.
func (r reach) merge(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	mine := "apiVersion: v1\nkind: Config\npreferences: {colors: true}\nclusters: [{name: mine, cluster: {server: \"https://mine\"}}]\n"
	if err := os.WriteFile(file, []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.run(t, "sh", "-c", "KUBECONFIG="+file+" hansa kubeconfig tokyo --merge")
	}
	r.run(t, "kubectl", "--kubeconfig", file, "--context", "hansa-tokyo", "get", "nodes")
	text, err := os.ReadFile(file)
	if err != nil || strings.Count(string(text), "members/tokyo") != 1 || !strings.Contains(string(text), "https://mine") || !strings.Contains(string(text), "colors") {
		t.Errorf("the merged file, %v:\n%s", err, text)
	}
}

// cut ends with an error what is under way to a member that dies, and says why it cannot
// be reached; logs of the others go on.
func (r reach) cut(t *testing.T) {
	frankfurt := r.pod(t, "frankfurt")
	watch := r.start(t, "kubectl", "--kubeconfig", r.kubeconfig, "get", "configmaps", "-w", "--output-watch-events")
	r.has(t, watch, "kube-root-ca.crt")
	all := r.start(t, "hansa", "logs", "talk/talker", "-f", "--tail", "0")
	r.run(t, "hansa", "member", "kill", "tokyo")
	r.has(t, watch, "ERROR")
	r.has(t, all, "tokyo: ")
	r.kubelet.Write("five")
	r.has(t, all, "frankfurt/"+frankfurt+" five\n")
	out, code := r.try(t, "kubectl", "--kubeconfig", r.kubeconfig, "get", "configmaps")
	if code == 0 || !strings.Contains(lastLine(out), "member tokyo cannot be reached over the bus") {
		t.Errorf("a lost member: exit %d, %s", code, out)
	}
}
