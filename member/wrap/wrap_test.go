package wrap

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/admit"
)

// helper makes the test's own program a guard: Run needs a process for itself.
const helper = "HANSA_WRAP_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helper) == "" {
		os.Exit(m.Run())
	}
	cmd := Command()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.Execute()
	var exited *Exited
	switch {
	case errors.As(err, &exited):
		os.Exit(exited.Code)
	case err != nil:
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}

// agent answers as a member's agent does: Left of it is what a pod may still run.
type agent struct {
	*httptest.Server
	left atomic.Int64 // ns; 0: denied
	dead atomic.Bool  // it does not answer
}

func newAgent(t *testing.T) *agent {
	a := &agent{}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.dead.Load() {
			<-r.Context().Done()
			return
		}
		answer := admit.Lease{LeftMs: time.Duration(a.left.Load()).Milliseconds()}
		if answer.LeftMs == 0 {
			answer.Why = "its lease has ended"
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(a.Close)
	return a
}

// guarded is a guard in a process of its own.
type guarded struct {
	*exec.Cmd
	t     *testing.T
	lines chan string // of the command's output
	log   *bytes.Buffer
}

func (a *agent) guard(t *testing.T, args ...string) *guarded {
	t.Helper()
	g := &guarded{t: t, Cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 100), log: &bytes.Buffer{}}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	g.Env = append(os.Environ(), helper+"=1", admit.GuardURL+"="+a.URL, admit.GuardCA+"="+string(ca))
	g.Stderr = g.log
	out, err := g.StdoutPipe()
	if err == nil {
		err = g.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			g.lines <- s.Text()
		}
		close(g.lines)
	}()
	t.Cleanup(func() { _ = g.Process.Kill() })
	return g
}

const patience = 20 * time.Second

// says waits for the command's next line.
func (g *guarded) says(want string) {
	g.t.Helper()
	select {
	case line := <-g.lines:
		if line != want {
			g.t.Fatalf("the command says %q, want %q", line, want)
		}
	case <-time.After(patience):
		g.t.Fatalf("the command does not say %q", want)
	}
}

// silent says that the output has ended: nobody is left who could write to it.
func (g *guarded) silent() {
	g.t.Helper()
	select {
	case line, open := <-g.lines:
		if open {
			g.t.Errorf("the command says %q", line)
		}
	case <-time.After(patience):
		g.t.Error("something of the command is left")
	}
}

func (g *guarded) ends(code int) {
	g.t.Helper()
	g.silent()
	_ = g.Wait() // the exit code says it
	if got := g.ProcessState.ExitCode(); got != code {
		g.t.Errorf("exit code %d, want %d; it said:\n%s", got, code, g.log)
	}
}

// TestRun: the command starts with the lease and its exit code is passed on.
func TestRun(t *testing.T) {
	a := newAgent(t)
	g := a.guard(t, "run", "--", "sh", "-c", "echo runs; exit 7")
	select {
	case line := <-g.lines:
		t.Fatalf("it runs without a lease: %q", line)
	case <-time.After(2 * askEvery): // time for it to go wrong
	}
	a.left.Store(int64(time.Minute))
	g.says("runs")
	g.ends(7)
}

// TestAgentSilent: nobody answers any more, so the command ends when the lease does, and
// what it started with it, although both ignore SIGTERM.
func TestAgentSilent(t *testing.T) {
	a := newAgent(t)
	a.left.Store(int64(3 * time.Second))
	begun := time.Now()
	g := a.guard(t, "run", "--grace", "500ms", "--", "sh", "-c", "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 1; done\" & echo runs; while :; do sleep 1; done")
	g.says("runs")
	a.dead.Store(true)
	g.ends(LeaseEnded)
	if took := time.Since(begun); took < 3*time.Second {
		t.Errorf("it ended after %s, before the lease", took)
	}
	if !strings.Contains(g.log.String(), "is killed") {
		t.Errorf("it said:\n%s", g.log)
	}
}

// TestDenied: a denial stops the command at once, politely.
func TestDenied(t *testing.T) {
	a := newAgent(t)
	a.left.Store(int64(time.Hour))
	g := a.guard(t, "run", "--", "sh", "-c", "trap 'echo stops; exit 0' TERM; echo runs; while :; do sleep 0.1; done")
	g.says("runs")
	a.left.Store(0)
	g.says("stops")
	g.ends(LeaseEnded)
}

// TestSignals: the guard passes SIGTERM on and ends as the command does.
func TestSignals(t *testing.T) {
	a := newAgent(t)
	a.left.Store(int64(time.Hour))
	g := a.guard(t, "run", "--", "sh", "-c", "trap 'echo stops; exit 3' TERM; echo runs; while :; do sleep 0.1; done")
	g.says("runs")
	if err := g.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	g.says("stops")
	g.ends(3)
}

// TestKilled: the command does not outlive a guard that is killed.
func TestKilled(t *testing.T) {
	a := newAgent(t)
	a.left.Store(int64(time.Hour))
	g := a.guard(t, "run", "--", "sh", "-c", "echo runs; exec sleep 1000")
	g.says("runs")
	if err := g.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	g.silent()
}

// TestCheck waits for the lease, and says what is missing.
func TestCheck(t *testing.T) {
	a := newAgent(t)
	a.left.Store(int64(time.Second))
	a.guard(t, "check").ends(0)
	cmd := exec.Command(os.Args[0], "check")
	cmd.Env = append(os.Environ(), helper+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "HANSA_GUARD_URL is not set: the pod template needs the annotation hansa.io/guard") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestGraceIsBounded(t *testing.T) {
	a := newAgent(t)
	g := a.guard(t, "run", "--grace", "10s", "--", "echo", "runs")
	g.ends(1)
	if want := "--grace 10s: want more than 0 and at most 5s"; !strings.Contains(g.log.String(), want) {
		t.Errorf("it said %q, want %q", g.log, want)
	}
}

func TestInstall(t *testing.T) {
	dir := t.TempDir()
	a := newAgent(t)
	a.guard(t, "install", dir).ends(0)
	info, err := os.Stat(filepath.Join(dir, "hansa"))
	if err != nil || info.Mode().Perm() != 0o755 || info.Size() == 0 {
		t.Errorf("%v %v", info, err)
	}
}
