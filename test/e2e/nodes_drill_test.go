package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
)

// steady is a server in frankfurt that Hansa does not manage, and so never moves.
const steady = `apiVersion: apps/v1
kind: Deployment
metadata: {name: steady}
spec:
  replicas: 2
  selector: {matchLabels: {app: steady}}
  template:
    metadata: {labels: {app: steady}}
    spec: {containers: [{name: server, image: ` + images.Server + `}]}
---
apiVersion: v1
kind: Service
metadata: {name: steady}
spec: {selector: {app: steady}, ports: [{port: 80, targetPort: 8080}]}
`

func checkSteady(t *testing.T, f federation) {
	begin := time.Now()
	f.put(t, "frankfurt", steady)
	f.answers(t, true, 30*time.Second)
	t.Logf("the ClusterIP answered tokyo %.1f s after apply", time.Since(begin).Seconds())
}

// answers waits until steady is asked from tokyo with this result.
func (f federation) answers(t *testing.T, want bool, limit time.Duration) {
	t.Helper()
	kubeconfig := f.kubeconfig(t, "frankfurt")
	f.await(t, limit, func() string {
		service, code := f.try(t, "kubectl", "--kubeconfig", kubeconfig, "get", "service", "steady", "-o", "jsonpath={.spec.clusterIP}")
		if code != 0 {
			return service // a member that has just started
		}
		out, code := f.fetch(t, "http://"+service)
		if (code == 0) == want {
			return ""
		}
		return fmt.Sprintf("steady in frankfurt: exit %d: %s", code, out)
	})
}

// ready is the status of the condition Ready of frankfurt's node.
func (f federation) ready(t *testing.T) string {
	t.Helper()
	return f.kubectl(t, "frankfurt", "get", "node", frankfurtNode, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
}

func (f federation) awaitNode(t *testing.T, status string) {
	t.Helper()
	begin := time.Now()
	f.await(t, time.Minute, func() string {
		if found := f.ready(t); found != status {
			return "node is Ready: " + found
		}
		return ""
	})
	t.Logf("Ready is %s after %.1f s", status, time.Since(begin).Seconds())
}

// drill does a verb to frankfurt's node and checks what it says.
func (f federation) drill(t *testing.T, verb, state string) {
	t.Helper()
	if out := f.run(t, "hansa", "node", verb, "frankfurt/"+frankfurtNode); !strings.Contains(out, state) {
		t.Errorf("node %s: %s", verb, out)
	}
}

func checkCut(t *testing.T, f federation) {
	f.answers(t, true, 20*time.Second)
	f.drill(t, "cut", "Cut")
	f.answers(t, false, 10*time.Second)
	f.awaitNode(t, "Unknown")
	f.drill(t, "start", "Running")
	f.awaitNode(t, "True")
	f.answers(t, true, 20*time.Second)
}

func checkPause(t *testing.T, f federation) {
	f.drill(t, "pause", "Paused")
	f.answers(t, false, 10*time.Second)
	f.awaitNode(t, "Unknown")
	f.drill(t, "start", "Running")
	f.awaitNode(t, "True")
	f.answers(t, true, 20*time.Second)
}

func checkDrain(t *testing.T, f federation) {
	f.kubectl(t, "frankfurt", "drain", frankfurtNode, "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	if running := f.kubectl(t, "frankfurt", "get", "pods", "-A", "--field-selector=status.phase=Running", "-o", "name"); running != "" {
		t.Errorf("run on a drained node: %s", running)
	}
	f.kubectl(t, "frankfurt", "uncordon", frankfurtNode)
	f.kubectl(t, "frankfurt", "rollout", "status", "deployment/steady", "--timeout=60s")
	f.answers(t, true, 20*time.Second)
}

func checkStop(t *testing.T, f federation) {
	f.drill(t, "stop", "Stopped")
	if left := f.residue(t, frankfurtNode); len(left) > 0 {
		t.Errorf("the stopped node left %v", left)
	}
	f.awaitNode(t, "Unknown")
	f.answers(t, false, 10*time.Second)
	begin := time.Now()
	f.drill(t, "start", "Running")
	f.awaitNode(t, "True")
	f.answers(t, true, 60*time.Second)
	t.Logf("it answers again %.1f s after the start", time.Since(begin).Seconds())
}

// checkCrashes kills each process of a node and of its member, and looks for what
// it leaves after the next start.
func checkCrashes(t *testing.T, f federation) {
	for _, row := range []struct {
		name, process string // a part of the command line
		paused        bool
	}{
		{"first process of the node", "hansa-pod init", false},
		{"node", "hansa-cluster node", false},
		{"containerd", "containerd --config", false},
		{"member", "hansa-cluster --config", false},
		{"member with a paused node", "hansa-cluster --config", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.paused {
				f.drill(t, "pause", "Paused")
			}
			f.kill(t, row.process)
			if row.process == "hansa-cluster --config" {
				f.await(t, 20*time.Second, func() string {
					out, _ := f.try(t, "hansa", "member", "start", "frankfurt")
					if strings.Contains(out, "started") {
						return ""
					}
					return out
				})
			} else {
				f.await(t, 20*time.Second, func() string { return strings.Join(f.residue(t, frankfurtNode), ", ") })
				f.drill(t, "start", "Running")
			}
			f.answers(t, true, 90*time.Second)
		})
	}
}

