package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// checkStatusRules: a rule that was applied tells the state of a custom resource in real
// members, what goes wrong with it is shown, and a changed rule tells it anew.
func checkStatusRules(t *testing.T, f federation) {
	if out := f.run(t, "hansa", "apply", "-f", "configs/samples/database"); !strings.Contains(out, "statusrule databases created") {
		t.Errorf("the rule is not told of:\n%s", out)
	}
	var members map[string]int
	f.await(t, 20*time.Second, func() string {
		if members = f.shares(t, "data/orders"); len(members) == 0 {
			return "data/orders is nowhere"
		}
		return ""
	})
	is := func(state, message string) { // in every member
		t.Helper()
		f.await(t, 20*time.Second, func() string {
			w := f.workload(t, "data/orders")
			described := f.run(t, "hansa", "describe", "statusrule", "databases")
			if w.Status.State == state && strings.Count(described, "v1/Database data/orders") == len(members) && strings.Count(described, message) == len(members) {
				return ""
			}
			return "want " + state + " with " + message + ", got " + w.Status.State + " and\n" + described
		})
	}
	is("Progressing", "0 of 2 replicas are ready")
	for member := range members {
		f.kubectl(t, member, "-n", "data", "patch", "database", "orders", "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Running","ready":2,"reason":"primary elected"}}`)
	}
	is("Ready", "primary elected")

	text, err := os.ReadFile(filepath.Join(root, "configs/samples/database/database.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `message: object.?status.?reason.orValue("")`, `message: object.status.nothing`, 1)
	f.apply(t, changed)
	is("Ready", "StatusRule databases: message: no such key: nothing")
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte(strings.Replace(string(text), "  ready: object.?status.", "  ready: status.", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.refused(t, "StatusRule databases: ready: 1:1: undeclared reference to 'status'", "hansa", "apply", "-f", wrong)
	f.run(t, "hansa", "delete", "statusrule", "databases")
	f.await(t, 20*time.Second, func() string {
		if w := f.workload(t, "data/orders"); w.Status.State != "Ready" { // as Kubernetes' conventions have it
			return "without a rule it is " + w.Status.State
		}
		return ""
	})
	f.run(t, "hansa", "delete", "data/orders", "--yes")
}
