package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// oldestRelease is the oldest Kubernetes that a member may have.
const oldestRelease = "v1.31."

// TestOldest attaches a cluster of the oldest Kubernetes that is promised, with the rights
// of configs/agent, and goes through what an agent does there.
func TestOldest(t *testing.T) {
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--members", "1", "--no-sample", "--timeout", "100s")
	o := old{federation: f, cluster: newOldCluster(t, filepath.Join(f.path, "oldest"))}
	t.Setenv("KUBECONFIG", o.cluster.path("admin.kubeconfig"))
	o.await(t, time.Minute, func() string {
		if out, code := o.try(t, "kubectl", "get", "--raw", "/readyz"); code != 0 {
			return out
		}
		return ""
	})
	o.addNode(t)
	agent := o.startAgent(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, old)
	}{
		{"land", checkOldLands},
		{"correct", checkOldCorrects},
		{"once", checkOldOnce},
		{"import", checkOldImports},
		{"reach", checkOldReach},
		{"leave", func(t *testing.T, o old) { checkOldLeaves(t, o, agent) }},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, o) }) {
			return
		}
	}
}

// old is a federation, and the old cluster beside it, which kubectl means when it is not
// told another.
type old struct {
	federation
	cluster oldCluster
}

// put applies documents to the old cluster.
func (o old) put(t *testing.T, documents string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "documents.yaml")
	must(t, os.WriteFile(file, []byte(documents), 0o600))
	o.run(t, "kubectl", "apply", "-f", file)
}

// awaitOutput waits until kubectl prints what is wanted.
func (o old) awaitOutput(t *testing.T, want string, arguments ...string) {
	t.Helper()
	o.await(t, 30*time.Second, func() string {
		if out, _ := o.try(t, "kubectl", arguments...); strings.Join(strings.Fields(out), " ") != want {
			return fmt.Sprintf("%v: %q, want %q", arguments, out, want)
		}
		return ""
	})
}

// addNode makes a node that nobody runs; the test plays its kubelet.
func (o old) addNode(t *testing.T) {
	t.Helper()
	o.put(t, `apiVersion: v1
kind: Node
metadata: {name: osaka-node-0, labels: {kubernetes.io/hostname: osaka-node-0}}
`)
	o.run(t, "kubectl", "patch", "node", "osaka-node-0", "--subresource=status", "-p",
		`{"status": {"capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"}, "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}}`)
	o.run(t, "kubectl", "taint", "node", "osaka-node-0", "node.kubernetes.io/not-ready-") // as its controller would
}

// agentProcess is an agent, and what it said when it has ended.
type agentProcess struct {
	command *exec.Cmd
	log     bytes.Buffer
	err     error // once done is closed
	done    chan struct{}
}

// startAgent runs the agent as the ServiceAccount of configs/agent, and waits for osaka.
func (o old) startAgent(t *testing.T) *agentProcess {
	t.Helper()
	o.run(t, "kubectl", "apply", "--server-side", "--validate=strict", "-f", "configs/agent")
	o.await(t, time.Minute, func() string {
		if rules := o.run(t, "kubectl", "get", "clusterrole", "hansa-agent", "-o", "jsonpath={.rules}"); !strings.Contains(rules, "statefulsets") || !strings.Contains(rules, "readyz") {
			return "the rules are not aggregated"
		}
		return ""
	})
	token := o.run(t, "kubectl", "create", "token", "hansa-agent", "-n", "hansa-system", "--duration", "1h")
	kubeconfig := o.cluster.writeKubeconfig(t, "agent", fmt.Sprintf("{token: %q}", strings.TrimSpace(token)))
	must(t, os.WriteFile(o.cluster.path("agent.yaml"), fmt.Appendf(nil,
		"name: osaka\nplace: {region: ap-northeast}\nkubeconfig: %q\nstateDir: state\njoinToken: %q\nadmission: {listen: '127.0.0.1:0'}\n",
		kubeconfig, lastLine(o.run(t, "hansa", "token", "create", "--member", "osaka"))), 0o600))
	a := &agentProcess{command: exec.Command(filepath.Join(o.path, "hansa-agent"), "--config", o.cluster.path("agent.yaml")), done: make(chan struct{})}
	a.command.Stderr = &a.log
	must(t, a.command.Start())
	go func() {
		a.err = a.command.Wait()
		close(a.done)
	}()
	t.Cleanup(func() {
		_ = a.command.Process.Kill() // it has ended unless the test failed
		<-a.done
		if t.Failed() {
			t.Log(a.log.String())
		}
	})
	o.await(t, time.Minute, func() string {
		m := o.members(t)["osaka"]
		if m.Status.Health != "Healthy" || !strings.HasPrefix(m.Status.KubernetesVersion, oldestRelease) {
			return fmt.Sprintf("osaka: %+v", m)
		}
		return ""
	})
	return a
}

