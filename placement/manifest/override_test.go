package manifest

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
)

const plain = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},"spec":{"replicas":3,"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"main","image":"web:1","args":["--a"]}]}}}}`

// overridden renders plain for member a of two with one override, which is for a.
func overridden(o federation.Override) (string, error) {
	o.Members = federation.LabelSelector{MatchExpressions: []federation.Requirement{{Key: "name", Operator: "In", Values: []string{"a"}}}}
	return renderedIn(federation.PlacementSpec{Overrides: []federation.Override{o}}, "a")
}

func renderedIn(p federation.PlacementSpec, member string) (string, error) {
	w := federation.Workload{
		Key:       federation.Key{Namespace: "shop", Name: "web"},
		Placement: p, Objects: []federation.Object{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Raw: json.RawMessage(plain)}},
	}
	out, err := Render(w, Target{Member: federation.MemberSpec{Name: member}, Epoch: 1, Shares: []federation.AssignedMember{{Member: "a", Replicas: 2}, {Member: "b", Replicas: 1}}})
	if err != nil {
		return "", err
	}
	return string(out[0].Raw), nil
}

// TestArgsAndMarks: arguments are replaced and appended to; labels and annotations come
// to the object and not to its pods.
func TestArgsAndMarks(t *testing.T) {
	for want, o := range map[string]federation.Override{
		`"args":["--b"]`:                                  {Args: []federation.ArgsOverride{{Container: "main", Args: []string{"--b"}}}},
		`"args":["--a","--c"]`:                            {Args: []federation.ArgsOverride{{Container: "main", Append: []string{"--c"}}}},
		`"args":["--b","--c"]`:                            {Args: []federation.ArgsOverride{{Container: "main", Args: []string{"--b"}, Append: []string{"--c"}}}},
		`"labels":{"app":"web","site":"eu"},"name":"web"`: {Labels: map[string]string{"site": "eu"}},
		`"team":"x"}`:                                     {Annotations: map[string]string{"team": "x"}},
		`"metadata":{"labels":{"app":"web"}},"spec":{"containers"`: {Labels: map[string]string{"site": "eu"}},
	} {
		got, err := overridden(o)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("want %s in %s, %v", want, got, err)
		}
	}
}

// TestCheckOverrides: what fits no object is told before any member is chosen, and what
// only fits after an earlier override is not refused.
func TestCheckOverrides(t *testing.T) {
	patch := func(text string) federation.Override {
		return federation.Override{Patches: []federation.PatchOverride{{Target: federation.ResourceSelector{Kind: "Deployment"}, Patch: json.RawMessage(text)}}}
	}
	replace := patch(`[{"op":"replace","path":"/metadata/labels/site","value":"x"}]`)
	for want, all := range map[string][]federation.Override{
		"": {{Labels: map[string]string{"site": "eu"}}, replace},
		`overrides[0]: patches[0]: apps/v1/Deployment shop/web:`:             {replace},
		`overrides[0]: args of mian: no pod template has a container "mian"`: {{Args: []federation.ArgsOverride{{Container: "mian", Append: []string{"x"}}}}},
	} {
		w := federation.Workload{
			Placement: federation.PlacementSpec{Overrides: all},
			Objects:   []federation.Object{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Raw: json.RawMessage(plain)}},
		}
		err := CheckOverrides(w)
		if (err == nil) != (want == "") || err != nil && (!strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestOverrideProperties: an override changes nothing in members that it does not
// select, is the same twice, keeps who the object is, and what it sets is there.
func TestOverrideProperties(t *testing.T) {
	texts := rapid.StringMatching(`[a-z]{1,6}`)
	rapid.Check(t, func(t *rapid.T) {
		o := federation.Override{
			Labels:      rapid.MapOf(texts, texts).Draw(t, "labels"),
			Annotations: rapid.MapOf(texts, texts).Draw(t, "annotations"),
			Args:        []federation.ArgsOverride{{Container: "main", Args: rapid.SliceOf(texts).Draw(t, "args"), Append: rapid.SliceOf(texts).Draw(t, "append")}},
		}
		got, err := overridden(o)
		again, _ := overridden(o)
		if err != nil || got != again {
			t.Fatalf("%v\n%s\n%s", err, got, again)
		}
		o.Members = federation.LabelSelector{MatchLabels: map[string]string{"no": "member"}}
		bare, _ := renderedIn(federation.PlacementSpec{}, "b")
		if other, err := renderedIn(federation.PlacementSpec{Overrides: []federation.Override{o}}, "b"); err != nil || other != bare {
			t.Fatalf("a member that is not selected gets %s, %v", other, err)
		}
		var u struct {
			Kind     string
			Metadata struct {
				Name                string
				Labels, Annotations map[string]string
			}
		}
		if err := json.Unmarshal([]byte(got), &u); err != nil || u.Kind != "Deployment" || u.Metadata.Name != "web" {
			t.Fatalf("%v: %s", err, got)
		}
		for _, marks := range []struct{ set, have map[string]string }{{o.Labels, u.Metadata.Labels}, {o.Annotations, u.Metadata.Annotations}} {
			for k, v := range marks.set {
				if marks.have[k] != v {
					t.Fatalf("%s=%s is missing in %s", k, v, got)
				}
			}
		}
	})
}
