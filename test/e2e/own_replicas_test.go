package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const buoys = `apiVersion: v1
kind: Namespace
metadata: {name: sea}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: sea, name: buoy}
spec:
  replicas: 1
  selector: {matchLabels: {app: buoy}}
  template:
    metadata: {labels: {app: buoy}}
    spec: {containers: [{name: main, image: example.org/buoy:1}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: sea, name: buoy}
spec:
  replicas: {mode: %s}
  overrides: [{members: {matchLabels: {region: ap-northeast}}, replicas: %d}]
`

// checkOwnReplicas: an override gives one member a number of replicas of its own, which
// the hub counts with; where replicas are divided it is refused.
func checkOwnReplicas(t *testing.T, f federation) {
	write := func(mode string, replicas int) string {
		file := filepath.Join(t.TempDir(), "buoy.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, buoys, mode, replicas), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	if out, code := f.try(t, "hansa", "apply", "-f", write("Divided", 3)); code == 0 || !strings.Contains(out, "overrides[0].replicas: the replicas are divided over the members") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, replicas := range []int{3, 2} {
		f.run(t, "hansa", "apply", "-f", write("Duplicated", replicas), "--wait", "--timeout", "60s")
		for member, want := range map[string]int{"tokyo": replicas, "frankfurt": 1} {
			f.await(t, 20*time.Second, func() string {
				if got := f.kubectl(t, member, "get", "deployment", "-n", "sea", "buoy", "-o", "jsonpath={.status.readyReplicas}"); got != fmt.Sprint(want) {
					return fmt.Sprintf("%s has %q ready, want %d", member, got, want)
				}
				return ""
			})
		}
		w := f.workload(t, "sea/buoy")
		for _, m := range w.Status.Members {
			if want := map[string]int{"tokyo": replicas, "frankfurt": 1}[m.Member]; m.Replicas != want || m.Ready != want || w.Status.State != "Ready" || w.Status.Unmet != 0 {
				t.Errorf("buoy: %+v", w.Status)
			}
		}
		if out := f.run(t, "hansa", "describe", "workload", "sea/buoy"); !strings.Contains(out, "spec.replicas") || !strings.Contains(out, "overrides[0]") {
			t.Errorf("describe does not tell of the override:\n%s", out)
		}
	}
	if out := f.run(t, "hansa", "explain", "sea/buoy"); !strings.Contains(out, "by overrides tokyo 2") {
		t.Errorf("explain:\n%s", out)
	}
	f.run(t, "hansa", "delete", "sea/buoy", "--yes")
}
