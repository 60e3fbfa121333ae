package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// once is a workload that runs at most once, and the member that has it.
type once struct {
	federation
	home string
}

// pods lists its pods in a member, as real kubectl sees them.
func (o once) pods(t *testing.T, member string) []string {
	t.Helper()
	return strings.Fields(o.run(t, "kubectl", "--kubeconfig", o.kubeconfig(t, member), "-n", "plan", "get", "pods", "-l", "app=single", "-o", "name"))
}

// start tries to start a pod of it by hand in a member, and returns the refusal.
func (o once) start(t *testing.T, member string) string {
	t.Helper()
	out, code := o.try(t, "kubectl", "--kubeconfig", o.kubeconfig(t, member), "-n", "plan", "run", "byhand", "--image=example/main",
		"--labels=hansa.io/at-most-one=true", "--annotations=hansa.io/workload=plan/single")
	if code == 0 {
		t.Errorf("%s started a second one:\n%s", member, out)
	}
	return out
}

func (o once) awaitOne(t *testing.T) {
	t.Helper()
	o.await(t, time.Minute, func() string {
		if w := o.workload(t, "plan/single"); w.Status.State != "Ready" {
			return w.Status.State
		}
		total := 0
		for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
			total += len(o.pods(t, member))
		}
		if total != 1 {
			return fmt.Sprintf("%d pods", total)
		}
		return ""
	})
}

// checkOnce: a workload that runs at most once starts nowhere without a lease, by
// nobody; when the hub is gone for longer than its lease it goes on by the word of the
// other members, stops when that is missing, and starts again.
func checkOnce(t *testing.T, f federation) {
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		f.try(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "create", "namespace", "plan")
	}
	guarded := strings.Replace(deployment("single", ", failover: {continuity: AtMostOne}", "", 1),
		"metadata: {labels: {app: single}}", `metadata: {labels: {app: single}, annotations: {hansa.io/guard: "true"}}`, 1)
	f.apply(t, guarded)
	o := once{federation: f}
	o.find(t)
	for _, member := range []string{"tokyo", "frankfurt", "virginia"} {
		if member == o.home {
			continue
		}
		if out := o.start(t, member); !strings.Contains(out, "workload plan/single runs at most once, and not here: this member has no lease of it") {
			t.Errorf("%s refuses without saying why:\n%s", member, out)
		}
	}
	before := o.pods(t, o.home)
	f.run(t, "kubectl", "--kubeconfig", f.kubeconfig(t, o.home), "-n", "plan", "delete", before[0], "--wait=false")
	f.await(t, time.Minute, func() string { // its own cluster may replace it while the lease holds
		if now := o.pods(t, o.home); len(now) != 1 || now[0] == before[0] {
			return fmt.Sprint(now)
		}
		return ""
	})
	o.checkMoves(t)
	o.checkWithoutHub(t)
	f.run(t, "hansa", "delete", "plan/single", "--yes")
}

// find waits until it runs once, and notes where.
func (o *once) find(t *testing.T) {
	t.Helper()
	o.awaitOne(t)
	for member := range o.shares(t, "plan/single") {
		o.home = member
	}
}

// checkMoves relocates it, and fences the member that it went to.
func (o *once) checkMoves(t *testing.T) {
	t.Helper()
	to := "tokyo"
	if o.home == to {
		to = "virginia"
	}
	if out := o.run(t, "hansa", "relocate", "workload=plan/single", "--to", "member="+to, "--dry-run"); !strings.Contains(out, "would pass") || !strings.Contains(out, to) {
		t.Errorf("a relocation's dry run:\n%s", out)
	}
	if out := o.run(t, "hansa", "relocate", "workload=plan/single", "--to", "member="+to, "--yes"); !strings.Contains(out, "PASS") {
		t.Errorf("relocate:\n%s", out)
	}
	if o.find(t); o.home != to {
		t.Fatalf("it was relocated to %s and runs in %s", to, o.home)
	}
	if out := o.run(t, "hansa", "fence", "member="+to, "--reason", "disks", "--yes"); !strings.Contains(out, "Held") {
		t.Errorf("fence:\n%s", out)
	}
	o.await(t, time.Minute, func() string {
		if shares := o.shares(t, "plan/single"); shares[to] > 0 || len(shares) == 0 || len(o.pods(t, to)) > 0 {
			return fmt.Sprintf("it runs in %v although %s is fenced", shares, to)
		}
		return ""
	})
	o.start(t, to)
	o.find(t)
	o.run(t, "hansa", "unfence", "member="+to, "--yes")
}

// guard runs a command as a guarded container of it would, in a process beside the
// cluster: simulated nodes run no containers. It returns how to await its exit code.
func (o once) guard(t *testing.T) func() int {
	t.Helper()
	variable := func(name string) string {
		return name + "=" + o.run(t, "kubectl", "--kubeconfig", o.kubeconfig(t, o.home), "-n", "plan", "get", "deployment", "single",
			"-o", `jsonpath={.spec.template.spec.containers[0].env[?(@.name=="`+name+`")].value}`)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	command := exec.CommandContext(ctx, filepath.Join(o.path, "hansa"), "guard", "run", "--", "sh", "-c", "echo runs; exec sleep 1000")
	command.Env = append(os.Environ(), variable("HANSA_GUARD_URL"), variable("HANSA_GUARD_CA"))
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	line := make([]byte, 5)
	if err == nil {
		_, err = io.ReadFull(out, line)
	}
	if err != nil || string(line) != "runs\n" {
		cancel()
		t.Fatalf("the guarded command says %q: %v", line, err)
	}
	return func() int {
		defer cancel()
		_ = command.Wait() // the exit code says it
		return command.ProcessState.ExitCode()
	}
}

// checkWithoutHub kills the hub, and with it the bus, for longer than a lease: it goes on by
// the word of the two other members. When one of them is gone too, it stops.
func (o once) checkWithoutHub(t *testing.T) {
	t.Helper()
	ended := o.guard(t)
	before := o.pods(t, o.home)
	o.killHub(t)
	for gone := time.Now(); time.Since(gone) < 20*time.Second; <-time.After(500 * time.Millisecond) {
		if now := o.pods(t, o.home); !slices.Equal(now, before) {
			t.Fatalf("%s after the hub's end its pods are %v, and were %v", time.Since(gone), now, before)
		}
	}
	peer := "tokyo"
	if o.home == peer {
		peer = "virginia"
	}
	o.sigkill(t, "members/"+peer)
	if code := ended(); code != 75 {
		t.Errorf("the guard ended with %d after the lease, want 75", code)
	}
	o.await(t, time.Minute, func() string {
		if pods := o.pods(t, o.home); len(pods) > 0 {
			return fmt.Sprintf("%v run without a lease", pods)
		}
		return ""
	})
	o.start(t, o.home)
	o.run(t, "hansa", "up", "--timeout", "60s")
	o.awaitOne(t)
}