// oldInn has kinds of many groups, and comes with a definition of its own.
const oldInn = `apiVersion: v1
kind: Namespace
metadata: {name: inn}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rooms.inn.example.com}
spec:
  group: inn.example.com
  scope: Namespaced
  names: {kind: Room, listKind: RoomList, plural: rooms, singular: room}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {beds: {type: integer}}}}}}
---
apiVersion: inn.example.com/v1
kind: Room
metadata: {namespace: inn, name: best}
spec: {beds: 2}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: inn, name: house}
data: {rooms: "3"}
---
apiVersion: v1
kind: Secret
metadata: {namespace: inn, name: keys}
stringData: {cellar: "1234"}
---
apiVersion: v1
kind: Service
metadata: {namespace: inn, name: host}
spec: {selector: {app: host}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {namespace: inn, name: host}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {namespace: inn, name: host}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: host}
  minReplicas: 1
  maxReplicas: 2
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {namespace: inn, name: host}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: host}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: inn, name: host}
spec:
  replicas: 2
  selector: {matchLabels: {app: host}}
  template:
    metadata: {labels: {app: host}}
    spec: {nodeName: osaka-node-0, containers: [{name: host, image: host}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: inn, name: host}
spec:
  members: {required: {matchExpressions: [{key: name, operator: In, values: [osaka]}]}}
  spread: []
  failover: {survive: None%s}
`

// playKubelet has every pod of a namespace run.
func (o old) playKubelet(t *testing.T, namespace string) {
	t.Helper()
	names := strings.Fields(o.run(t, "kubectl", "get", "pods", "-n", namespace, "-o", `jsonpath={range .items[?(@.status.phase=="Pending")]}{.metadata.name} {end}`))
	for i, name := range names {
		o.try(t, "kubectl", "patch", "pod", name, "-n", namespace, "--subresource=status", "-p", // it may have gone
			fmt.Sprintf(`{"status": {"phase": "Running", "podIP": "192.0.2.%[1]d", "podIPs": [{"ip": "192.0.2.%[1]d"}], "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "host", "image": "host", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}}]}}`, 10+i))
	}
}

func (o old) awaitState(t *testing.T, workload string) {
	t.Helper()
	namespace, _, _ := strings.Cut(workload, "/")
	o.await(t, time.Minute, func() string {
		o.playKubelet(t, namespace)
		if w := o.workload(t, workload); w.Status.State != "Ready" {
			out, _ := o.try(t, "hansa", "describe", "workload", workload)
			return out
		}
		return ""
	})
}

// roomsRole grants the agent kinds that configs/agent does not list, as it says there.
const roomsRole = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: hansa-agent-rooms
  labels: {hansa.io/aggregate-to-agent: "true"}
