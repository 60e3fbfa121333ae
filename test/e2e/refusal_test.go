package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const good = `apiVersion: apps/v1
kind: Deployment
metadata: {namespace: bad, name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: bad, name: web}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}]
`

// checkRefusals gives the federation what it must refuse: one clear line each,
// exit 1 or 2, and nothing half done.
func checkRefusals(t *testing.T, f federation) {
	before := f.run(t, "hansa", "get", "workloads", "-o", "json")
	edit := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the document", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for _, c := range []struct{ name, document, want string }{
		{"malformed", "a: [", "line 1"},
		{"unknown field", edit("  resources:", "  resurces:"), `did you mean "resources"`},
		{"unknown kind", edit("kind: Placement", "kind: Placment"), `did you mean "Placement"`},
		{"selects nothing", edit("Deployment, name: web}]", "Deployment, name: wob}]"), "selects nothing"},
		{"claimed twice", good + "---\n" + strings.Replace(good[strings.Index(good, "apiVersion: hansa.io"):], "name: web}\nspec", "name: other}\nspec", 1), "is selected by Placement bad/web and by Placement bad/other"},
		{"impossible spread", good + "  spread: [{by: region, min: 5, max: 3}]\n", "spread"},
		{"name too long", strings.ReplaceAll(good, "name: web}\nspec", "name: "+strings.Repeat("x", 300)+"}\nspec"), "long"},
		{"too large", good + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: bad, name: big}\ndata: {x: " + strings.Repeat("y", 3<<20) + "}\n", "large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a.yaml")
			if err := os.WriteFile(file, []byte(c.document), 0o600); err != nil {
				t.Fatal(err)
			}
			f.refused(t, c.want, "hansa", "apply", "-f", file)
		})
	}
	if after := f.run(t, "hansa", "get", "workloads", "-o", "json"); names(t, after) != names(t, before) {
		t.Errorf("workloads were %s and are %s", names(t, before), names(t, after))
	}
	t.Run("unknown place", func(t *testing.T) { f.refused(t, "atlantis", "hansa", "resolve", "shop/web", "--from", "atlantis") })
	t.Run("unknown member", func(t *testing.T) { f.refused(t, "berlin", "hansa", "cordon", "berlin") })
	t.Run("taken name", func(t *testing.T) { checkTakenName(t, f) })
	t.Run("no free port", func(t *testing.T) { checkTakenPort(t, f) })
}

// refused is a command that must end with 1 or 2 and one line that has want.
func (f federation) refused(t *testing.T, want, name string, args ...string) {
	t.Helper()
	out, code := f.try(t, name, args...)
	out = strings.TrimSpace(out)
	if code != 1 && code != 2 || !strings.Contains(out, want) || strings.Contains(out, "\n") || len(out) > 600 {
		t.Errorf("exit %d, want one line with %q:\n%.800s", code, want, out)
	}
}

// names lists the workloads of a JSON list, in order.
func names(t *testing.T, list string) string {
	t.Helper()
	var l struct {
		Items []struct {
			Metadata struct{ Namespace, Name, ResourceVersion string }
		}
	}
	decode(t, list, &l)
	var out []string
	for _, i := range l.Items {
		out = append(out, i.Metadata.Namespace+"/"+i.Metadata.Name+"@"+i.Metadata.ResourceVersion)
	}
	return strings.Join(out, " ")
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in:\n%.500s", err, text)
	}
}

// checkTakenName: another cluster cannot join as tokyo, even with a good token.
func checkTakenName(t *testing.T, f federation) {
	token := strings.TrimSpace(lastLine(f.run(t, "hansa", "token", "create", "--member", "tokyo", "--ttl", "10m")))
	home := t.TempDir()
	file := filepath.Join(home, "cluster.yaml")
	config := "name: tokyo\ndataDir: data\nnodes: {count: 1}\nagent: {joinToken: " + `"` + token + `"` + "}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := f.try(t, "hansa-cluster", "--config", file)
	if last := lastLine(out); code != 1 || !strings.Contains(last, "tokyo") || !strings.Contains(last, "another cluster") {
		t.Errorf("exit %d: %s", code, last)
	}
}

func lastLine(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[len(lines)-1]
}

// checkTakenPort: a second federation that wants a port which is in use.
func checkTakenPort(t *testing.T, f federation) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other := federation{home: filepath.Join(t.TempDir(), "other"), path: f.path}
	file := filepath.Join(t.TempDir(), "local.yaml")
	if err := os.WriteFile(file, []byte("ports: {gateway: "+port+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other.refused(t, port, "hansa", "up", "-f", file)
	if _, err := os.Stat(other.home); !os.IsNotExist(err) {
		t.Errorf("a refused up leaves %s behind: %v", other.home, err)
	}
}

// checkDeadHub: without its hub the command line says so in one line, the members
// go on, and a new hub goes on where the old one stopped.
func checkDeadHub(t *testing.T, f federation) {
	before := f.workload(t, "shop/web")
	uid := f.webUID(t, "tokyo")
	f.killHub(t)
	f.refused(t, "gateway", "hansa", "get", "members")
	if got := f.webUID(t, "tokyo"); got != uid {
		t.Errorf("web of tokyo changed without a hub: %s, then %s", uid, got)
	}
	f.run(t, "hansa", "up", "--timeout", "60s")
	f.await(t, time.Minute, func() string {
		for name, m := range f.members(t) {
			if m.Status.Health != "Healthy" {
				return name + " is " + m.Status.Health
			}
		}
		return ""
	})
	if after := f.workload(t, "shop/web"); after.Status.Epoch != before.Status.Epoch || f.webUID(t, "tokyo") != uid {
		t.Errorf("a new hub moved web: %+v, then %+v", before, after)
	}
}

// killHub ends the process of hub, bus and gateway by kill -9.
func (f federation) killHub(t *testing.T) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(f.home, "hub", "pid"))
	if err != nil {
		t.Fatal(err)
	}
	f.run(t, "sh", "-c", "kill -9 "+strings.Fields(string(pid))[0])
}

// freeAddress is a port of 127.0.0.1 that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
