package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBackup: a federation is put back to the state of a backup while its workloads
// run, and then from nothing but that backup after its hub has lost everything.
func TestBackup(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--members", "2", "--ports", "auto", "--timeout", "100s")
	file := filepath.Join(t.TempDir(), "hansa.backup")
	if out := f.run(t, "hansa", "backup", file); !strings.Contains(out, "sha256 ") || !strings.Contains(out, "mode 0600") {
		t.Errorf("a backup says:\n%s", out)
	}
	before := f.workload(t, "shop/web")
	uid := f.webUID(t, "tokyo")

	f.apply(t, deployment("late", "", "", 2))
	f.await(t, time.Minute, func() string { return strings.TrimPrefix(f.workload(t, "plan/late").Status.State, "Ready") })
	f.run(t, "hansa", "cordon", "frankfurt")
	f.run(t, "hansa", "delete", "shop/cart", "--yes")
	f.await(t, time.Minute, func() string {
		if out, code := f.try(t, "hansa", "get", "workloads", "shop/cart"); code == 0 {
			return "cart is there:\n" + out
		}
		return ""
	})

	if out, code := f.try(t, "hansa", "restore", file); code != 1 || !strings.Contains(out, "plan/late") || !strings.Contains(out, "shop/cart") || !strings.Contains(out, "give --yes") {
		t.Errorf("without --yes: exit %d:\n%s", code, out)
	}
	f.run(t, "hansa", "restore", file, "--yes")
	f.awaitRestored(t, before)
	if out := f.run(t, "hansa", "get", "members", "frankfurt"); strings.Contains(out, "Cordoned") {
		t.Errorf("frankfurt stays as it was after the backup:\n%s", out)
	}
	if out, code := f.try(t, "hansa", "get", "workloads", "plan/late"); code == 0 {
		t.Errorf("a workload that the backup does not know is there:\n%s", out)
	}
	if got := f.webUID(t, "tokyo"); got != uid {
		t.Errorf("web of tokyo is another one: %s, then %s", uid, got)
	}
	running := 0
	for _, member := range []string{"tokyo", "frankfurt"} {
		out := f.run(t, "kubectl", "--kubeconfig", f.kubeconfig(t, member), "-n", "plan", "get", "deployment", "late", "--ignore-not-found", "-o", "name")
		running += len(strings.Fields(out))
	}
	if running == 0 {
		t.Error("what ran beyond the backup was removed")
	}
	checkLostHub(t, f, file, uid)
}

// checkLostHub: the hub's directory is gone, and comes back from the backup.
func checkLostHub(t *testing.T, f federation, file, uid string) {
	before := f.workload(t, "shop/web")
	config := filepath.Join(f.home, "hub", "hub.yaml")
	f.refused(t, "in use", "hansa", "restore", file, "--config", config)
	f.killHub(t)
	for _, lost := range []string{filepath.Join("hub", "data"), filepath.Join("pki", "bus")} { // and its keys
		if err := os.RemoveAll(filepath.Join(f.home, lost)); err != nil {
			t.Fatal(err)
		}
	}
	f.run(t, "hansa", "restore", file, "--config", config)
	f.run(t, "hansa", "up", "--timeout", "60s")
	f.awaitRestored(t, before)
	if got := f.webUID(t, "tokyo"); got != uid {
		t.Errorf("web of tokyo is another one: %s, then %s", uid, got)
	}
	if left, err := os.Stat(filepath.Join(f.home, "hub", "data", "restore")); err == nil {
		t.Errorf("%s is left, with the keys", left.Name())
	}
}

// awaitRestored waits until the members are healthy and the sample is as it was.
func (f federation) awaitRestored(t *testing.T, before workload) {
	t.Helper()
	f.await(t, time.Minute, func() string {
		for name, m := range f.members(t) {
			if m.Status.Health != "Healthy" {
				return name + " is " + m.Status.Health
			}
		}
		for _, key := range []string{"shop/web", "shop/cart"} {
			out, code := f.try(t, "hansa", "get", "workloads", key, "-o", "json")
			if code != 0 || !strings.Contains(out, `"state": "Ready"`) {
				return fmt.Sprintf("%s: exit %d: %s", key, code, out)
			}
		}
		after := f.workload(t, "shop/web")
		if len(after.Status.Members) != len(before.Status.Members) {
			return fmt.Sprintf("web is in %+v, and was in %+v", after.Status.Members, before.Status.Members)
		}
		return ""
	})
}