// kill sends SIGKILL to the one process of frankfurt whose command line has text.
func (f federation) kill(t *testing.T, text string) {
	t.Helper()
	var pids []int
	if text == "hansa-cluster --config" {
		data, err := os.ReadFile(filepath.Join(f.home, "members", "frankfurt", "pid"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		pids = []int{pid}
	} else {
		pids = f.inside(t, frankfurtNode, text)
	}
	if len(pids) == 0 {
		t.Fatalf("no process %q", text)
	}
	if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// inside lists the processes in the namespaces of a node whose command line has
// text: those in the namespaces of its first process, which the member names.
func (f federation) inside(t *testing.T, node, text string) []int {
	t.Helper()
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/cgroup")
	for _, file := range files {
		groups, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		command := strings.ReplaceAll(string(line), "\x00", " ")
		// Its first process is outside of the group: it only waits for the others.
		init := strings.Contains(command, "hansa-pod init") && f.parentOf(t, node, pid)
		if (init || strings.Contains(string(groups), f.network().Group(node))) && strings.Contains(command, text) {
			out = append(out, pid)
		}
	}
	return out
}

// parentOf says whether a process is the parent of one in the node's group.
func (f federation) parentOf(t *testing.T, node string, pid int) bool {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return false
	}
	for _, child := range strings.Fields(string(children)) {
		groups, err := os.ReadFile("/proc/" + child + "/cgroup")
		if err == nil && strings.Contains(string(groups), f.network().Group(node)) {
			return true
		}
	}
	return false
}

func (f federation) network() host.Network { return host.NetworkOf(f.home) }

// residue lists what a node, or with "" the whole federation, has on this machine:
// processes, network devices, control groups, mounts and rules.
func (f federation) residue(t *testing.T, node string) []string {
	t.Helper()
	out := []string{}
	for _, pid := range f.inside(t, node, "") {
		out = append(out, fmt.Sprintf("process %d", pid))
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*" + f.network().Group(node) + "*")
	more, _ := filepath.Glob("/sys/fs/cgroup" + f.network().Group(node) + "*")
	out = append(append(out, groups...), more...)
	var links []struct{ IfName string }
	text, err := exec.Command("ip", "-j", "link").Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &links); err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if link.IfName == f.network().Link(node) || (node == "" && strings.Contains(link.IfName, string(f.network()))) {
			out = append(out, link.IfName)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), f.home) {
		out = append(out, "mounts below "+f.home)
	}
	rules, err := exec.Command("iptables-save").Output()
	if err != nil || strings.Contains(string(rules), "KUBE-SVC") {
		out = append(out, fmt.Sprintf("rules of iptables (%v)", err))
	}
	return out
}

// checkNothingLeft ends everything, twice, the second time after a crash of all.
func checkNothingLeft(t *testing.T, f federation) {
	f.drill(t, "pause", "Paused")
	f.kill(t, "hansa-cluster --config")
	for range 2 {
		f.run(t, "hansa", "down")
		if left := f.residue(t, ""); len(left) > 0 {
			t.Errorf("down left %v", left)
		}
		if _, err := os.Stat(f.home); err == nil {
			t.Errorf("down left %s", f.home)
		}
	}
}
