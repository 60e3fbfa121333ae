package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/host"
	"github.com/hansa-io/hansa/member/cluster/images"
)

// realNodes are two members whose nodes run containers, one of them with simulated
// nodes beside them, and one whose nodes are all simulated.
const realNodes = `members:
- {name: tokyo, region: ap-northeast, nodes: {kind: containerd, count: 1, simulated: 20}}
- {name: frankfurt, region: eu-central}
- {name: virginia, region: us-east, nodes: {kind: simulated, count: 2}}
nodes: {kind: containerd, count: 1}
`

// frankfurtNode is the node that is hurt.
const frankfurtNode = "frankfurt-node-0"

// TestNodes runs containers: pods of all members reach each other, nodes are hurt
// and come back, and nothing is left behind.
func TestNodes(t *testing.T) {
	path, err := filepath.Abs(filepath.Join(tools, "hansa-cluster"))
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Check(path); err != nil {
		t.Skip(err)
	}
	f := newFederation(t)
	spec := filepath.Join(t.TempDir(), "federation.yaml")
	if err := os.WriteFile(spec, []byte(realNodes), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Log(f.run(t, "hansa", "up", "-f", spec, "--ports", "auto", "--timeout", "100s"))
	for _, part := range []struct {
		name string
		test func(*testing.T, federation)
	}{
		{"kinds", checkKinds},
		{"mixed", checkMixed},
		{"ingress", checkIngress},
		{"reach", checkReach},
		{"dns", checkDNS},
		{"terminal", checkTerminal},
		{"volume", checkVolume},
		{"image", checkImage},
		{"steady", checkSteady},
		{"cut", checkCut},
		{"pause", checkPause},
		{"drain", checkDrain},
		{"stop", checkStop},
		{"crashes", checkCrashes},
		{"nothing left", checkNothingLeft},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.test(t, f) }) {
			return
		}
	}
}

// kubectl runs kubectl on a member.
func (f federation) kubectl(t *testing.T, member string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(f.run(t, "kubectl", append([]string{"--kubeconfig", f.kubeconfig(t, member)}, args...)...))
}

// put writes a manifest and applies it to a member.
func (f federation) put(t *testing.T, member, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	f.kubectl(t, member, "apply", "-f", file)
}

// fetch asks a URL from the toolbox in tokyo.
func (f federation) fetch(t *testing.T, url string) (string, int) {
	t.Helper()
	return f.try(t, "kubectl", "--kubeconfig", f.kubeconfig(t, "tokyo"), "exec", "toolbox", "--", "wget", "-qO-", "-T", "2", url)
}

func checkKinds(t *testing.T, f federation) {
	table := f.run(t, "hansa", "get", "members", "-o", "wide")
	for _, line := range strings.Split(table, "\n") {
		switch name, _, _ := strings.Cut(line, " "); name {
		case "tokyo":
			if !strings.Contains(line, " containerd=1,simulated=20 ") || !strings.Contains(line, " 21/21 ") {
				t.Errorf("nodes of %s: %s", name, line)
			}
		case "frankfurt":
			if !strings.Contains(line, " containerd ") {
				t.Errorf("nodes of %s: %s", name, line)
			}
		case "virginia":
			if !strings.Contains(line, " simulated ") {
				t.Errorf("nodes of %s: %s", name, line)
			}
		}
	}
	if out, code := f.try(t, "hansa", "node", "stop", "virginia/virginia-node-0"); code != 1 || !strings.Contains(out, "simulated") {
		t.Errorf("stop of a simulated node: exit %d: %s", code, out)
	}
	if out, code := f.try(t, "hansa", "node", "stop", "tokyo/tokyo-node-1"); code != 1 || !strings.Contains(out, "no such containerd node") {
		t.Errorf("stop of a simulated node beside others: exit %d: %s", code, out)
	}
	if out, code := f.try(t, "hansa", "node", "stop", "tokyo/moon"); code != 1 || !strings.Contains(out, "tokyo-node-0") {
		t.Errorf("stop of an unknown node: exit %d: %s", code, out)
	}
}

const toolbox = `apiVersion: v1
kind: Pod
metadata: {name: toolbox}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: toolbox, image: ` + images.Toolbox + `}]
`

