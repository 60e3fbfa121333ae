package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/config"
)

const (
	agentObjects = 1000
	// agentRest is how long the agent rests before it is measured, and agentIdle how long
	// its processor time is counted.
	agentRest = 30 * time.Second
	agentIdle = time.Minute
)

// BenchmarkAgent runs hansa-agent in a process of its own beside a cluster that Hansa
// did not start, lands 1,000 Deployments there, of one replica each, and lets it rest.
//
//	empty-cpu-%     of one core in a minute, before anything is landed: beats, the looks at the API server
//	empty-rss-MB    resident memory at its end
//	idle-cpu-%      the same with 1,000 Deployments that are Ready and change no more
//	idle-rss-MB
//	idle-file-MB    of that, pages of files: the program
//	peak-rss-MB     the most that it ever had, while they landed
func BenchmarkAgent(b *testing.B) {
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		f := local{b: b, bin: bin, home: filepath.Join(b.TempDir(), "home"), found: map[string][]float64{}}
		f.agent()
		for name, values := range f.found {
			b.ReportMetric(values[0], name)
		}
	}
}

func (f local) agent() {
	defer f.run("down")
	f.run("up", "--ports", "auto", "--no-sample", "--members", "1", "--node-count", "1", "--timeout", "2m")
	data, end := f.cluster("osaka", 12)
	defer end()
	agent, end := f.join("osaka", filepath.Join(data, "agent.kubeconfig"))
	defer end()
	f.until(func() bool { return healthy(f.run("get", "members"), "osaka") })
	f.rest(agent, "empty")

	file := filepath.Join(f.b.TempDir(), "objects.yaml")
	if err := os.WriteFile(file, []byte(agentDocuments()), 0o600); err != nil {
		f.b.Fatal(err)
	}
	f.run("apply", "-f", file, "--wait", "--timeout", "5m")
	f.rest(agent, "idle")
	f.report(processMemory(f.b, agent, "VmHWM"), "peak-rss-MB")
}

// rest lets the agent be alone and reports what it needs.
func (f local) rest(pid int, what string) {
	<-time.After(agentRest)
	before := processorTime(f.b, pid)
	<-time.After(agentIdle)
	f.report(100*(processorTime(f.b, pid)-before).Seconds()/agentIdle.Seconds(), what+"-cpu-%")
	f.report(processMemory(f.b, pid, "VmRSS"), what+"-rss-MB")
	f.report(processMemory(f.b, pid, "RssFile"), what+"-file-MB")
}

// cluster runs hansa-cluster without an agent until end is called, and returns its
// directory.
func (f local) cluster(name string, nodes int) (data string, end func()) {
	dir := f.b.TempDir()
	data = filepath.Join(dir, "data")
	text, err := config.Config{Name: name, DataDir: data, Nodes: config.Nodes{Kind: config.KindSimulated, Count: nodes}}.Complete().Encode()
	if err != nil {
		f.b.Fatal(err)
	}
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		f.b.Fatal(err)
	}
	command := exec.Command(clusterBinary(f.b), "--config", file)
	stderr, err := command.StderrPipe()
	if err != nil {
		f.b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		f.b.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !skipTo(lines, `msg="control plane ready"`) {
		f.b.Fatalf("hansa-cluster was not ready: %v", command.Wait())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	return data, func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		<-drained
		_ = command.Wait()
	}
}

// join runs an agent until end is called, and returns its process.
func (f local) join(name, kubeconfig string) (pid int, end func()) {
	said := strings.Split(strings.TrimSpace(f.run("token", "create", "--member", name, "--ttl", "10m")), "\n")
	token := strings.TrimSpace(said[len(said)-1])
	file := filepath.Join(f.b.TempDir(), "agent.yaml")
	text := fmt.Sprintf("name: %s\nplace: {region: ap-northeast}\nkubeconfig: %s\nstateDir: state\njoinToken: %q\n", name, kubeconfig, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		f.b.Fatal(err)
	}
	command := exec.Command(filepath.Join(f.bin, "hansa-agent"), "--config", file)
	if err := command.Start(); err != nil {
		f.b.Fatal(err)
	}
	return command.Process.Pid, func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	}
}

func agentDocuments() string {
	var out strings.Builder
	for n := range agentObjects {
		name := fmt.Sprintf("w%d", n)
		fmt.Fprintf(&out, `---
%s
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: many, name: %s}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: %[2]s}]
  members: {groups: [{name: there, members: {matchExpressions: [{key: name, operator: In, values: [osaka]}]}}]}
`, massDeployment("many", name), name)
	}
	return out.String()
}

// processMemory is a line of /proc/PID/status in MB.
func processMemory(b *testing.B, pid int, field string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, field+": %d kB", &kib); n == 1 {
			return float64(kib) * 1024 / 1e6
		}
	}
	b.Fatalf("no %s in /proc/%d/status", field, pid)
	return 0
}

// processorTime is what a process has used, in hundredths of a second.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // the name may have spaces
	var user, system int64
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		b.Fatalf("/proc/%d/stat: %q", pid, stat)
	}
	for i, into := range []*int64{&user, &system} {
		if _, err := fmt.Sscan(fields[11+i], into); err != nil {
			b.Fatal(err)
		}
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// healthy reads a table of members.
func healthy(table, member string) bool {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, member+" ") && strings.Contains(line, "Healthy") {
			return true
		}
	}
	return false
}
