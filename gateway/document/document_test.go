package document

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

const good = `apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: shop, name: web}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: x, envFrom: [{configMapRef: {name: settings}}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {namespace: shop, name: settings}
data: {a: b}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`

func ids(objects []federation.Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.ID())
	}
	return out
}

func TestReadGroups(t *testing.T) {
	ws, err := readWorkloads([]File{{Name: "a.yaml", Content: []byte(good)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(ws) != 1 || ws[0].Key.String() != "shop/web" || ws[0].Placement.Failover.Mode != "Automatic" {
		t.Fatalf("got %+v", ws)
	}
	want := "apps/v1/Deployment shop/web, v1/ConfigMap shop/settings, v1/Namespace shop"
	if got := strings.Join(ids(ws[0].Objects), ", "); got != want {
		t.Errorf("objects:\n got %s\nwant %s", got, want)
	}
}

// TestSamples: what the repository ships can be applied.
func TestSamples(t *testing.T) {
	for sample, want := range map[string]string{"shop": "shop/cart shop/web", "ledger": "ledger/writer", "careful": "careful/catalogue", "database": "data/orders"} {
		paths, err := filepath.Glob("../../configs/samples/" + sample + "/*.yaml")
		if err != nil || len(paths) == 0 {
			t.Fatalf("no sample %s: %v", sample, err)
		}
		var files []File
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, File{Name: filepath.Base(p), Content: b})
		}
		ws, err := readWorkloads(files)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range ws {
			got = append(got, w.Key.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s has the workloads %v", sample, got)
		}
	}
}

// TestEmptyValues: a value that is left empty is null, also between braces.
func TestEmptyValues(t *testing.T) {
	ws, err := readWorkloads([]File{{Name: "a.yaml", Content: []byte("apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: web}\n---\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: a, labels: , annotations: {}}\ndata:\nbinaryData: ~\n")}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","binaryData":null,"data":null,"kind":"ConfigMap","metadata":{"annotations":{},"labels":null,"name":"a","namespace":"shop"}}`
	if got := string(ws[0].Objects[0].Raw); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestTextInLines: text in blocks is as YAML says, also where lines are folded around
// indented ones.
func TestTextInLines(t *testing.T) {
	ws, err := readWorkloads([]File{{Name: "a.yaml", Content: []byte("apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: web}\n---\n" +
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: a}\ndata:\n  folded: >-\n    a (\n      / b)\n    c\n    d\n  literal: |2\n      two\n    one\n  kept: |+\n    x\n\n")}})
	if err != nil {
		t.Fatal(err)
	}
	want := `"data":{"folded":"a (\n  / b)\nc d","kept":"x\n\n","literal":"  two\none\n"}`
	if got := string(ws[0].Objects[0].Raw); !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDefaultSelection(t *testing.T) {
	ws, err := readWorkloads([]File{{Name: "a.yaml", Content: []byte(strings.Replace(good,
		"  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}]\n", "  replicas: {mode: Duplicated}\n", 1))}})
	if err != nil {
		t.Fatal(err)
	}
	if len(ws[0].Objects) != 3 {
		t.Errorf("got %v", ids(ws[0].Objects))
	}
}

func TestRefusals(t *testing.T) {
	edit := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct{ name, in, want string }{
		{"malformed", "a: [", "a.yaml: line 1: did not find expected node content"},
		{"not an object", "- 1\n", "a.yaml:1: not an object: want apiVersion, kind and metadata"},
		{"no kind", "apiVersion: v1\n", "a.yaml:1: apiVersion and kind must be set"},
		{"unknown field", edit("  resources:", "  resurces:"), `a.yaml:5: unknown field "resurces": did you mean "resources"?`},
		{"unknown nested field", edit("name: web}]\n", "name: web}]\n  spread: [{bye: region}]\n"), `a.yaml:6: unknown field "bye": did you mean "by"?`},
		{"unknown kind", edit("kind: Placement", "kind: Placment"), `a.yaml:1: kind "Placment" is not known in hansa.io/v1alpha1: did you mean "Placement"?`},
		{"other version", edit("hansa.io/v1alpha1", "hansa.io/v2"), `a.yaml:1: apiVersion "hansa.io/v2" is not known: want hansa.io/v1alpha1`},
		{"no namespace", edit("{namespace: shop, name: web}", "{name: web}"), "metadata.namespace must be set"},
		{"selects nothing", edit("Deployment, name: web}]", "Deployment, name: wob}]"), "resources[0] (apps/v1 Deployment wob) selects nothing of this apply"},
		{"nothing left", "apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: web}\nspec: {}\n", "Placement shop/web selects nothing"},
		{
			"claimed twice", good + "---\n" + strings.Replace(good[:strings.Index(good, "---")], "name: web}\nspec", "name: other}\nspec", 1),
			"apps/v1/Deployment shop/web is selected by Placement shop/web and by Placement shop/other: let one of them have it",
		},
		{"there twice", good + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n", "v1/Namespace shop is there twice: also at a.yaml:23"},
		{"no owner", good + "---\napiVersion: v1\nkind: Service\nmetadata: {namespace: shop, name: web}\n", "v1/Service shop/web is selected by no Placement: add it to the resources of one"},
		{"no placement", good[strings.Index(good, "---")+4:], "no Placement in a.yaml: add one that says where the objects run"},
		{"impossible spread", edit("name: web}]\n", "name: web}]\n  spread: [{by: region, min: 3, max: 2}]\n"), "spread"},
		{"bad duration", edit("name: web}]\n", "name: web}]\n  geo: {maxLatency: 5}\n"), "with a unit"},
		{"wrong type", edit("name: web}]\n", "name: web}]\n  replicas: {min: many}\n"), "spec.replicas.min: a string cannot be a int64"},
		{"generateName", edit("{namespace: shop, name: settings}", "{namespace: shop, generateName: s}"), "generateName is not possible here"},
		{"bad name", edit("shop, name: settings}", "shop, name: Settings}"), `ConfigMap "Settings": metadata.name must be lower-case`},
		{"long name", edit("{namespace: shop, name: web}", "{namespace: shop, name: "+strings.Repeat("x", 64)+"}"), "at most 63 characters (has 64)"},
		{"large object", edit("{a: b}", "{a: "+strings.Repeat("x", 3_000_000)+"}"), "v1/ConfigMap shop/settings is 3.0 MB: Kubernetes takes at most 1.5 MB: split it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ws, err := readWorkloads([]File{{Name: "a.yaml", Content: []byte(c.in)}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
			if ws != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("half a result or more than one line: %v", err)
			}
		})
	}
}

// readWorkloads is Read where only workloads are of interest.
func readWorkloads(files []File) ([]federation.Workload, error) {
	d, err := Read(files)
	return d.Workloads, err
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{}, 1]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ws, err := readWorkloads([]File{{Name: "a", Content: b}})
		if err != nil && (ws != nil || strings.Contains(err.Error(), "\n")) {
			t.Fatalf("a refusal with a result, or of more than one line: %q", err)
		}
	})
}

// BenchmarkRead checks one workload, and one apply of 200 workloads.
func BenchmarkRead(b *testing.B) {
	one := []File{{Name: "a.yaml", Content: []byte(good)}}
	many := make([]File, 200)
	for i := range many {
		content := strings.ReplaceAll(good[:strings.LastIndex(good, "---")], "name: web", fmt.Sprintf("name: web-%d", i))
		many[i] = File{Name: fmt.Sprintf("%d.yaml", i), Content: []byte(strings.ReplaceAll(content, "settings", fmt.Sprintf("settings-%d", i)))}
	}
	for name, files := range map[string][]File{"one": one, "200": many} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ws, err := readWorkloads(files); err != nil || len(ws) != len(files) {
					b.Fatal(len(ws), err)
				}
			}
		})
	}
}
