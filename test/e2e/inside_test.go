package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/hansa-io/hansa/member/admit"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/kube"
)

// TestInside installs the manifests of configs/agent in a cluster, and runs the agent
// with what a pod of them has: the token of their ServiceAccount and nothing else. Its
// rights are enough to join and to land a sample, and it uses every one of them.
func TestInside(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: the agent gets a service account of its own in a mount namespace")
	}
	f := newFederation(t)
	f.run(t, "hansa", "up", "--ports", "auto", "--members", "1", "--no-sample", "--timeout", "100s")
	s := newInside(t, f)
	s.install()
	for _, part := range []struct {
		name string
		test func(*testing.T, *inside)
	}{
		{"restricted", checkRestricted},
		{"chart", checkChart},
		{"missing right", checkMissingRight},
		{"join", checkJoinInside},
		{"imports", checkImportsInside},
		{"land", checkLandInside},
		{"marker", checkMarker},
		{"leave", checkLeaveInside},
		{"rights", checkRights},
	} {
		if !t.Run(part.name, func(t *testing.T) { s.t = t; part.test(t, s) }) {
			return
		}
	}
}

// inside is a cluster in which the agent is installed.
type inside struct {
	t          *testing.T
	f          federation
	kubeconfig string
	dir        string
	proxy      *recorder
	log        strings.Builder
}

func newInside(t *testing.T, f federation) *inside {
	dir := t.TempDir()
	startCluster(t, writeConfig(t, config.Config{Name: "osaka", DataDir: dir + "/data", Nodes: config.Nodes{Kind: config.KindSimulated, Count: 1}}))
	return &inside{t: t, f: f, dir: dir, kubeconfig: filepath.Join(dir, "data", "agent.kubeconfig"), proxy: record(t, filepath.Join(dir, "data", "agent.kubeconfig"))}
}

func (s *inside) kubectl(arguments ...string) string {
	s.t.Helper()
	return s.f.run(s.t, "kubectl", append([]string{"--kubeconfig", s.kubeconfig}, arguments...)...)
}

// awaitOutput waits until kubectl prints what is wanted.
func (s *inside) awaitOutput(want string, arguments ...string) {
	s.t.Helper()
	s.f.await(s.t, 20*time.Second, func() string {
		out, _ := s.f.try(s.t, "kubectl", append([]string{"--kubeconfig", s.kubeconfig}, arguments...)...)
		if got := strings.TrimSpace(out); got != want {
			return fmt.Sprintf("%v: %q, want %q", arguments, got, want)
		}
		return ""
	})
}

// install applies the manifests, and takes the token of their ServiceAccount.
func (s *inside) install() {
	s.kubectl("apply", "--server-side", "--validate=strict", "-f", "configs/agent")
	s.f.await(s.t, time.Minute, func() string {
		if rules := s.kubectl("get", "clusterrole", "hansa-agent", "-o", "jsonpath={.rules}"); strings.Contains(rules, "statefulsets") && strings.Contains(rules, "readyz") {
			return ""
		}
		return "the rules are not aggregated"
	})
	s.write("token", s.kubectl("create", "token", "hansa-agent", "-n", "hansa-system", "--duration", "1h"))
	s.write("ca.crt", string(s.proxy.ca))
	s.write("namespace", "hansa-system")
}

func (s *inside) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(strings.TrimSpace(text)), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// agent is the command of the agent as in a pod: where pods find their service account
// is a directory of the test's, in a mount namespace of the agent's own.
func (s *inside) agent() *exec.Cmd {
	const account = "/run/secrets/kubernetes.io/serviceaccount"
	file := s.write("agent.yaml", "name: osaka\nplace: {region: ap-northeast}\nstateDir: state\njoinTokenFile: join\nadmission: {listen: '127.0.0.1:0'}\n")
	command := exec.Command("unshare", "--mount", "sh", "-c",
		fmt.Sprintf("mount -t tmpfs none /run && mkdir -p %[1]s && cp %[2]s/token %[2]s/ca.crt %[2]s/namespace %[1]s && exec %[3]s --config %[4]s",
			account, s.dir, filepath.Join(s.f.path, "hansa-agent"), file))
	host, port, _ := net.SplitHostPort(s.proxy.address)
	command.Env = append(os.Environ(), "KUBERNETES_SERVICE_HOST="+host, "KUBERNETES_SERVICE_PORT="+port)
	command.Stderr = &s.log
	return command
}

