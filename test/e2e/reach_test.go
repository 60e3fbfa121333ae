package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	t.Run("headers", r.headers)
	t.Run("impersonator", r.impersonator)
	t.Run("roles", r.roles)
	t.Run("logs", r.logs)
	t.Run("exec", r.exec)
	t.Run("copy", r.copy)
	t.Run("port-forward", r.portForward)
	t.Run("top", r.top)
	t.Run("top measured", r.topMeasured)
	t.Run("merge", r.merge)
	t.Run("cut", r.cut)
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
	if got := r.run(t, "hansa", "kubectl", "tokyo", "--", "get", "namespace", "default", "-o", "name"); got != "namespace/default\n" {
		t.Errorf("hansa kubectl: %q", got)
	}
	if out, code := r.try(t, "hansa", "kubectl", "tokyo", "--", "get", "namespace", "none"); code != 1 || strings.Contains(out, "hansa:") {
		t.Errorf("hansa kubectl that fails: exit %d, %s", code, out)
	}
	r.refused(t, `member tokio does not exist: did you mean "tokyo"?`, "hansa", "kubeconfig", "tokio")
}

// headers sends more of them than anybody needs, with a token that is good.
func (r reach) headers(t *testing.T) {
	token, err := os.ReadFile(filepath.Join(r.home, "pki", "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	server := r.run(t, "kubectl", "--kubeconfig", r.kubeconfig, "config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
	for _, version := range []string{"--http1.1", "--http2"} {
		for size, want := range map[int]bool{1000: true, 200_000: false} {
			file := filepath.Join(t.TempDir(), "headers")
			text := "Authorization: Bearer " + strings.TrimSpace(string(token)) + "\nX-Huge: " + strings.Repeat("x", size) + "\n"
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, _ := r.try(t, "curl", "-sk", version, "-o", "/dev/null", "-w", "%{http_code}", "-H", "@"+file, server+"/api")
			if (got == "200") != want {
				t.Errorf("%s with a header of %d bytes: %s", version, size, got)
			}
		}
	}
}

// impersonator has the agent's user be one that may nothing but what the manifest for
// attached clusters gives it.
func (r reach) impersonator(t *testing.T) {
	direct := r.federation.kubeconfig(t, "frankfurt")
	r.run(t, "kubectl", "--kubeconfig", direct, "apply", "-f", "configs/reach/rbac.yaml")
	r.run(t, "kubectl", "--kubeconfig", direct, "create", "clusterrolebinding", "tried", "--clusterrole=hansa:impersonator", "--user=tried")
	for whom, want := range map[string]string{
		"groups/hansa:viewers": "yes", "groups/hansa:admins": "yes", "users/hansa:admin": "yes",
		"groups/system:masters": "no", "groups/hansa:other": "no", "users/hansa:nobody": "no", "users/admin": "no", "serviceaccounts": "no",
	} {
		out, _ := r.try(t, "kubectl", "--kubeconfig", direct, "auth", "can-i", "impersonate", whom, "--as=tried")
		if got := lastLine(strings.TrimSpace(out)); got != want {
			t.Errorf("may the agent impersonate %s: %s", whom, out)
		}
	}
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
