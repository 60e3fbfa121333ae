package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const ledgers = `apiVersion: v1
kind: Namespace
metadata: {name: bank}
---
apiVersion: v1
kind: Service
metadata: {namespace: bank, name: ledger}
spec: {clusterIP: None, selector: {app: ledger}, ports: [{name: sql, port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {namespace: bank, name: ledger}
spec:
  replicas: %d
  serviceName: ledger
  selector: {matchLabels: {app: ledger}}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      containers:
      - {name: main, image: example.org/ledger:1, volumeMounts: [{name: data, mountPath: /data}, {name: log, mountPath: /log}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
  - metadata: {name: log}
    spec: {accessModes: [ReadWriteOnce], storageClassName: local, resources: {requests: {storage: 1Gi}}}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: bank, name: ledger}
spec:
  spread: [{by: region, min: 2, max: 2, maxSkew: 1}]
  replicas: {mode: Divided, by: Capacity}
`

// TestReplicas: replicas with claims, and with a number of their own in a member.
func TestReplicas(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--members", "2", "--no-sample", "--timeout", "100s")
	t.Run("claims", func(t *testing.T) { checkClaims(t, f) })
	t.Run("own", func(t *testing.T) { checkOwnReplicas(t, f) })
}

// checkClaims: a StatefulSet with claims of its own runs where every node is simulated:
// the claims are bound, its replicas become ready, and what is kept is found again.
func checkClaims(t *testing.T, f federation) {
	apply := func(replicas int) {
		file := filepath.Join(t.TempDir(), "ledger.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, ledgers, replicas), 0o600); err != nil {
			t.Fatal(err)
		}
		f.run(t, "hansa", "apply", "-f", file, "--wait", "--timeout", "60s")
	}
	apply(4)
	if s := f.workload(t, "bank/ledger").Status; s.State != "Ready" || len(s.Members) != 2 {
		t.Errorf("ledger: %+v", s)
	}
	const bound = "data-ledger-0=Bound data-ledger-1=Bound log-ledger-0=Bound log-ledger-1=Bound"
	volumes := map[string]string{}
	for member := range f.members(t) {
		if got := f.kubectl(t, member, "get", "statefulset", "-n", "bank", "ledger", "-o", "jsonpath={.status.readyReplicas}"); got != "2" {
			t.Errorf("%s has %q ready", member, got)
		}
		if got := f.claims(t, member, "{.status.phase}"); got != bound {
			t.Errorf("claims of %s: %s", member, got)
		}
		volumes[member] = f.claims(t, member, "{.spec.volumeName}")
	}
	apply(2)
	apply(4)
	for member, before := range volumes {
		if after := f.claims(t, member, "{.spec.volumeName}"); after != before {
			t.Errorf("volumes of %s: %s, and after fewer replicas and as many again: %s", member, before, after)
		}
	}
	f.run(t, "hansa", "delete", "bank/ledger", "--yes")
	for member := range volumes {
		f.await(t, 30*time.Second, func() string { return f.kubectl(t, member, "get", "pv", "-o", "name") })
	}
}

// claims is one field of each claim of the bank.
func (f federation) claims(t *testing.T, member, field string) string {
	t.Helper()
	out := f.kubectl(t, member, "get", "pvc", "-n", "bank", "--sort-by=.metadata.name", "-o", "jsonpath={range .items[*]}{.metadata.name}="+field+" {end}")
	return strings.TrimSpace(out)
}