// checkRestricted: the pod passes the strictest of the Pod Security Standards.
func checkRestricted(t *testing.T, s *inside) {
	if got := s.kubectl("get", "namespace", "hansa-system", "-o", `jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}`); got != "restricted" {
		t.Fatalf("the namespace enforces %q", got)
	}
	s.awaitOutput("pod/hansa-agent-0", "get", "pod", "-n", "hansa-system", "--ignore-not-found", "hansa-agent-0", "-o", "name")
}

// checkChart: the chart renders what the manifests say.
func checkChart(t *testing.T, s *inside) {
	values := s.write("values.yaml", "member: {name: my-cluster, place: {region: eu-central}}\njoin: {token: 'the line that \"hansa token create --member my-cluster\" printed'}\n")
	rendered := objectsOf(t, s.f.run(t, "helm", "template", "hansa-agent", "configs/charts/hansa-agent", "-n", "hansa-system", "--kube-version", "1.37.0", "-f", values))
	manifests := map[string]string{}
	for _, name := range []string{"2-rbac.yaml", "3-agent.yaml"} {
		b, err := os.ReadFile(filepath.Join(root, "configs", "agent", name))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(manifests, objectsOf(t, string(b)))
	}
	if len(rendered) != len(manifests) {
		t.Errorf("the chart renders %d objects, and the manifests are %d", len(rendered), len(manifests))
	}
	for name, object := range manifests {
		if rendered[name] != object {
			t.Errorf("the chart renders\n%s\nand %s is\n%s", rendered[name], name, object)
		}
	}
	withPort := objectsOf(t, s.f.run(t, "helm", "template", "hansa-agent", "configs/charts/hansa-agent", "-n", "hansa-system", "--kube-version", "1.37.0", "-f", values,
		"--set", "peer.enabled=true", "--set", "peer.address=agent.example:7444"))
	if service := withPort["Service hansa-agent-peer"]; len(withPort) != len(manifests)+1 || !strings.Contains(service, `"targetPort":"peer"`) ||
		!strings.Contains(withPort["StatefulSet hansa-agent"], `"containerPort":7444`) || !strings.Contains(withPort["ConfigMap hansa-agent"], "agent.example:7444") {
		t.Errorf("with a port of its own the chart renders %s", withPort)
	}
	for _, wrong := range []string{"member.name=Big_Name", "member.place.region=", "nodeselector.a=b", "reach.groups={system:masters}", "peer.enabled=true", "peer.address=host"} {
		if out, code := s.f.try(t, "helm", "template", "configs/charts/hansa-agent", "-f", values, "--set", wrong); code == 0 {
			t.Errorf("%s is taken:\n%s", wrong, out)
		}
	}
}

// objectsOf are the documents of a YAML text as JSON, by kind and name.
func objectsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, document := range strings.Split(text, "\n---\n") {
		var o struct {
			Kind     string
			Metadata struct{ Name string }
		}
		j, err := yaml.YAMLToJSON([]byte(document + "\n"))
		if err == nil {
			err = yaml.Unmarshal(j, &o)
		}
		if err != nil || o.Kind == "" || out[o.Kind+" "+o.Metadata.Name] != "" {
			t.Fatalf("%v in %s", err, document)
		}
		out[o.Kind+" "+o.Metadata.Name] = string(j)
	}
	return out
}

// checkMissingRight: an agent that lacks rights says which, and its token stays good.
func checkMissingRight(t *testing.T, s *inside) {
	s.write("join", lastLine(s.f.run(t, "hansa", "token", "create", "--member", "osaka", "--ttl", "10m")))
	before := s.kubectl("get", "clusterrole", "hansa-agent-base", "-o", "json")
	s.kubectl("patch", "clusterrole", "hansa-agent-base", "--type=json", "-p",
		`[{"op": "replace", "path": "/rules/1/verbs", "value": ["list"]}, {"op": "remove", "path": "/rules/4"}]`)
	s.awaitOutput("no", "auth", "can-i", "get", "/readyz/etcd", "--as", "system:serviceaccount:hansa-system:hansa-agent")
	err := s.agent().Run()
	want := "not joined, and the join token was not used: the agent may not do in this cluster what it must: watch endpointslices.discovery.k8s.io, get /readyz/etcd: grant it"
	if err == nil || !strings.Contains(s.log.String(), want) {
		t.Errorf("it ended with %v and said\n%s\nwant %s", err, s.log.String(), want)
	}
	s.log.Reset()
	file := s.write("base.json", before)
	s.kubectl("replace", "--force", "-f", file)
	s.awaitOutput("yes", "auth", "can-i", "get", "/readyz/etcd", "--as", "system:serviceaccount:hansa-system:hansa-agent")
}

