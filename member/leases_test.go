package member

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

// TestKeptLeases: what an agent holds is there for its next life, by the same clock; not
// after the machine has booted, and not when it cannot be read.
func TestKeptLeases(t *testing.T) {
	state, err := openState(t.TempDir())
	must(t, err)
	defer state.close()
	a := &Agent{state: state, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	read := func() guard.Held {
		t.Helper()
		held, err := a.readLeases()
		must(t, err)
		return held
	}
	if held := read(); len(held.Leases) != 0 {
		t.Errorf("before anything was kept: %+v", held)
	}
	stop := time.Now().Add(9 * time.Second)
	kept := guard.Held{
		Leases: []guard.Lease{{Workload: federation.Key{Namespace: "shop", Name: "ledger"}, Epoch: 7, TTL: 15 * time.Second, Stop: stop}},
		Peers:  federation.Peers{Version: 3, Members: []federation.Peer{{Member: "oslo", At: "192.0.2.1:1"}}},
	}
	must(t, a.keepLeases(kept))
	held := read()
	if len(held.Leases) != 1 || held.Leases[0].Stop.Sub(stop).Abs() > time.Second || held.Peers.Version != 3 || held.Peers.Members[0] != kept.Peers.Members[0] {
		t.Fatalf("kept %+v, read %+v", kept, held)
	}
	held.Leases[0].Stop = stop
	if held.Leases[0] != kept.Leases[0] {
		t.Errorf("kept %+v, read %+v", kept.Leases[0], held.Leases[0])
	}
	text, err := os.ReadFile(state.path(leasesFile))
	must(t, err)
	boot, _ := bootClock()
	for name, damaged := range map[string]string{
		"another boot": strings.Replace(string(text), boot, "another", 1),
		"half":         string(text[:len(text)/2]),
		"nothing":      "",
	} {
		must(t, os.WriteFile(state.path(leasesFile), []byte(damaged), 0o600))
		if held := read(); len(held.Leases) != 0 || held.Peers.Version != 0 {
			t.Errorf("of %s it reads %+v", name, held)
		}
	}
	must(t, a.keepLeases(guard.Held{}))
	if held := read(); len(held.Leases) != 0 {
		t.Errorf("after all ended: %+v", held)
	}
}
