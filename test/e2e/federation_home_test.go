package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools is the directory of the binaries that "make build tools" leaves.
const tools = root + "/bin"

// federation is a federation of "hansa up" with a home of its own.
type federation struct {
	home string
	path string // of the tools, absolute
}

// newFederation makes an empty home. What runs in it is ended with the test, also
// after a failure; the logs are printed then.
func newFederation(t *testing.T) federation {
	t.Helper()
	path, err := filepath.Abs(tools)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"hansa", "hansa-cluster", "kubectl", "grpcurl"} {
		if _, err := os.Stat(filepath.Join(path, tool)); err != nil {
			t.Fatalf("%v: run \"make build tools\" first", err)
		}
	}
	f := federation{home: filepath.Join(t.TempDir(), "home"), path: path}
	t.Cleanup(func() {
		if t.Failed() {
			f.printLogs(t)
		}
		if out, code := f.try(t, "hansa", "down"); code != 0 {
			t.Errorf("hansa down: exit %d: %s", code, out)
		}
	})
	return f
}

func (f federation) printLogs(t *testing.T) {
	logs, _ := filepath.Glob(filepath.Join(f.home, "*", "log"))
	more, _ := filepath.Glob(filepath.Join(f.home, "members", "*", "log"))
	for _, log := range append(logs, more...) {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Log(err)
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		t.Logf("%s:\n%s", log, strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
}

// commandLimit bounds one command.
const commandLimit = 2 * time.Minute

// try runs a command in the federation's environment and returns what it printed
// and its exit code.
func (f federation) try(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	if !strings.Contains(name, "/") && name != "sh" && name != "curl" {
		name = filepath.Join(f.path, name)
	}
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = root
	command.Env = append(os.Environ(), "HANSA_HOME="+f.home, "KUBECACHEDIR="+f.home+".kubectl", "PATH="+f.path+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// run is a command that must succeed.
func (f federation) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, code := f.try(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit %d\n%s", name, strings.Join(args, " "), code, out)
	}
	return out
}

// read is a command whose output is JSON.
func (f federation) read(t *testing.T, into any, name string, args ...string) {
	t.Helper()
	out := f.run(t, name, args...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// await repeats look until it returns "", at most for limit.
func (f federation) await(t *testing.T, limit time.Duration, look func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for {
		lacking := look()
		if lacking == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %v: %s", limit, lacking)
		case <-ticks.C:
		}
	}
}

// member is what the test reads of "hansa get members -o json".
type member struct {
	Metadata struct{ Name string }
	Spec     struct{ Place struct{ Region string } }
	Status   struct {
		Health, KubernetesVersion string
		Nodes, NodesReady         int
		LastBeatAgeMs             int
		Free                      struct{ CPU, Memory string }
	}
}

func (f federation) members(t *testing.T) map[string]member {
	t.Helper()
	var list struct{ Items []member }
	f.read(t, &list, "hansa", "get", "members", "-o", "json")
	out := map[string]member{}
	for _, m := range list.Items {
		out[m.Metadata.Name] = m
	}
	return out
}

// workload is what the test reads of "hansa get workloads NS/NAME -o json".
type workload struct {
	Status struct {
		State   string
		Epoch   int
		Unmet   int
		Members []struct {
			Member, State   string
			Replicas, Ready int
			Stale           bool
		}
	}
}

func (f federation) workload(t *testing.T, key string) workload {
	t.Helper()
	var w workload
	f.read(t, &w, "hansa", "get", "workloads", key, "-o", "json")
	return w
}

// state of the workload in a member; "" when it is not there.
func (w workload) state(member string) string {
	for _, m := range w.Status.Members {
		if m.Member == member {
			return m.State
		}
	}
	return ""
}

// answer is what the test reads of resolve.
type answer struct {
	Revision json.Number // protojson writes 64-bit numbers as text
	Tiers    []struct {
		Endpoints []struct {
			Address, Member, State string
			Port, AgeMs            int
		}
	}
}

func (f federation) resolve(t *testing.T, from string) answer {
	t.Helper()
	var a answer
	f.read(t, &a, "hansa", "resolve", "shop/web", "--from", from, "-o", "json")
	return a
}

// serving counts the endpoints of each member in the answer.
func (a answer) serving() map[string]int {
	out := map[string]int{}
	for _, tier := range a.Tiers {
		for _, e := range tier.Endpoints {
			out[e.Member]++
		}
	}
	return out
}

// deployed is the ready replicas of a Deployment as real kubectl sees them, "" when
// there is none.
func (f federation) deployed(t *testing.T, member, name string) string {
	t.Helper()
	kubeconfig := f.kubeconfig(t, member)
	return f.run(t, "kubectl", "--kubeconfig", kubeconfig, "get", "deployment", name, "-n", "shop", "--ignore-not-found", "-o", "jsonpath={.status.readyReplicas}")
}

func (f federation) kubeconfig(t *testing.T, member string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), member+".kubeconfig")
	if err := os.WriteFile(file, []byte(f.run(t, "hansa", "kubeconfig", member, "--direct")), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
