package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

// TestLeave has an agent restart, and members leave: one that is there and keeps its objects, one whose agent
// was killed, and one that is dead as a whole; the last two do their part when they are
// back.
func TestLeave(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--members", "2", "--no-sample", "--timeout", "100s")
	s := newLeaver(t, f)
	for _, part := range []struct {
		name string
		test func(*testing.T, *leaver)
	}{
		{"restarted agent", checkRestartOnce},
		{"pinned", checkLeavePinned},
		{"retain", checkLeaveRetain},
		{"killed agent", checkLeaveKilledAgent},
		{"dead member", checkLeaveDead},
	} {
		if !t.Run(part.name, func(t *testing.T) { s.t = t; part.test(t, s) }) {
			return
		}
	}
}

// leaver is an attached cluster, and the agent that runs for it.
type leaver struct {
	t          *testing.T
	f          federation
	kubeconfig string

	command *exec.Cmd
	ended   chan error

	mu  sync.Mutex
	log strings.Builder
}

// oldest is as old a Kubernetes as the one in go.mod emulates.
const oldest = "1.34"

// newLeaver attaches a cluster, by "hansa join" with more flags.
func newLeaver(t *testing.T, f federation, more ...string) *leaver {
	dir := t.TempDir()
	startCluster(t, writeConfig(t, config.Config{Name: "osaka", DataDir: dir + "/data", EmulatedVersion: oldest, Nodes: config.Nodes{Kind: config.KindSimulated, Count: 1}}))
	s := &leaver{t: t, f: f, kubeconfig: filepath.Join(dir, "data", "agent.kubeconfig")}
	s.join(append(more, "--token", s.token())...)
	t.Cleanup(func() {
		_ = s.command.Process.Kill() // it may have ended
		if t.Failed() {
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Log(s.log.String())
		}
	})
	return s
}

func (s *leaver) token() string {
	return strings.TrimSpace(lastLine(s.f.run(s.t, "hansa", "token", "create", "--member", "osaka", "--ttl", "10m")))
}

// Write keeps what the agent says.
func (s *leaver) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

// join starts the agent.
func (s *leaver) join(more ...string) {
	s.t.Helper()
	s.command = exec.Command(filepath.Join(s.f.path, "hansa"), append([]string{"join", "--member", "osaka", "--region", "ap-northeast", "--kubeconfig", s.kubeconfig, "--admission-listen", "127.0.0.1:0"}, more...)...)
	s.command.Env = append(os.Environ(), "HANSA_HOME="+s.f.home)
	s.command.Stderr = s
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func(command *exec.Cmd, ended chan error) { ended <- command.Wait() }(s.command, s.ended)
}

// kill ends the agent by kill -9.
func (s *leaver) kill() {
	s.t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	if err := <-s.ended; err == nil {
		s.t.Error("an agent that was killed has ended well")
	}
}

// leaves waits until the agent has ended by itself.
func (s *leaver) leaves() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || !strings.Contains(s.log.String(), "left the federation") {
			s.t.Fatalf("the agent ended with %v and said\n%s", err, s.log.String())
		}
	case <-time.After(time.Minute):
		s.t.Fatal("the agent does not end")
	}
}

func (s *leaver) kubectl(arguments ...string) string {
	s.t.Helper()
	return s.f.run(s.t, "kubectl", append([]string{"--kubeconfig", s.kubeconfig}, arguments...)...)
}

// objects lists what there is of the test's own objects, by kind and name.
func (s *leaver) objects() string {
	s.t.Helper()
	out := s.kubectl("get", "deployments,services,configmaps", "-n", "inn", "--ignore-not-found", "-o", "name")
	return strings.Join(strings.Fields(strings.ReplaceAll(out, "configmap/kube-root-ca.crt", "")), " ")
}

// inn is a workload of one Deployment, a Service and a ConfigMap; sign is one that was
// there before in osaka.
const inn = `apiVersion: v1
kind: ConfigMap
metadata: {namespace: inn, name: %[1]s}
data: {rooms: "3"}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: inn, name: sign}
data: {text: hansa}
---
apiVersion: v1
kind: Service
metadata: {namespace: inn, name: %[1]s}
spec: {selector: {app: %[1]s}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: inn, name: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: host, image: host}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: inn, name: %[1]s}
spec:
  members: {required: {matchExpressions: [{key: name, operator: In, values: [%[2]s]}]}}
  spread: []
  landing: {takeover: Always}
  failover: {survive: None}
`

