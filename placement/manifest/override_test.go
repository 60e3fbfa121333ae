package manifest

import (
	"encoding/json"
	"fmt"
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

// TestReplicas: the largest object gets the number, the others theirs in proportion, and a
// number that cannot be, or that a patch contradicts, is refused.
func TestReplicas(t *testing.T) {
	object := func(kind, name, spec string) federation.Object {
		version := map[string]string{"Job": "batch/v1"}[kind]
		if version == "" {
			version = "apps/v1"
		}
		raw := `{"apiVersion":"` + version + `","kind":"` + kind + `","metadata":{"name":"` + name + `","namespace":"shop"},"spec":{` + spec + `}}`
		return federation.Object{APIVersion: version, Kind: kind, Namespace: "shop", Name: name, Raw: json.RawMessage(raw)}
	}
	own := federation.Override{Replicas: 6}
	patch := federation.Override{Patches: []federation.PatchOverride{{Target: federation.ResourceSelector{Kind: "Deployment"}, Patch: json.RawMessage(`[{"op":"add","path":"/spec/replicas","value":2}]`)}}}
	for _, c := range []struct {
		objects   []federation.Object
		overrides []federation.Override
		want      string // spec.replicas of each, or the refusal
	}{
		{
			[]federation.Object{object("Deployment", "web", `"replicas":4`), object("StatefulSet", "db", `"replicas":1`), object("Deployment", "off", `"replicas":0`), object("DaemonSet", "log", ``)},
			[]federation.Override{own},
			"6 2 0 <nil>",
		},
		{[]federation.Object{object("Deployment", "web", ``)}, []federation.Override{own, {Replicas: 2}}, "2"},
		{[]federation.Object{object("Deployment", "web", ``), object("Job", "once", ``)}, []federation.Override{own}, "overrides[0]: replicas 6: batch/v1/Job shop/once has no spec.replicas"},
		{[]federation.Object{object("DaemonSet", "log", ``)}, []federation.Override{own}, "overrides[0]: replicas 6: no object has spec.replicas"},
		{[]federation.Object{object("Deployment", "web", ``)}, []federation.Override{patch, own}, "overrides[0]: patches[0] changes spec.replicas, and overrides[1] has replicas: leave one of them out"},
	} {
		w := federation.Workload{
			Key: federation.Key{Namespace: "shop", Name: "web"}, Objects: c.objects,
			Placement: federation.PlacementSpec{Replicas: federation.ReplicaSpec{Mode: "Duplicated"}, Overrides: c.overrides},
		}
		if err := CheckOverrides(w); err != nil {
			if err.Error() != c.want {
				t.Errorf("refused: %v, want %s", err, c.want)
			}
			continue
		}
		out, err := Render(w, Target{Member: federation.MemberSpec{Name: "a"}, Epoch: 1, Shares: []federation.AssignedMember{{Member: "a", Replicas: 6}}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range out {
			var u struct{ Spec struct{ Replicas any } }
			if err := json.Unmarshal(o.Raw, &u); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(u.Spec.Replicas))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("replicas %v, want %s", got, c.want)
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

const web, settings = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"shop"},"spec":{"replicas":4,"template":{"spec":{"containers":[{"name":"main","image":"web:1"}]}}}}`,
	`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"shop"},"data":{"a":"b"}}`

func conditional(overrides ...federation.Override) federation.Workload {
	return federation.Workload{
		Key: federation.Key{Namespace: "shop", Name: "web"}, Placement: federation.PlacementSpec{Overrides: overrides}.Defaulted(),
		Objects: []federation.Object{
			{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Raw: json.RawMessage(web)},
			{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "settings", Raw: json.RawMessage(settings)},
		},
	}
}

func target(member string) Target {
	return Target{
		Member: federation.MemberSpec{Name: member, Place: federation.Place{Region: "region-" + member}, Labels: map[string]string{"tier": member}},
		Epoch:  1, Shares: []federation.AssignedMember{{Member: "a", Replicas: 3}, {Member: "b", Replicas: 1}},
	}
}

// TestWhen: an override counts where its condition is true, object by object, and what
// it changes is told field by field.
func TestWhen(t *testing.T) {
	labels := map[string]string{"site": "x"}
	const labelled, imaged = `Deployment shop/web metadata.labels  {"site":"x"}`, `Deployment shop/web spec.template.spec.containers[name="main"].image "web:1" "web:2"`
	for _, c := range []struct {
		name     string
		override federation.Override
		a, b     string // what it changes in the two members
		wrong    string
	}{
		{"always", federation.Override{Labels: labels}, labelled + "\nConfigMap shop/settings metadata.labels  " + `{"site":"x"}`, labelled + "\nConfigMap shop/settings metadata.labels  " + `{"site":"x"}`, ""},
		{"by member", federation.Override{When: `member.region == "region-a"`, Images: []federation.ImageOverride{{Container: "main", Image: "web:2"}}}, imaged, "", ""},
		{"by label", federation.Override{When: `member.labels.tier == "b" && object.kind == "ConfigMap"`, Labels: labels}, "", `ConfigMap shop/settings metadata.labels  {"site":"x"}`, ""},
		{"by the member's replicas", federation.Override{When: `object.kind == "Deployment" && object.spec.replicas > 2`, Labels: labels}, labelled, "", ""},
		{"by an object that has no containers", federation.Override{When: `object.kind == "ConfigMap"`, Images: []federation.ImageOverride{{Container: "main", Image: "web:2"}}}, "", "", ""},
		{"what is there of it", federation.Override{When: `object.kind == "ConfigMap"`, Images: []federation.ImageOverride{{Container: "main", Image: "web:2"}}, Labels: labels}, `ConfigMap shop/settings metadata.labels  {"site":"x"}`, `ConfigMap shop/settings metadata.labels  {"site":"x"}`, ""},
		{"a field that is not there", federation.Override{When: `object.spec.replicas > 2`, Labels: labels}, "", "", "overrides[0]: v1/ConfigMap shop/settings: when: no such key: spec"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := conditional(c.override)
			if err := CheckOverrides(w); err != nil {
				t.Fatal(err)
			}
			for member, want := range map[string]string{"a": c.a, "b": c.b} {
				effects, err := Overridden(w, target(member))
				var lines []string
				for _, e := range effects {
					lines = append(lines, strings.Join([]string{e.Object[strings.LastIndex(e.Object, "/v1/")+4:], e.Path, e.From, e.To}, " "))
				}
				if got := strings.ReplaceAll(strings.Join(lines, "\n"), "v1/", ""); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", member, got, want)
				}
				_, renderErr := Render(w, target(member))
				if (err == nil) != (renderErr == nil) || c.wrong == "" && err != nil || c.wrong != "" && (err == nil || err.Error() != c.wrong) {
					t.Errorf("%s: got %v and %v, want %q", member, err, renderErr, c.wrong)
				}
			}
		})
	}
	for when, want := range map[string]string{
		`member.regon == "eu"`: "overrides[0]: when: 1:7: undefined field 'regon'",
		`1 + 1`:                "overrides[0]: when returns int: want bool",
	} {
		if err := CheckOverrides(conditional(federation.Override{When: when, Labels: labels})); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", when, err, want)
		}
	}
}