// checkImportsInside: the role for imports is not there, as in an installation of before:
// that is told, and nothing else is missing; once it is there the cluster imports.
func checkImportsInside(t *testing.T, s *inside) {
	s.f.await(t, 20*time.Second, func() string {
		if out := s.f.run(t, "hansa", "get", "events"); !strings.Contains(out, "services of other members are not imported: the agent may not create+delete+patch endpointslices.discovery.k8s.io") {
			return "events:\n" + out
		}
		return ""
	})
	member := "tokyo"
	s.f.kubectl(t, member, "create", "namespace", "inn")
	s.kubectl("create", "namespace", "inn")
	s.f.put(t, member, fmt.Sprintf(desk, 80))
	s.f.awaitImport(t, member, "inn/desk", "ClusterSetIP http:80/TCP of tokyo Present Ready=True")
	s.awaitOutput("", "get", "serviceimports", "-A", "-o", "name")
	s.kubectl("apply", "--server-side", "-f", "configs/agent/2-rbac.yaml")
	s.awaitOutput("serviceimport.multicluster.x-k8s.io/desk", "get", "serviceimports", "-n", "inn", "-o", "name")
	s.f.kubectl(t, member, "delete", "serviceexport", "-n", "inn", "desk")
	s.awaitOutput("", "get", "serviceimports,services,endpointslices", "-n", "inn", "-o", "name")
	s.kubectl("delete", "namespace", "inn")
}

func checkJoinInside(t *testing.T, s *inside) {
	s.kubectl("delete", "clusterrole", "hansa-agent-imports")
	s.awaitOutput("no", "auth", "can-i", "delete", "endpointslices", "--as", "system:serviceaccount:hansa-system:hansa-agent")
	agent := s.agent()
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	// Before the proxy goes: the cleanups of the outer test run last in, first out.
	s.proxy.t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
		if s.proxy.t.Failed() {
			s.proxy.t.Log(s.log.String())
		}
	})
	s.f.await(t, time.Minute, func() string {
		if h := s.f.members(t)["osaka"].Status.Health; h != "Healthy" {
			return "osaka is " + h
		}
		return ""
	})
}

// checkLandInside: a workload comes, is changed, and goes.
func checkLandInside(t *testing.T, s *inside) {
	const text = `apiVersion: v1
kind: Namespace
metadata: {name: inn}
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: inn, name: house}
data: {rooms: "%s"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: inn, name: host}
spec:
  replicas: 1
  selector: {matchLabels: {app: host}}
  template:
    metadata: {labels: {app: host}}
    spec: {containers: [{name: host, image: host}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: inn, name: host}
spec: {members: {required: {matchExpressions: [{key: name, operator: In, values: [osaka]}]}}, spread: [], failover: {survive: None}}
`
	for _, rooms := range []string{"3", "4"} {
		file := s.write("inn.yaml", fmt.Sprintf(text, rooms))
		s.f.run(t, "hansa", "apply", "-f", file)
		s.f.await(t, time.Minute, func() string {
			out, _ := s.f.try(t, "kubectl", "--kubeconfig", s.kubeconfig, "get", "configmap", "-n", "inn", "house", "-o", "jsonpath={.data.rooms}")
			if out != rooms {
				state, _ := s.f.try(t, "hansa", "describe", "workload", "inn/host")
				return out + "\n" + state
			}
			return ""
		})
	}
	s.awaitOutput("1", "get", "deployment", "-n", "inn", "host", "-o", "jsonpath={.status.readyReplicas}")
	s.f.run(t, "hansa", "delete", "inn/host", "--yes")
	s.awaitOutput("", "get", "namespace", "inn", "--ignore-not-found", "-o", "name")
}