// apply lands the workload, and waits until the member has it and all of it is ready.
func (s *leaver) apply(name, members, member string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "inn.yaml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(inn, name, members)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.f.run(s.t, "hansa", "apply", "-f", file)
	s.f.await(s.t, time.Minute, func() string {
		if w := s.f.workload(s.t, "inn/"+name); w.state(member) != "Ready" || w.Status.State != "Ready" {
			return fmt.Sprintf("%s: %+v", name, w)
		}
		return ""
	})
}

// widen lets the workload run in tokyo too, and stay where it is: a changed Placement has
// it placed anew, where there is more room by then.
func (s *leaver) widen(name, member string) {
	s.t.Helper()
	s.f.run(s.t, "hansa", "cordon", "tokyo")
	s.apply(name, member+", tokyo", member)
	s.f.run(s.t, "hansa", "uncordon", "tokyo")
}

// before makes what others have in osaka.
func (s *leaver) before() {
	s.t.Helper()
	if got := s.kubectl("get", "--raw", "/version"); !strings.Contains(got, `"emulationMinor": "`+strings.TrimPrefix(oldest, "1.")+`"`) {
		s.t.Errorf("the cluster does not emulate %s: %s", oldest, got)
	}
	s.kubectl("create", "namespace", "inn")
	s.kubectl("create", "configmap", "-n", "inn", "guest", "--from-literal=text=mine")
	s.kubectl("create", "configmap", "-n", "inn", "sign", "--from-literal=text=before")
}

// free checks that the cluster belongs to nobody, that what others made is there, and
// that nothing has marks of Hansa.
func (s *leaver) free() {
	s.t.Helper()
	if got := s.kubectl("get", "configmaps", "-n", "hansa-system", "-o", "name"); strings.Contains(got, "hansa-member") || strings.Contains(got, "inventories") {
		s.t.Errorf("hansa-system has %s", got)
	}
	if got := s.kubectl("get", "configmap", "-n", "inn", "guest", "sign", "-o", "jsonpath={.items[*].data.text}"); got != "mine hansa" {
		s.t.Errorf("what others made says %q", got)
	}
	if got := s.kubectl("get", "deployments,services,configmaps", "-n", "inn", "--show-managed-fields", "-o", "yaml"); strings.Contains(got, "hansa.io/") || strings.Contains(got, "manager: hansa\n") {
		s.t.Errorf("marks of Hansa are left:\n%s", got)
	}
	if _, there := s.f.members(s.t)["osaka"]; there {
		s.f.await(s.t, 20*time.Second, func() string {
			if m, there := s.f.members(s.t)["osaka"]; there {
				return "osaka is " + m.Status.Health
			}
			return ""
		})
	}
}

// elsewhere waits until the workload is whole without the member.
func (s *leaver) elsewhere(name, member string) {
	s.t.Helper()
	s.f.await(s.t, time.Minute, func() string {
		w := s.f.workload(s.t, "inn/"+name)
		ready := 0
		for _, m := range w.Status.Members {
			if m.Member != member {
				ready += m.Ready
			}
		}
		if ready != 2 {
			return fmt.Sprintf("%s: %+v", name, w)
		}
		return ""
	})
}

// checkLeavePinned: a member that something cannot do without does not leave, and a dry
// run says so.
func checkLeavePinned(t *testing.T, s *leaver) {
	s.before()
	s.apply("host", "osaka", "osaka")
	if got := s.objects(); got != "deployment.apps/host service/host configmap/guest configmap/host configmap/sign" {
		t.Fatalf("osaka has %s", got)
	}
	out, code := s.f.try(t, "hansa", "leave", "osaka", "--retain", "--yes")
	if code != 1 || !strings.Contains(out, "2 replicas of inn/host find no place without osaka") || !strings.Contains(out, "--force") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out := s.f.run(t, "hansa", "leave", "osaka", "--delete", "--dry-run"); !strings.Contains(out, "departure of osaka; nothing was done") || !strings.Contains(out, "inn/host") {
		t.Errorf("dry run:\n%s", out)
	}
	if h := s.f.members(t)["osaka"].Status.Health; h != "Healthy" {
		t.Errorf("osaka is %s", h)
	}
}

