package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// metricsAPI makes the API server itself serve the metrics API, from objects.
const metricsAPI = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodes.metrics.k8s.io, annotations: {api-approved.kubernetes.io: "unapproved, a test"}}
spec:
  group: metrics.k8s.io
  scope: Cluster
  names: {plural: nodes, singular: node, kind: NodeMetrics}
  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pods.metrics.k8s.io, annotations: {api-approved.kubernetes.io: "unapproved, a test"}}
spec:
  group: metrics.k8s.io
  scope: Namespaced
  names: {plural: pods, singular: pod, kind: PodMetrics}
  versions: [{name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`

const measurements = `apiVersion: metrics.k8s.io/v1beta1
kind: NodeMetrics
metadata: {name: stub}
usage: {cpu: 1500m, memory: 2Gi}
---
apiVersion: metrics.k8s.io/v1beta1
kind: PodMetrics
metadata: {name: %s, namespace: talk}
containers: [{name: a, usage: {cpu: 200m, memory: 100Mi}}, {name: b, usage: {cpu: 50m, memory: 28Mi}}]
`

// topMeasured has one member serve the metrics API: what it measures is told, and what it
// does not is not.
func (r reach) topMeasured(t *testing.T) {
	r.put(t, "tokyo", metricsAPI)
	direct := r.federation.kubeconfig(t, "tokyo")
	r.run(t, "kubectl", "--kubeconfig", direct, "wait", "--for=condition=Established", "crd/nodes.metrics.k8s.io", "crd/pods.metrics.k8s.io", "--timeout=30s")
	r.await(t, 20*time.Second, func() string {
		out, _ := r.try(t, "kubectl", "--kubeconfig", direct, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
		if !strings.Contains(out, "NodeMetricsList") {
			return out
		}
		return ""
	})
	r.put(t, "tokyo", fmt.Sprintf(measurements, r.pod(t, "tokyo")))
	out := r.run(t, "hansa", "top", "nodes", "tokyo")
	for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		want := []string{"not", "measured", "not", "measured"}
		if strings.Contains(line, "stub") {
			want = []string{"1500m", "2Gi"}
		}
		if got := strings.Fields(line)[2:]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q, want %v", line, want)
		}
	}
	out = r.run(t, "hansa", "top", "workloads", "talk/talker")
	for _, line := range strings.Split(out, "\n") {
		if strings.Contains(line, "tokyo") && !strings.Contains(line, "not measured") && !strings.HasSuffix(strings.Join(strings.Fields(line), " "), "1 250m 128Mi") {
			t.Errorf("top workloads:\n%s", out)
		}
	}
	if !strings.Contains(out, "250m") || !strings.Contains(out, "frankfurt: not measured: the cluster serves no metrics API") {
		t.Errorf("top workloads:\n%s", out)
	}
	r.run(t, "kubectl", "--kubeconfig", direct, "delete", "crd", "nodes.metrics.k8s.io", "pods.metrics.k8s.io")
}
