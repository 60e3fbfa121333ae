package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestUpgrade: a federation of an earlier version ("make bin/before/hansa") is upgraded
// hub by hub, and then member by member. Who applies and who watches, with the earlier
// version, meets no error; no member is suspected while hubs change; and what was applied
// to the mixture lands in the end.
func TestUpgrade(t *testing.T) {
	f := newFederation(t)
	before := federation{home: f.home, path: filepath.Join(f.path, "before")}
	if _, err := os.Stat(filepath.Join(before.path, "hansa-cluster")); err != nil {
		t.Fatalf("%v: run \"make tools\" first", err)
	}
	before.run(t, "hansa", "up", "--hubs", "3", "--members", "2", "--ports", "auto", "--timeout", "100s")
	watch := before.watch(t, "hansa", "resolve", "shop/web", "--watch", "-o", "json")
	writes := before.keepApplying(t)
	for _, hub := range hubs {
		began := writes.next(t)
		f.run(t, "hansa", "hub", "stop", hub)
		writes.await(t, began+3) // the others go on
		f.run(t, "hansa", "hub", "start", hub)
		f.await(t, time.Minute, func() string { return f.led(t, "--gateway", f.gatewayOf(t, hub)) })
		if status := f.run(t, "hansa", "status", "--gateway", f.gatewayOf(t, hub)); strings.Contains(status, "version before") {
			t.Errorf("%s is what it was:\n%s", hub, status)
		}
	}
	writes.await(t, writes.next(t)+3)
	if events := f.run(t, "hansa", "get", "events"); strings.Contains(events, "Suspect") || strings.Contains(events, "Unreachable") {
		t.Errorf("a member was suspected:\n%s", events)
	}
	for name := range f.members(t) {
		f.run(t, "hansa", "member", "stop", name)
		f.run(t, "hansa", "member", "start", name)
		f.await(t, 2*time.Minute, func() string {
			if m := f.members(t)[name]; m.Status.Health != "Healthy" {
				return fmt.Sprintf("%s is %s", name, m.Status.Health)
			}
			return ""
		})
	}
	last := writes.stop(t)
	t.Logf("%d applies, the slowest took %s", last, writes.slowest)
	if errs := watch.stop(t); errs != "" {
		t.Errorf("the watch says %q", errs)
	}
	for name := range f.members(t) {
		f.await(t, time.Minute, func() string { return f.counted(t, name, last) })
	}
}
