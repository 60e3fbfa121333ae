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
)

// hubs are those of "hansa up --hubs 3".
var hubs = []string{"hub", "hub-2", "hub-3"}

// TestThreeHubs: whichever hub is killed, or stopped in order, who applies and who
// watches meets no error, nothing acknowledged is lost, and no member is suspected.
func TestThreeHubs(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--hubs", "3", "--members", "2", "--ports", "auto", "--timeout", "100s")
	watch := f.watch(t, "hansa", "resolve", "shop/web", "--watch", "-o", "json")
	writes := f.keepApplying(t)
	for _, verb := range []string{"kill", "stop"} {
		for _, hub := range hubs {
			began := writes.next(t)
			f.run(t, "hansa", "hub", verb, hub)
			writes.await(t, began+3) // the others go on
			f.await(t, 30*time.Second, func() string { return f.led(t) })
			f.run(t, "hansa", "hub", "start", hub)
			f.await(t, 60*time.Second, func() string { return f.led(t, "--gateway", f.gatewayOf(t, hub)) })
		}
	}
	last := writes.stop(t)
	t.Logf("%d applies, the slowest took %s", last, writes.slowest)
	if errs := watch.stop(t); errs != "" {
		t.Errorf("the watch says %q", errs)
	}
	f.await(t, 60*time.Second, func() string { return f.counted(t, "tokyo", last) })
	if events := f.run(t, "hansa", "get", "events"); strings.Contains(events, "Suspect") || strings.Contains(events, "Unreachable") {
		t.Errorf("a member was suspected:\n%s", events)
	}
}

// counted says what is wrong while a member has not the last write of the loop.
func (f federation) counted(t *testing.T, member string, last int) string {
	t.Helper()
	got, _ := f.try(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "-n", "loop", "get", "configmap", "counter", "-o", "jsonpath={.data.count}")
	if got != fmt.Sprint(last) {
		return fmt.Sprintf("%s has write %s, the last was %d", member, got, last)
	}
	return ""
}

// led says what is wrong while a gateway hears of no hub that leads.
func (f federation) led(t *testing.T, flags ...string) string {
	t.Helper()
	out, code := f.try(t, "hansa", append([]string{"status"}, flags...)...)
	if code != 0 {
		return out
	}
	return ""
}

// gatewayOf reads where a hub's own gateway listens.
func (f federation) gatewayOf(t *testing.T, hub string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.home, hub, "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, gateway, _ := strings.Cut(string(b), "gateway:\n")
	_, address, _ := strings.Cut(gateway, "listen: ")
	address, _, _ = strings.Cut(address, "\n")
	return address
}

// background is a command that runs beside the test.
type background struct {
	cancel context.CancelFunc
	done   chan error
	errs   *bytes.Buffer // read after done
	out    *bytes.Buffer
}

func (f federation) watch(t *testing.T, name string, args ...string) background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := background{cancel: cancel, done: make(chan error, 1), errs: &bytes.Buffer{}, out: &bytes.Buffer{}}
	command := exec.CommandContext(ctx, filepath.Join(f.path, name), args...)
	command.Env = append(os.Environ(), "HANSA_HOME="+f.home)
	command.Stdout, command.Stderr = b.out, b.errs
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	go func() { b.done <- command.Wait() }()
	return b
}

// stop ends the command and returns what it complained about. One that had ended by
// itself fails the test.
func (b background) stop(t *testing.T) string {
	t.Helper()
	select {
	case err := <-b.done:
		t.Fatalf("it has ended: %v: %s", err, b.errs)
	default:
	}
	b.cancel()
	if err := <-b.done; err != nil {
		t.Logf("interrupted, it says %v", err)
	}
	if b.out.Len() == 0 {
		t.Error("it printed nothing")
	}
	return b.errs.String()
}

// applies is a loop of "hansa apply", each with the next number in a ConfigMap.
type applies struct {
	mu      sync.Mutex
	done    int // applies that succeeded
	failed  string
	slowest time.Duration
	end     context.CancelFunc
	ended   chan struct{}
	changed chan struct{}
}

const counter = `apiVersion: v1
kind: ConfigMap
metadata: {namespace: loop, name: counter}
data: {count: "%d"}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: loop, name: counter}
spec: {replicas: {mode: Duplicated}}
`

func (f federation) keepApplying(t *testing.T) *applies {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &applies{end: cancel, ended: make(chan struct{}), changed: make(chan struct{}, 1)}
	file := filepath.Join(t.TempDir(), "counter.yaml")
	t.Cleanup(func() {
		cancel()
		<-a.ended
	})
	go func() {
		defer close(a.ended)
		for n := 1; ctx.Err() == nil && a.one(t, f, file, n); n++ {
		}
	}()
	return a
}

func (a *applies) one(t *testing.T, f federation, file string, n int) bool {
	if err := os.WriteFile(file, fmt.Appendf(nil, counter, n), 0o600); err != nil {
		t.Error(err)
		return false
	}
	began := time.Now()
	out, code := f.try(t, "hansa", "apply", "-f", file)
	a.mu.Lock()
	defer a.mu.Unlock()
	if code != 0 {
		a.failed = fmt.Sprintf("apply %d after %s: exit %d: %s", n, time.Since(began), code, out)
		return false
	}
	a.done, a.slowest = n, max(a.slowest, time.Since(began))
	select {
	case a.changed <- struct{}{}:
	default:
	}
	return true
}

// next is the number of the apply under way.
func (a *applies) next(t *testing.T) int {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != "" {
		t.Fatal(a.failed)
	}
	return a.done + 1
}

// await waits until n applies have succeeded.
func (a *applies) await(t *testing.T, n int) {
	t.Helper()
	limit := time.After(time.Minute)
	for a.next(t) <= n {
		select {
		case <-a.changed:
		case <-a.ended:
			t.Fatal(a.failed)
		case <-limit:
			t.Fatalf("apply %d does not end", n)
		}
	}
}

// stop ends the loop and returns the number of the last apply, which succeeded.
func (a *applies) stop(t *testing.T) int {
	t.Helper()
	a.end()
	<-a.ended
	return a.next(t) - 1
}