// checkRights: what an agent asks for before it joins, what configs/agent grants, and
// what it has used by now are the same.
func checkRights(t *testing.T, s *inside) {
	granted := map[string]bool{}
	var cluster rbacv1.ClusterRole
	var own rbacv1.Role
	s.f.read(t, &cluster, "kubectl", "--kubeconfig", s.kubeconfig, "get", "clusterrole", "hansa-agent-base", "-o", "json")
	s.f.read(t, &own, "kubectl", "--kubeconfig", s.kubeconfig, "get", "role", "-n", "hansa-system", "hansa-agent", "-o", "json")
	for _, r := range append(rightsOf(cluster.Rules, ""), rightsOf(own.Rules, "hansa-system")...) {
		granted[r.String()] = true
	}
	for role, needed := range map[string][]kube.Right{"hansa-agent-imports": kube.ImportRights(), "hansa-agent-admission": kube.AdmissionRights(admit.ConfigurationName)} {
		var more rbacv1.ClusterRole
		s.f.read(t, &more, "kubectl", "--kubeconfig", s.kubeconfig, "get", "clusterrole", role, "-o", "json")
		if got, want := fmt.Sprint(sorted(rightsOf(more.Rules, ""))), fmt.Sprint(sorted(needed)); got != want {
			t.Errorf("%s grants %s, and what it is for needs %s", role, got, want)
		}
	}
	if denied := s.proxy.denied(); len(denied) > 0 {
		t.Errorf("the agent asked for what it may not do: %v", denied)
	}
	used := s.proxy.used()
	for _, r := range kube.BaseRights() {
		if !granted[r.String()] {
			t.Errorf("configs/agent does not grant %s", r)
		}
		delete(granted, r.String())
	}
	for _, r := range append(kube.BaseRights(), kube.AdmissionRights(admit.ConfigurationName)...) {
		if wide := (kube.Right{Verb: r.Verb, Resource: r.Resource, Namespace: r.Namespace}); !used[r.String()] && !used[wide.String()] {
			t.Errorf("the agent has not used: %s", r)
		}
	}
	for r := range granted {
		t.Errorf("configs/agent grants what no agent asks for: %s", r)
	}
	if t.Failed() {
		t.Logf("used:\n%s", strings.Join(slices.Sorted(maps.Keys(used)), "\n"))
	}
}

func sorted(rights []kube.Right) []string {
	var out []string
	for _, r := range rights {
		out = append(out, r.String())
	}
	slices.Sort(out)
	return out
}

// rightsOf are the single rights of rules.
func rightsOf(rules []rbacv1.PolicyRule, namespace string) []kube.Right {
	var out []kube.Right
	for _, rule := range rules {
		for _, verb := range rule.Verbs {
			for _, path := range rule.NonResourceURLs {
				out = append(out, kube.Right{Verb: verb, Resource: path})
			}
			for _, resource := range rule.Resources {
				full := strings.TrimSuffix(resource+"."+rule.APIGroups[0], ".")
				names := rule.ResourceNames
				if len(names) == 0 {
					names = []string{""}
				}
				for _, name := range names {
					out = append(out, kube.Right{Verb: verb, Resource: full, Namespace: namespace, Name: name})
				}
			}
		}
	}
	return out
}

// checkMarker: the cluster says whose it is, and is refused under another name.
func checkMarker(t *testing.T, s *inside) {
	if got := s.kubectl("get", "configmap", "-n", "hansa-system", "hansa-member", "-o", "jsonpath={.data.member} {.data.federation}"); !strings.HasPrefix(got, "osaka A") {
		t.Errorf("the marker says %q", got)
	}
	mine := s.kubectl("get", "configmap", "-n", "hansa-system", "hansa-member", "-o", "jsonpath={.data.federation}")
	token := lastLine(s.f.run(t, "hansa", "token", "create", "--member", "kobe", "--ttl", "10m"))
	join := []string{"join", "--member", "kobe", "--region", "ap-northeast", "--kubeconfig", s.kubeconfig, "--token", strings.TrimSpace(token)}
	out, code := s.f.try(t, "hansa", join...)
	if code == 0 || !strings.Contains(out, "join of kobe: the cluster is a member already, as osaka") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.kubectl("patch", "configmap", "-n", "hansa-system", "hansa-member", "--type=merge", "-p", `{"data": {"federation": "another"}}`)
	out, code = s.f.try(t, "hansa", join...)
	if code == 0 || !strings.Contains(out, "join of kobe: the cluster belongs to another federation (another, this is A") {
		t.Errorf("exit %d: %s", code, out)
	}
	s.kubectl("patch", "configmap", "-n", "hansa-system", "hansa-member", "--type=merge", "-p", `{"data": {"federation": "`+mine+`"}}`)
}

// checkLeaveInside: the rights of the manifests are enough to let go of the cluster.
func checkLeaveInside(t *testing.T, s *inside) {
	s.awaitOutput("", "get", "namespace", "inn", "--ignore-not-found", "-o", "name")
	s.kubectl("create", "namespace", "inn")
	s.f.put(t, "tokyo", fmt.Sprintf(desk, 80))
	s.awaitOutput("serviceimport.multicluster.x-k8s.io/desk", "get", "serviceimports", "-n", "inn", "-o", "name")
	s.f.run(t, "hansa", "leave", "osaka", "--delete", "--yes", "--wait")
	s.awaitOutput("", "get", "serviceimports,services,endpointslices", "-n", "inn", "-o", "name")
	s.awaitOutput("configmap/hansa-agent\nconfigmap/kube-root-ca.crt", "get", "configmaps", "-n", "hansa-system", "-o", "name")
}