// checkLeaveRetain: the objects stay and belong to nobody, the replicas stand elsewhere,
// the agent ends, and starts for nothing with what it joined by.
func checkLeaveRetain(t *testing.T, s *leaver) {
	s.widen("host", "osaka")
	if out := s.f.run(t, "hansa", "leave", "osaka", "--retain", "--yes", "--wait"); !strings.Contains(out, "member osaka left") {
		t.Errorf("leave:\n%s", out)
	}
	s.leaves()
	s.elsewhere("host", "osaka")
	if got := s.objects(); got != "deployment.apps/host service/host configmap/guest configmap/host configmap/sign" {
		t.Errorf("osaka has %s", got)
	}
	s.free()
	out, code := s.f.try(t, "hansa", "join", "--member", "osaka", "--region", "ap-northeast", "--kubeconfig", s.kubeconfig)
	if code != 0 || !strings.Contains(out, "this cluster has left the federation, as osaka") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.kubectl("delete", "namespace", "inn")
	s.f.run(t, "hansa", "delete", "inn/host", "--yes")
}

// checkLeaveKilledAgent: the cluster joins again. Its agent is killed, it leaves, and what
// it ran stands elsewhere; when the agent starts it does the rest, and no more.
func checkLeaveKilledAgent(t *testing.T, s *leaver) {
	s.before()
	s.log.Reset()
	s.join("--token", s.token())
	s.apply("guild", "osaka", "osaka")
	s.widen("guild", "osaka")
	s.kill()
	s.f.await(t, 20*time.Second, func() string {
		if h := s.f.members(t)["osaka"].Status.Health; h == "Healthy" {
			return "osaka is " + h
		}
		return ""
	})
	s.f.run(t, "hansa", "leave", "osaka", "--delete", "--yes")
	if out := s.f.run(t, "hansa", "get", "members", "osaka"); !strings.Contains(out, ",Leaving") {
		t.Errorf("get members:\n%s", out)
	}
	s.elsewhere("guild", "osaka")
	if out := s.f.run(t, "hansa", "describe", "member", "osaka"); !strings.Contains(out, "leave") {
		t.Errorf("describe:\n%s", out)
	}
	if got := s.objects(); got != "deployment.apps/guild service/guild configmap/guest configmap/guild configmap/sign" {
		t.Errorf("before the agent is back osaka has %s", got)
	}
	s.join()
	s.leaves()
	if got := s.objects(); got != "configmap/guest configmap/sign" {
		t.Errorf("osaka has %s", got)
	}
	s.free()
	s.f.run(t, "hansa", "delete", "inn/guild", "--yes")
}

// checkLeaveDead: a whole member dies, leaves, and comes back: what it ran is removed, and
// its cluster goes on without Hansa.
func checkLeaveDead(t *testing.T, s *leaver) {
	s.apply("hall", "frankfurt", "frankfurt")
	s.widen("hall", "frankfurt")
	s.f.run(t, "hansa", "member", "kill", "frankfurt")
	s.f.await(t, 20*time.Second, func() string {
		if h := s.f.members(t)["frankfurt"].Status.Health; h != "Unreachable" {
			return "frankfurt is " + h
		}
		return ""
	})
	if out := s.f.run(t, "hansa", "leave", "frankfurt", "--delete", "--yes"); !strings.Contains(out, "it is Unreachable, and its agent does the rest when it is back") {
		t.Errorf("leave:\n%s", out)
	}
	s.elsewhere("hall", "frankfurt")
	s.f.run(t, "hansa", "member", "start", "frankfurt")
	s.f.await(t, time.Minute, func() string {
		if m, there := s.f.members(t)["frankfurt"]; there {
			return "frankfurt is " + m.Status.Health
		}
		return ""
	})
	direct := s.f.kubeconfig(t, "frankfurt")
	if got := s.f.run(t, "kubectl", "--kubeconfig", direct, "get", "deployments,validatingwebhookconfigurations", "-A", "-o", "name"); strings.TrimSpace(got) != "" {
		t.Errorf("frankfurt has %s", got)
	}
}