rules:
- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [create, delete, get, list, patch, watch]}
- {apiGroups: [inn.example.com], resources: [rooms], verbs: [create, delete, get, list, patch, watch]}
`

// checkOldLands: every kind of the workload comes, and its endpoints are told.
func checkOldLands(t *testing.T, o old) {
	o.put(t, roomsRole)
	o.federation.apply(t, fmt.Sprintf(oldInn, ""))
	o.awaitState(t, "inn/host")
	o.awaitOutput(t, "room.inn.example.com/best configmap/house secret/keys horizontalpodautoscaler.autoscaling/host poddisruptionbudget.policy/host",
		"get", "-n", "inn", "rooms/best", "configmap/house", "secret/keys", "hpa/host", "pdb/host", "-o", "name")
	o.await(t, 20*time.Second, func() string {
		var a answer
		o.read(t, &a, "hansa", "resolve", "inn/host", "-o", "json")
		if got := fmt.Sprint(a.serving()); got != "map[osaka:2]" {
			return got
		}
		return ""
	})
}

// checkOldCorrects: what is changed by hand is put back, what is no longer applied goes.
func checkOldCorrects(t *testing.T, o old) {
	o.run(t, "kubectl", "patch", "configmap", "-n", "inn", "house", "-p", `{"data": {"rooms": "9"}}`)
	o.awaitOutput(t, "3", "get", "configmap", "-n", "inn", "house", "-o", "jsonpath={.data.rooms}")
	o.run(t, "kubectl", "delete", "service", "-n", "inn", "host")
	o.awaitOutput(t, "service/host", "get", "service", "-n", "inn", "host", "-o", "name")
	first, rest, _ := strings.Cut(oldInn, "apiVersion: v1\nkind: Secret\n")
	_, rest, _ = strings.Cut(rest, "---\n")
	o.federation.apply(t, fmt.Sprintf(first+rest, ""))
	o.awaitOutput(t, "", "get", "secret", "-n", "inn", "keys", "--ignore-not-found", "-o", "name")
}

// checkOldOnce: the API server asks the agent about a pod that runs at most once.
func checkOldOnce(t *testing.T, o old) {
	o.federation.apply(t, strings.ReplaceAll(fmt.Sprintf(guest, "single", "survive: None, continuity: AtMostOne"), "spec: {containers", "spec: {nodeName: osaka-node-0, containers"))
	o.awaitState(t, "single/host")
	out, _ := o.try(t, "kubectl", "-n", "single", "run", "byhand", "--image=host", "--labels=hansa.io/at-most-one=true", "--annotations=hansa.io/workload=single/other", "--dry-run=server")
	if !strings.Contains(out, "workload single/other runs at most once, and not here") {
		t.Errorf("without a lease: %s", out)
	}
}

// checkOldImports: a service of another member is there, as objects of KEP-1645.
func checkOldImports(t *testing.T, o old) {
	o.kubectl(t, "tokyo", "create", "namespace", "inn")
	o.federation.put(t, "tokyo", fmt.Sprintf(desk, 80))
	o.awaitOutput(t, "serviceimport.multicluster.x-k8s.io/desk", "get", "serviceimport", "-n", "inn", "desk", "-o", "name")
	o.awaitOutput(t, "192.0.2.80", "get", "endpointslices", "-n", "inn", "-l", "multicluster.kubernetes.io/service-name=desk", "-o", "jsonpath={.items[*].endpoints[*].addresses[*]}")
}

// checkOldReach: kubectl goes through the gateway and the agent, as a caller of the gateway.
func checkOldReach(t *testing.T, o old) {
	o.run(t, "kubectl", "apply", "-f", "configs/reach/rbac.yaml")
	o.run(t, "kubectl", "create", "clusterrolebinding", "hansa-agent-reach", "--clusterrole=hansa:impersonator", "--serviceaccount=hansa-system:hansa-agent")
	o.await(t, 20*time.Second, func() string {
		if out, _ := o.try(t, "hansa", "kubectl", "osaka", "--", "get", "deployments", "-n", "inn", "-o", "name"); strings.TrimSpace(out) != "deployment.apps/host" {
			return out
		}
		return ""
	})
}

// checkOldLeaves: exactly what Hansa made goes, and the agent ends.
func checkOldLeaves(t *testing.T, o old, agent *agentProcess) {
	o.run(t, "kubectl", "create", "configmap", "-n", "inn", "mine")
	o.run(t, "hansa", "leave", "osaka", "--delete", "--force", "--yes")
	o.await(t, time.Minute, func() string {
		for _, namespace := range []string{"inn", "single"} { // no kubelet ends them
			o.try(t, "kubectl", "delete", "pods", "--all", "-n", namespace, "--force")
		}
		select {
		case <-agent.done:
			return ""
		default:
			return o.run(t, "hansa", "describe", "member", "osaka")
		}
	})
	if agent.err != nil {
		t.Errorf("the agent ended with %v", agent.err)
	}
	o.awaitOutput(t, "configmap/mine", "get", "deployments,services,configmaps,serviceimports", "-n", "inn", "--field-selector", "metadata.name!=kube-root-ca.crt", "-o", "name")
	o.awaitOutput(t, "", "get", "namespace,crd,validatingwebhookconfigurations", "-l", "hansa.io/workload", "-o", "name")
}
