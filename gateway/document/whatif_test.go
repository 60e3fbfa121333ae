package document

import (
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

const osaka = `apiVersion: hansa.io/v1alpha1
kind: Member
metadata: {name: osaka, labels: {tier: gold}}
spec:
  place: {region: ap-northeast, zone: ap-northeast-3}
  nodes: 2
  node: {cpu: "8", memory: 32Gi, nvidia.com/gpu: "1"}
  taints: [{key: new, effect: NoSchedule}]
`

func TestReadMembers(t *testing.T) {
	specs, facts, err := ReadMembers([]File{{Name: "osaka.yaml", Content: []byte(osaka)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != 1 || specs[0].Name != "osaka" || specs[0].Place.Zone != "ap-northeast-3" || specs[0].Labels["tier"] != "gold" ||
		len(specs[0].Taints) != 1 || specs[0].Taints[0].Effect != federation.NoSchedule {
		t.Errorf("got %+v", specs)
	}
	f := facts[0]
	if f.Nodes != 2 || f.Free.MilliCPU != 16000 || f.Free.MemoryBytes != 64<<30 || f.Free.Pods != 220 || f.Free.Extended["nvidia.com/gpu"] != 2 ||
		len(f.Classes) != 1 || len(f.Classes[0].Free) != 2 || f.Classes[0].Free[1].MilliCPU != 8000 {
		t.Errorf("got %+v", f)
	}
}

func TestReadMembersRefuses(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"other kind", "kind: Member", "kind: Placement", "m.yaml:1: not a Member"},
		{"unknown field", "nodes: 2", "noodes: 2", `did you mean "nodes"`},
		{"no nodes", "nodes: 2", "nodes: 0", "spec.nodes must be 1 or more"},
		{"no region", "region: ap-northeast, ", "", "spec.place.region must be set"},
		{"no quantity", "32Gi", "32 gigs", `spec.node.memory: quantity "32 gigs"`},
		{"no name", "name: osaka, ", "", "metadata.name must be set"},
		{"wrong type", "nodes: 2", "nodes: two", "nodes"},
		{"not YAML", "kind: Member", "kind: [", "m.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(osaka, c.from) {
				t.Fatalf("%q is not in the document", c.from)
			}
			_, _, err := ReadMembers([]File{{Name: "m.yaml", Content: []byte(strings.Replace(osaka, c.from, c.to, 1))}})
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in one line", err, c.want)
			}
		})
	}
}

func TestReadPlacements(t *testing.T) {
	policy := "apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: web}\nspec: {members: {names: [tokyo]}}\n"
	got, err := ReadPlacements([]File{{Name: "p.yaml", Content: []byte(policy)}})
	if err != nil {
		t.Fatal(err)
	}
	if p := got[federation.Key{Namespace: "shop", Name: "web"}]; len(got) != 1 || len(p.Members.Names) != 1 || p.Members.Names[0] != "tokyo" {
		t.Errorf("got %+v", got)
	}
	for name, text := range map[string]string{
		"is there twice":     policy + "---\n" + policy,
		"is not a Placement": policy + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: c}\n",
	} {
		if _, err := ReadPlacements([]File{{Name: "p.yaml", Content: []byte(text)}}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
}
