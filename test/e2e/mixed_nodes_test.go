package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/images"
)

// mixedPods are of a Deployment that is to run, of one that asks for simulated nodes,
// and of a DaemonSet.
const mixedPods = `apiVersion: apps/v1
kind: Deployment
metadata: {name: runs}
spec:
  replicas: 3
  selector: {matchLabels: {app: runs}}
  template:
    metadata: {labels: {app: runs}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: server, image: ` + images.Server + `}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: pretends}
spec:
  replicas: 40
  selector: {matchLabels: {app: pretends}}
  template:
    metadata: {labels: {app: pretends}}
    spec:
      nodeSelector: {hansa.io/node-kind: simulated}
      tolerations: [{key: kwok.x-k8s.io/node, operator: Exists}]
      containers: [{name: main, image: example.org/pretends:1}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: everywhere}
spec:
  selector: {matchLabels: {app: everywhere}}
  template:
    metadata: {labels: {app: everywhere}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: server, image: ` + images.Server + `}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: claims}
spec:
  replicas: 2
  serviceName: claims
  selector: {matchLabels: {app: claims}}
  template:
    metadata: {labels: {app: claims}}
    spec:
      nodeSelector: {hansa.io/node-kind: simulated}
      tolerations: [{key: kwok.x-k8s.io/node, operator: Exists}]
      containers: [{name: main, image: example.org/claims:1, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

// checkMixed: pods run on the containerd node alone unless they say that they need not
// run, and the room of simulated nodes is not offered to placement.
func checkMixed(t *testing.T, f federation) {
	f.put(t, "tokyo", mixedPods)
	for _, object := range []string{"deployment/runs", "deployment/pretends", "daemonset/everywhere", "statefulset/claims"} {
		f.kubectl(t, "tokyo", "rollout", "status", object, "--timeout=60s")
	}
	for _, row := range []struct {
		app         string
		simulated   bool
		pods, least int // least nodes
	}{{"runs", false, 3, 1}, {"everywhere", false, 1, 1}, {"pretends", true, 40, 10}, {"claims", true, 2, 1}} {
		names := strings.Fields(f.kubectl(t, "tokyo", "get", "pods", "-l", "app="+row.app, "-o", "jsonpath={.items[*].spec.nodeName}"))
		nodes := map[string]bool{}
		for _, name := range names {
			nodes[name] = true
		}
		if len(names) != row.pods || len(nodes) < row.least || nodes["tokyo-node-0"] == row.simulated {
			t.Errorf("pods of %s are on %v", row.app, names)
		}
	}
	machine := f.kubectl(t, "tokyo", "get", "node", "tokyo-node-0", "-o", "jsonpath={.status.allocatable.pods}")
	f.await(t, 10*time.Second, func() string {
		offered := f.run(t, "hansa", "describe", "member", "tokyo")
		for line := range strings.Lines(offered) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "Free pods") && strings.HasSuffix(line, "/"+machine) {
				return ""
			}
		}
		return "room of " + machine + " pods is not what placement sees: " + offered
	})
	f.kubectl(t, "tokyo", "delete", "deployment/runs", "deployment/pretends", "daemonset/everywhere", "statefulset/claims", "pvc/data-claims-0", "pvc/data-claims-1", "--timeout=30s")
}
