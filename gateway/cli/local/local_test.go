package local

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/configs"
)

func TestProcessLives(t *testing.T) {
	p := Process{Name: "tokyo", Dir: filepath.Join(t.TempDir(), "tokyo")}
	if _, ok := p.Running(); ok {
		t.Fatal("running before it was started")
	}
	if err := p.start("sleep", "600"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background(), time.Minute) })
	pid, ok := p.Running()
	if !ok || syscall.Kill(pid, 0) != nil {
		t.Fatalf("not running: pid %d, %v", pid, ok)
	}
	if err := p.start("sleep", "600"); err == nil || !strings.Contains(err.Error(), "tokyo is running (process") {
		t.Errorf("a second start: got %v", err)
	}
	if err := p.Stop(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.Running(); ok {
		t.Error("running after Stop")
	}
	if err := p.Signal(syscall.SIGKILL); err == nil || err.Error() != "tokyo is not running" {
		t.Errorf("signal to a stopped process: got %v", err)
	}
}

// TestStopEndsWhatIsPausedOrDeaf: SIGSTOP and an ignored SIGTERM do not keep a
// process alive.
func TestStopEndsWhatIsPausedOrDeaf(t *testing.T) {
	paused := Process{Name: "paused", Dir: filepath.Join(t.TempDir(), "p")}
	if err := paused.start("sleep", "600"); err != nil {
		t.Fatal(err)
	}
	if err := paused.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := paused.Stop(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	deaf := Process{Name: "deaf", Dir: filepath.Join(t.TempDir(), "d")}
	marker := filepath.Join(t.TempDir(), "deaf")
	if err := deaf.start("sh", "-c", "trap '' TERM; touch "+marker+"; while :; do sleep 1; done"); err != nil {
		t.Fatal(err)
	}
	if err := poll(t.Context(), time.Millisecond, func() (bool, error) { _, err := os.Stat(marker); return err == nil, nil }); err != nil {
		t.Fatal(err)
	}
	if err := deaf.Stop(t.Context(), 50*time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestSpec(t *testing.T) {
	spec, err := LoadSpec("")
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(); err != nil {
		t.Errorf("the built-in file: %v", err)
	}
	for _, m := range spec.Resize(9).Members {
		if !m.place().Located() {
			t.Errorf("member %s: region %s has no coordinates", m.Name, m.Region)
		}
	}
	if err := spec.Resize(9).Validate(); err != nil {
		t.Errorf("nine members: %v", err)
	}
	if n := len(spec.Resize(2).Members); n != 2 {
		t.Errorf("two members: got %d", n)
	}
	for _, c := range []struct{ file, want string }{
		{"members: [{name: tokyo, region: a}, {name: tokyo, region: b}]", `members[1].name: "tokyo" is taken`},
		{"members: [{name: Tokyo, region: a}]", `members[0].name: "Tokyo" is not a DNS label`},
		{"members: [{name: tokyo}]", "member tokyo needs a region"},
		{"members: []", "at least one is needed"},
		{"ports: {gateway: 70000}", "ports.gateway: 70000 is not a port"},
	} {
		broken := spec
		if err := configs.Decode([]byte(c.file), &broken); err != nil {
			t.Fatal(err)
		}
		if err := broken.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", c.file, err, c.want)
		}
	}
	if _, err := LoadSpec(filepath.Join(t.TempDir(), "none.yaml")); !isMissing(err) {
		t.Errorf("a missing file: got %v", err)
	}
}

func TestSettlePorts(t *testing.T) {
	spec, err := LoadSpec("")
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	spec.Ports.Gateway = taken.Addr().(*net.TCPAddr).Port
	if _, err := spec.settlePorts(false); err == nil || !strings.Contains(err.Error(), "is taken") || !strings.Contains(err.Error(), "--ports auto") {
		t.Errorf("a taken port: got %v", err)
	}
	settled, err := spec.settlePorts(true)
	if err != nil {
		t.Fatal(err)
	}
	ports := []int{settled.Ports.Gateway, settled.Ports.Metrics, settled.Ports.Bus}
	for _, m := range settled.Members {
		ports = append(ports, m.APIPort)
	}
	slices.Sort(ports)
	if len(slices.Compact(ports)) != 6 || ports[0] == 0 {
		t.Errorf("got ports %v, want six different ones", ports)
	}
	if spec.Members[0].APIPort != 0 {
		t.Error("settlePorts changed its receiver's members")
	}
}

// TestDownLeavesNothing: what Up makes is removed, what somebody else put there
// stays.
func TestDownLeavesNothing(t *testing.T) {
	home := Home(filepath.Join(t.TempDir(), "home"))
	if err := home.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(home.CA())
	if err != nil {
		t.Fatal(err)
	}
	if err := home.ensurePKI(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(home.CA()); string(after) != string(before) {
		t.Error("a second ensurePKI made a new authority")
	}
	if err := home.member("tokyo").start("sleep", "600"); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), home, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(home)); !isMissing(err) {
		t.Errorf("the home is still there: %v", err)
	}
	if err := Down(t.Context(), home, false); err != nil {
		t.Errorf("a second down: %v", err)
	}
	mine := filepath.Join(string(home), "mine")
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Down(t.Context(), home, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("somebody else's directory: %v", err)
	}
}