// checkReach asks frankfurt from a pod in tokyo: by the address of a pod, as hansa
// resolve gives it, and by a ClusterIP of frankfurt.
func checkReach(t *testing.T, f federation) {
	begin := time.Now()
	f.put(t, "tokyo", toolbox)
	f.kubectl(t, "tokyo", "wait", "--for=condition=Ready", "pod/toolbox", "--timeout=30s")
	t.Logf("a pod was Ready %.1f s after apply", time.Since(begin).Seconds())
	if out := f.kubectl(t, "tokyo", "exec", "toolbox", "--", "sh", "-c", "echo $((6*7))"); out != "42" {
		t.Errorf("the shell says %q", out)
	}
	var addresses []string
	for _, tier := range f.resolve(t, "osaka").Tiers {
		for _, e := range tier.Endpoints {
			if e.Member == "frankfurt" {
				addresses = append(addresses, fmt.Sprintf("%s:%d", e.Address, e.Port))
			}
		}
	}
	if len(addresses) == 0 {
		t.Fatal("hansa resolve gives no endpoint in frankfurt")
	}
	service := f.kubectl(t, "frankfurt", "-n", "shop", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
	for _, address := range append(addresses, service) {
		out, code := f.fetch(t, "http://"+address)
		if code != 0 || !strings.Contains(out, "node="+frankfurtNode) {
			t.Errorf("tokyo asks %s: exit %d: %s", address, code, out)
		}
	}
	if out := f.run(t, "curl", "-sS", "-m", "5", "http://"+service); !strings.Contains(out, "node="+frankfurtNode) {
		t.Errorf("this machine asks %s: %s", service, out)
	}
	if out := f.kubectl(t, "frankfurt", "-n", "shop", "logs", "deploy/web", "--tail=1"); strings.Contains(out, "error") {
		t.Errorf("logs of web: %s", out)
	}
}

const far = `apiVersion: v1
kind: Service
metadata: {namespace: shop, name: far}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceExport
metadata: {namespace: shop, name: far}
`

// checkDNS asks for a service that only frankfurt has, and exports: tokyo has it by its
// ServiceImport.
func checkDNS(t *testing.T, f federation) {
	f.put(t, "frankfurt", far)
	for url, node := range map[string]string{
		"http://web.shop":                        "tokyo-node-0",
		"http://web.shop.svc.cluster.local":      "tokyo-node-0",
		"http://far.shop.svc.clusterset.local":   frankfurtNode,
		"http://far.shop.svc.clusterset.local.:": frankfurtNode,
	} {
		f.await(t, 15*time.Second, func() string {
			out, code := f.fetch(t, url)
			if code == 0 && strings.Contains(out, "node="+node) {
				return ""
			}
			return fmt.Sprintf("%s: exit %d: %s", url, code, out)
		})
	}
	if out, code := f.fetch(t, "http://far.shop"); code == 0 {
		t.Errorf("tokyo has a Service of the name: %s", out)
	}
	f.kubectl(t, "frankfurt", "delete", "serviceexport/far", "service/far", "-n", "shop")
	f.awaitImport(t, "tokyo", "shop/far", "")
	f.await(t, 15*time.Second, func() string {
		if out, code := f.fetch(t, "http://far.shop.svc.clusterset.local"); code == 0 {
			return "it is still there: " + out
		}
		return ""
	})
}

const volume = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: writer
    image: ` + images.Toolbox + `
    command: [sh, -c, "echo kept >> /data/file; sleep 100000"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

// checkVolume keeps a file over the life of a pod, and gives its room back with the
// claim; simulated nodes bind the same claim.
func checkVolume(t *testing.T, f federation) {
	for _, member := range []string{"tokyo", "virginia"} {
		f.put(t, member, volume)
		f.kubectl(t, member, "wait", "--for=condition=Ready", "pod/writer", "--timeout=30s")
		if phase := f.kubectl(t, member, "get", "pvc", "data", "-o", "jsonpath={.status.phase}"); phase != "Bound" {
			t.Errorf("the claim in %s is %s", member, phase)
		}
	}
	f.kubectl(t, "tokyo", "delete", "pod", "writer")
	f.put(t, "tokyo", volume)
	f.kubectl(t, "tokyo", "wait", "--for=condition=Ready", "pod/writer", "--timeout=30s")
	f.await(t, 10*time.Second, func() string {
		if out := f.kubectl(t, "tokyo", "exec", "writer", "--", "cat", "/data/file"); out != "kept\nkept" {
			return "the volume holds " + out
		}
		return ""
	})
	for _, member := range []string{"tokyo", "virginia"} {
		f.kubectl(t, member, "delete", "pod/writer", "pvc/data", "--timeout=30s")
		f.await(t, 20*time.Second, func() string { return f.kubectl(t, member, "get", "pv", "-o", "name") })
	}
	left, _ := filepath.Glob(filepath.Join(f.home, "members", "tokyo", "data", "nodes", "*", "lib", "hansa", "volumes", "*"))
	if len(left) > 0 {
		t.Errorf("volumes left: %v", left)
	}
}

func checkImage(t *testing.T, f federation) {
	program, err := os.ReadFile(filepath.Join(f.path, "hansa-pod"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "own.tar")
	err = images.Build(file, "localhost/own/server:7", []images.File{{Name: "bin/own", Data: program}}, []string{"/bin/own", "pause"})
	if err != nil {
		t.Fatal(err)
	}
	if out := f.run(t, "hansa", "image", "load", file, "tokyo", "frankfurt"); !strings.Contains(out, frankfurtNode) {
		t.Errorf("image load: %s", out)
	}
	for _, member := range []string{"tokyo", "frankfurt"} {
		f.kubectl(t, member, "run", "own", "--image=localhost/own/server:7", "--image-pull-policy=Never")
		f.kubectl(t, member, "wait", "--for=condition=Ready", "pod/own", "--timeout=30s")
		f.kubectl(t, member, "delete", "pod", "own", "--now")
	}
	if out, code := f.try(t, "hansa", "image", "load", filepath.Join(f.path, "hansa-pod"), "tokyo"); code != 1 {
		t.Errorf("a file that is no tarball of images: exit %d: %s", code, out)
	}
}
