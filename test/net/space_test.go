package net

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hub is the process of bus, hub and gateway; the others are members.
const hub = "hub"

var memberNames = []string{"tokyo", "frankfurt", "virginia"}

// addresses are from a range that no network routes (RFC 2544).
var addresses = map[string]string{
	hub: "198.18.0.1", "tokyo": "198.18.0.11", "frankfurt": "198.18.0.12", "virginia": "198.18.0.13",
}

// network is a bridge in a namespace of its own, and a namespace for each host.
type network struct {
	wire *wire // of tokyo; the others have a veth pair
}

const bridgeSpace = prefix + "net"

func space(host string) string { return prefix + host }

// newNetwork makes it. What is left of another run goes first, and all of this one
// goes with the test.
func newNetwork(t *testing.T) network {
	t.Helper()
	left, err := sweep()
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Logf("removed what an earlier run left: %s", strings.Join(left, ", "))
	}
	t.Cleanup(func() {
		if _, err := sweep(); err != nil {
			t.Error(err)
		}
		if left, _ := sweep(); len(left) > 0 {
			t.Errorf("left behind: %s", strings.Join(left, ", "))
		}
	})
	sh(t, "ip", "netns", "add", bridgeSpace)
	sh(t, "ip", "-n", bridgeSpace, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
	sh(t, "ip", "-n", bridgeSpace, "link", "set", "br0", "up")
	var n network
	for host, address := range addresses {
		sh(t, "ip", "netns", "add", space(host))
		if host == "tokyo" {
			n.wire = newWire(t, space(host), "p-"+host)
		} else {
			sh(t, "ip", "-n", bridgeSpace, "link", "add", "p-"+host, "type", "veth", "peer", "name", "e0", "netns", space(host))
		}
		sh(t, "ip", "-n", bridgeSpace, "link", "set", "p-"+host, "master", "br0", "up")
		sh(t, "ip", "-n", space(host), "address", "add", address+"/24", "dev", "e0")
		for _, device := range []string{"lo", "e0"} {
			sh(t, "ip", "-n", space(host), "link", "set", device, "up")
		}
	}
	return n
}

// drop makes the bridge lose frames that match one of the rules, until heal. The
// ends notice nothing but silence.
func (n network) drop(t *testing.T, rules ...string) {
	t.Helper()
	text := "table bridge hnet { chain faults { type filter hook forward priority 0; policy accept;\n"
	for _, rule := range rules {
		text += rule + " drop\n"
	}
	command := exec.Command("ip", "netns", "exec", bridgeSpace, "nft", "-f", "-")
	command.Stdin = strings.NewReader(text + "}\n}\n")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

func (n network) heal(t *testing.T) {
	t.Helper()
	sh(t, "ip", "netns", "exec", bridgeSpace, "nft", "flush", "ruleset")
}

func fromTo(from, to string) string { return fmt.Sprintf("iifname p-%s oifname p-%s", from, to) }

// all is both directions of everything of a host.
func all(host string) []string { return []string{"iifname p-" + host, "oifname p-" + host} }

// dial connects to an address as a process in the host's namespace does: a socket
// stays in the namespace in which it was made.
func dial(host string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		runtime.LockOSThread()
		here, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			return nil, err
		}
		defer here.Close()
		there, err := os.Open("/run/netns/" + space(host))
		if err != nil {
			return nil, err
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			return nil, fmt.Errorf("enter namespace of %s: %w", host, err)
		}
		conn, err := (&net.Dialer{Timeout: time.Second, FallbackDelay: -1}).DialContext(ctx, network, address)
		if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
			return nil, fmt.Errorf("leave namespace of %s: %w", host, back) // the thread ends locked
		}
		runtime.UnlockOSThread()
		return conn, err
	}
}

func sh(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
