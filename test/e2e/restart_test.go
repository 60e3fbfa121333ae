package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// single runs at most once, in the attached cluster.
const single = `apiVersion: apps/v1
kind: Deployment
metadata: {namespace: single, name: ledger}
spec:
  replicas: 1
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec: {containers: [{name: ledger, image: ledger}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: single, name: ledger}
spec:
  members: {required: {matchExpressions: [{key: name, operator: In, values: [osaka]}]}}
  spread: []
  failover: {survive: None, continuity: AtMostOne}
`

// checkRestartOnce: an agent that is killed and starts again within the lease goes on with
// it, and the pod with it.
func checkRestartOnce(t *testing.T, s *leaver) {
	file := filepath.Join(t.TempDir(), "single.yaml")
	if err := os.WriteFile(file, []byte(single), 0o600); err != nil {
		t.Fatal(err)
	}
	s.f.run(t, "hansa", "apply", "-f", file, "--wait", "--timeout", "60s")
	pods := func() string {
		return s.kubectl("get", "pods", "-n", "single", "-o", `jsonpath={range .items[*]}{.metadata.uid} {.metadata.deletionTimestamp} {.status.phase}{end}`)
	}
	before := pods()
	if !strings.HasSuffix(before, "Running") {
		t.Fatalf("pods: %q", before)
	}
	refused, _ := s.f.try(t, "kubectl", "--kubeconfig", s.kubeconfig, "-n", "single", "run", "byhand", "--image=ledger",
		"--labels=hansa.io/at-most-one=true", "--annotations=hansa.io/workload=single/other", "--dry-run=server")
	if !strings.Contains(refused, "workload single/other runs at most once, and not here") {
		t.Errorf("a pod without a lease: %s", refused)
	}
	s.kill()
	s.log.Reset()
	s.join()
	s.f.await(t, 30*time.Second, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		if log := s.log.String(); strings.Count(log, "msg=landing") == 0 { // the hub has answered, and orders it
			return log
		}
		return ""
	})
	s.f.await(t, 30*time.Second, func() string {
		if m, w := s.f.members(t)["osaka"], s.f.workload(t, "single/ledger"); m.Status.Health != "Healthy" || w.Status.State != "Ready" {
			return fmt.Sprintf("osaka is %s, the workload %s", m.Status.Health, w.Status.State)
		}
		return ""
	})
	if after := pods(); after != before {
		t.Errorf("the pod was %q and is %q", before, after)
	}
	s.mu.Lock()
	if log := s.log.String(); strings.Contains(log, "stopping") {
		t.Errorf("the agent stopped something:\n%s", log)
	}
	s.mu.Unlock()
	s.f.run(t, "hansa", "delete", "single/ledger", "--yes")
}
