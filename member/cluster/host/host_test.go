package host

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestNames keeps names within what Linux takes, and federations apart.
func TestNames(t *testing.T) {
	one, other := NetworkOf("/root/.hansa"), NetworkOf("/home/eve/.hansa")
	if !one.Valid() || one == other {
		t.Errorf("networks %q and %q", one, other)
	}
	for _, name := range []string{one.Bridge(), one.Link("a-member-with-a-rather-long-name-node-17")} {
		if len(name) > 15 {
			t.Errorf("%s has %d characters", name, len(name))
		}
	}
	if one.Link("tokyo-node-0") == one.Link("tokyo-node-1") {
		t.Error("two nodes have one cable")
	}
	if err := Network("../etc").Clean(); err == nil {
		t.Error("a network of any name is removed")
	}
}

// TestClean leaves nothing of a network, and everything of another.
func TestClean(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("control groups need root")
	}
	mine, theirs := NetworkOf(t.TempDir()), NetworkOf(t.TempDir())
	for _, n := range []Network{mine, theirs} {
		if err := n.MakeGroup("tokyo-node-0"); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() {
			if err := n.Clean(); err != nil {
				t.Error(err)
			}
		})
	}
	sleeper := exec.Command("sleep", "1000")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- sleeper.Wait() }()
	t.Cleanup(func() { _ = sleeper.Process.Kill() })
	roots, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range roots {
		file := filepath.Join(root, mine.Group("tokyo-node-0"), systemGroup, "cgroup.procs")
		if err := os.WriteFile(file, strconv.AppendInt(nil, int64(sleeper.Process.Pid), 10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := mine.Freeze("tokyo-node-0", true); err != nil {
		t.Fatal(err)
	}
	if err := mine.CleanMember("osaka"); err != nil {
		t.Fatal(err)
	}
	if left := all(t, mine); len(left) == 0 {
		t.Error("cleaning up after osaka removed what tokyo has")
	}
	if err := mine.CleanMember("tokyo"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the process in the group was not killed")
	}
	if left := all(t, mine); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if left := all(t, theirs); len(left) == 0 {
		t.Error("what another federation has is gone")
	}
}

func all(t *testing.T, n Network) []string {
	t.Helper()
	dirs, err := n.found(func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// TestJoinRefused: a network whose ranges another one has is refused, and leaves nothing.
func TestJoinRefused(t *testing.T) {
	first, second := NetworkOf(t.TempDir()), NetworkOf(t.TempDir())
	ranges := Ranges{Gateway: netip.MustParsePrefix("198.18.77.1/24"), Service: netip.MustParsePrefix("198.18.78.0/24")} // of RFC 2544
	for _, n := range []Network{first, second} {
		t.Cleanup(func() {
			if err := n.Clean(); err != nil {
				t.Error(err)
			}
		})
	}
	if err := first.Join(ranges); err != nil {
		t.Skipf("needs root, and ranges that nobody uses: %v", err)
	}
	if err := second.Join(ranges); err == nil || !strings.Contains(err.Error(), "by device "+first.Bridge()) {
		t.Errorf("the second is told %v", err)
	}
	if _, err := netlink.LinkByName(second.Bridge()); err == nil {
		t.Error("the bridge of the refused network is left")
	}
}
