package landings

import (
	"bufio"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/placement/manifest"
)

// charts are manifests in the style of well-known charts. In them $NS is the chart's
// namespace and $V the version, 1 or 2; between the lines "# only N" and "# both" is what
// one version has alone. A line "#: WORD VALUE" is for the test:
//
//	immutable WORD    landing.immutable of its Placements
//	continuity WORD   failover.continuity of its Placements
//	waits KIND/NAME…  these objects are not ready, since nobody here makes them so
//
//go:embed testdata/charts
var charts embed.FS

// chart is one of them.
type chart struct {
	name, namespace       string
	immutable, continuity string
	waits                 []string
	versions              map[string]version
}

// version is one version of a chart: its objects as the file has them, and the orders to
// land them, one for each namespace.
type version struct {
	objects []*unstructured.Unstructured
	orders  []landing.Order
}

func readCharts(t *testing.T) []*chart {
	t.Helper()
	files, err := charts.ReadDir("testdata/charts")
	if err != nil {
		t.Fatal(err)
	}
	var out []*chart
	for _, f := range files {
		text, err := charts.ReadFile(path.Join("testdata/charts", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, readChart(t, strings.TrimSuffix(f.Name(), ".yaml"), string(text)))
	}
	return out
}

func readChart(t *testing.T, name, text string) *chart {
	t.Helper()
	c := &chart{name: name, namespace: "chart-" + name, versions: map[string]version{}}
	for line := range strings.Lines(text) {
		if order, ok := strings.CutPrefix(line, "#: "); ok {
			word, value, _ := strings.Cut(strings.TrimSpace(order), " ")
			switch word {
			case "immutable":
				c.immutable = value
			case "continuity":
				c.continuity = value
			case "waits":
				c.waits = strings.Fields(value)
			default:
				t.Fatalf("%s: %q means nothing", name, line)
			}
		}
	}
	for _, v := range []string{"1", "2"} {
		own := strings.NewReplacer("$NS", c.namespace, "$V", v).Replace(only(text, v))
		objects := decode(t, name, own)
		c.versions[v] = version{objects, c.orders(t, own, objects)}
	}
	return c
}

// only leaves out what another version has alone.
func only(text, version string) string {
	var out strings.Builder
	skip := false
	for line := range strings.Lines(text) {
		switch strings.TrimSpace(line) {
		case "# only 1", "# only 2":
			skip = strings.TrimSpace(line) != "# only "+version
		case "# both":
			skip = false
		}
		if !skip {
			out.WriteString(line)
		}
	}
	return out.String()
}

// decode reads the objects as kubectl does.
func decode(t *testing.T, name, text string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	reader := kyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		raw, err := yaml.YAMLToJSON(doc)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, doc)
		}
		if string(bytes.TrimSpace(raw)) == "null" {
			continue
		}
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(raw, &u.Object); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, doc)
		}
		if !u.IsList() {
			out = append(out, u)
			continue
		}
		if err := u.EachListItem(func(o runtime.Object) error { out = append(out, o.(*unstructured.Unstructured)); return nil }); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// orders goes the way of the product: what the user applies is read as a gateway does,
// and made into works as a hub does. There is a Placement for each namespace, since one
// cannot select objects of another.
func (c *chart) orders(t *testing.T, text string, objects []*unstructured.Unstructured) []landing.Order {
	t.Helper()
	desired, err := document.Read([]document.File{{Name: c.name, Content: []byte(text)}, {Name: "placements", Content: c.placements(t, objects)}})
	if err != nil {
		t.Fatal(err)
	}
	var out []landing.Order
	for _, w := range desired.Workloads {
		demand, err := manifest.DemandOf(w.Objects)
		if err != nil {
			t.Fatal(err)
		}
		replicas := max(demand.Replicas, 1)
		rendered, err := manifest.Render(w, manifest.Target{
			Member: federation.MemberSpec{Name: "tokyo"}, Epoch: 2, Shares: []federation.AssignedMember{{Member: "tokyo", Replicas: replicas}},
		})
		if err != nil {
			t.Fatal(err)
		}
		revisions++
		out = append(out, landing.Order{Do: landing.Land, Prune: true, Revision: revisions, Work: federation.Work{
			Workload: w.Key, Member: "tokyo", Epoch: 2, WorkloadRevision: revisions, Replicas: replicas,
			Landing: w.Placement.Landing, Continuity: w.Placement.Failover.Continuity, Objects: rendered,
		}})
	}
	return out
}

// placements are what a user adds to the chart.
func (c *chart) placements(t *testing.T, objects []*unstructured.Unstructured) []byte {
	t.Helper()
	selected := map[string][]federation.ResourceSelector{}
	for _, u := range objects {
		if k := u.GetKind(); k == "Namespace" || k == "CustomResourceDefinition" {
			continue // these come along
		}
		ns := u.GetNamespace()
		if ns == "" {
			ns = c.namespace
		}
		selected[ns] = append(selected[ns], federation.ResourceSelector{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Name: u.GetName()})
	}
	var out bytes.Buffer
	for ns, resources := range selected {
		spec := federation.PlacementSpec{Resources: resources}
		spec.Landing.Drift, spec.Landing.Immutable, spec.Failover.Continuity = "Report", c.immutable, federation.Continuity(c.continuity)
		text, err := yaml.Marshal(map[string]any{
			"apiVersion": document.Group, "kind": "Placement", "metadata": map[string]any{"namespace": ns, "name": "chart"}, "spec": spec,
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "---\n%s", text)
	}
	return out.Bytes()
}

func (v version) refs() (out []kube.Ref) {
	for _, u := range v.objects {
		out = append(out, kube.RefOf(u))
	}
	return out
}

// again makes orders under a new revision; a change may be made to each.
func (v version) again(change func(*landing.Order)) version {
	v.orders = slices.Clone(v.orders)
	for i := range v.orders {
		revisions++
		v.orders[i].Revision = revisions
		change(&v.orders[i])
	}
	return v
}

// theirs picks an object that others have when the chart comes, of about every second
// chart; nil for none. It is one that does nothing by itself, and with which nothing else
// goes, as its tokens do with a ServiceAccount.
func (c *chart) theirs() *unstructured.Unstructured {
	var may []*unstructured.Unstructured
	var sum uint32
	for _, b := range []byte(c.name) {
		sum = 31*sum + uint32(b)
	}
	for _, u := range c.versions["1"].objects {
		if slices.Contains([]string{"ConfigMap", "Service", "Role", "ClusterRole", "PriorityClass", "NetworkPolicy", "PodDisruptionBudget", "IngressClass"}, u.GetKind()) {
			may = append(may, u)
		}
	}
	if len(may) == 0 || sum%2 == 0 {
		return nil
	}
	return bare(may[int(sum/2)%len(may)])
}

// waitsWith reports whether an object, "v1/Service shop/web", is one that is not ready here.
func (c *chart) waitsWith(id string) bool {
	kind, name, _ := strings.Cut(id, " ")
	return slices.Contains(c.waits, path.Base(kind)+"/"+path.Base(name))
}
