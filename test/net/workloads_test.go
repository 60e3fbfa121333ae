package net

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	namespace   = "net"
	single      = "single"
	canary      = "settings"
	webReplicas = 6
)

// workloads are all of the namespace: web moves at once when its member is lost,
// single runs at most once, settings is in every member and waits longer than any
// fault before it leaves a lost one.
var workloads = []string{"web", single, canary}

const documents = `apiVersion: v1
kind: Namespace
metadata: {name: net}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: net, name: web, labels: {app: web}}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example/web, ports: [{name: http, containerPort: 8080}], resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: net, name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {namespace: net, name: web}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: net, name: web}
spec:
  resources:
  - {apiVersion: apps/v1, kind: Deployment, name: web}
  - {apiVersion: v1, kind: Service, name: web}
  - {apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceExport, name: web}
  spread: [{by: region, min: 2, max: 3, maxSkew: 1}]
  replicas: {mode: Divided, by: Capacity}
  failover: {dwell: 0s}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: net, name: single}
spec:
  replicas: 1
  selector: {matchLabels: {app: single}}
  template:
    metadata: {labels: {app: single}}
    spec: {containers: [{name: main, image: example/main, resources: {requests: {cpu: 100m, memory: 64Mi}}}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: net, name: single}
spec: {resources: [{apiVersion: apps/v1, kind: Deployment, name: single}], failover: {continuity: AtMostOne, dwell: 0s}}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: net, name: settings}
data: {greeting: welcome}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: net, name: settings}
spec: {resources: [{apiVersion: v1, kind: ConfigMap, name: settings}], replicas: {mode: Duplicated}, failover: {dwell: 5m}}
`

// note is a ConfigMap that is in every member.
func note(name string) string {
	return strings.ReplaceAll(`apiVersion: v1
kind: ConfigMap
metadata: {namespace: net, name: NAME}
data: {name: NAME}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: net, name: NAME}
spec: {resources: [{apiVersion: v1, kind: ConfigMap, name: NAME}], replicas: {mode: Duplicated}}
`, "NAME", name)
}

// picture is what runs where: the UID of every pod and Deployment, by member, and
// the epoch of every workload.
func (f *federation) picture(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, name := range memberNames {
		lines = append(lines, f.holds(t, name)...)
	}
	for _, name := range workloads {
		w, err := f.workload(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(name, " epoch ", w.Status.Epoch))
	}
	return lines
}

// holds lists the pods and Deployments of a member with their UIDs.
func (f *federation) holds(t *testing.T, member string) []string {
	t.Helper()
	pods, err := f.clusters[member].pods(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	deployments, err := f.clusters[member].AppsV1().Deployments(namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range pods {
		out = append(out, fmt.Sprintf("%s pod %s %s", member, pods[i].Name, pods[i].UID))
	}
	for i := range deployments.Items {
		out = append(out, fmt.Sprintf("%s deployment %s %s", member, deployments.Items[i].Name, deployments.Items[i].UID))
	}
	settings, err := f.clusters[member].CoreV1().ConfigMaps(namespace).Get(context.Background(), canary, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, fmt.Sprintf("%s configmap %s %s", member, canary, settings.UID))
	slices.Sort(out)
	return out
}

// rest is without the pods and the Deployment of the at-most-one workload.
func rest(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(line, " "+single) })
}

// wanted sums the replicas of web that members other than one have in their API server.
func (f *federation) wanted(t *testing.T, without string) int {
	t.Helper()
	total := 0
	for name, c := range maps.All(f.clusters) {
		if name == without {
			continue
		}
		d, err := c.AppsV1().Deployments(namespace).Get(context.Background(), "web", metav1.GetOptions{})
		if err == nil && d.Spec.Replicas != nil {
			total += int(*d.Spec.Replicas)
		}
	}
	return total
}

// configMaps names those of the tested workloads.
func (c cluster) configMaps() ([]string, error) {
	list, err := c.CoreV1().ConfigMaps(namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out, nil
}
