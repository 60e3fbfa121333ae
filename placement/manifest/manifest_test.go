package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// object reads a test object; kind and name come from its JSON.
func object(t testing.TB, raw string) federation.Object {
	t.Helper()
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Namespace, Name string }
	}
	if err := json.Unmarshal([]byte(raw), &head); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return federation.Object{
		APIVersion: head.APIVersion, Kind: head.Kind,
		Namespace: head.Metadata.Namespace, Name: head.Metadata.Name, Raw: json.RawMessage(raw),
	}
}

func podOf(containers string) string { return `{"spec":{"containers":[` + containers + `]}}` }

func apps(kind string, replicas int, template string) string {
	return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":%q,"metadata":{"namespace":"shop","name":"web"},"spec":{"replicas":%d,"template":%s}}`, kind, replicas, template)
}

func job(spec string) string {
	return `{"apiVersion":"batch/v1","kind":"Job","metadata":{"namespace":"shop","name":"report"},"spec":` + spec + `}`
}

const small = `{"name":"main","image":"web:1","resources":{"requests":{"cpu":"250m","memory":"64Mi"}}}`

const mi = int64(1 << 20)

var demands = []struct {
	name    string
	objects []string
	want    placement.Demand
}{
	{
		"deployment",
		[]string{apps("Deployment", 6, podOf(small))},
		placement.Demand{Kinds: []string{"apps/v1/Deployment"}, Replicated: true, Replicas: 6, PerReplica: federation.Resources{MilliCPU: 250, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"replicas default to 1, and no requests are one pod",
		[]string{`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{"template":{"spec":{"containers":[{"name":"x"}]}}}}`},
		placement.Demand{Kinds: []string{"apps/v1/StatefulSet"}, Replicated: true, Replicas: 1, PerReplica: federation.Resources{Pods: 1}},
	},
	{
		"requests default to limits",
		[]string{apps("Deployment", 1, podOf(`{"name":"a","resources":{"limits":{"cpu":2,"nvidia.com/gpu":"1","ephemeral-storage":"1Gi"}}}`))},
		placement.Demand{Kinds: []string{"apps/v1/Deployment"}, Replicated: true, Replicas: 1, PerReplica: federation.Resources{MilliCPU: 2000, Pods: 1, Extended: map[string]int64{"nvidia.com/gpu": 1}}},
	},
	{
		"init container, sidecar and overhead",
		[]string{apps("Deployment", 1, `{"spec":{
			"initContainers":[
				{"name":"proxy","restartPolicy":"Always","resources":{"requests":{"cpu":"100m"}}},
				{"name":"migrate","resources":{"requests":{"cpu":"1","memory":"16Mi"}}}],
			"containers":[`+small+`],"overhead":{"cpu":"50m"}}}`)},
		placement.Demand{Kinds: []string{"apps/v1/Deployment"}, Replicated: true, Replicas: 1, PerReplica: federation.Resources{MilliCPU: 1150, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"requests of the whole pod",
		[]string{apps("Deployment", 1, `{"spec":{"containers":[`+small+`],"resources":{"requests":{"cpu":"2"}}}}`)},
		placement.Demand{Kinds: []string{"apps/v1/Deployment"}, Replicated: true, Replicas: 1, PerReplica: federation.Resources{MilliCPU: 2000, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"two components",
		[]string{apps("Deployment", 4, podOf(small)), apps("ReplicaSet", 2, podOf(small))},
		placement.Demand{Kinds: []string{"apps/v1/Deployment", "apps/v1/ReplicaSet"}, Replicated: true, Replicas: 4, PerReplica: federation.Resources{MilliCPU: 375, MemoryBytes: 96 * mi, Pods: 2}},
	},
	{
		"daemon set",
		[]string{apps("DaemonSet", 3, podOf(small))},
		placement.Demand{Kinds: []string{"apps/v1/DaemonSet"}, PerNode: federation.Resources{MilliCPU: 250, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"job needs no more than its completions",
		[]string{job(`{"parallelism":8,"completions":3,"template":` + podOf(small) + `}`)},
		placement.Demand{Kinds: []string{"batch/v1/Job"}, Replicated: true, Replicas: 3, PerReplica: federation.Resources{MilliCPU: 250, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"cron job",
		[]string{`{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"n"},"spec":{"jobTemplate":{"spec":{"parallelism":2,"template":` + podOf(small) + `}}}}`},
		placement.Demand{Kinds: []string{"batch/v1/CronJob"}, Replicated: true, Replicas: 2, PerReplica: federation.Resources{MilliCPU: 250, MemoryBytes: 64 * mi, Pods: 1}},
	},
	{
		"tolerations that all pods have, apart from a daemon's",
		[]string{
			tolerant("Deployment", `{"key":"gpu","operator":"Exists","effect":"NoSchedule"},{"key":"spot","value":"yes"}`),
			tolerant("StatefulSet", `{"key":"spot","value":"yes"},{"key":"gpu","operator":"Exists","effect":"NoSchedule","tolerationSeconds":60}`),
			tolerant("DaemonSet", ``),
		},
		placement.Demand{
			Kinds: []string{"apps/v1/DaemonSet", "apps/v1/Deployment", "apps/v1/StatefulSet"}, Replicated: true, Replicas: 1,
			PerReplica: federation.Resources{Pods: 2}, PerNode: federation.Resources{Pods: 1},
			Tolerations: []federation.Toleration{{Key: "spot", Value: "yes"}},
		},
	},
	{"only configuration", []string{`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`}, placement.Demand{Kinds: []string{"v1/ConfigMap"}}},
	{"a kind that a CRD brings along", []string{
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"x"},"spec":{"group":"acme.io","names":{"kind":"Rocket"},"versions":[{"name":"v1"}]}}`,
		`{"apiVersion":"acme.io/v1","kind":"Rocket","metadata":{"name":"r"}}`,
	}, placement.Demand{Kinds: []string{"apiextensions.k8s.io/v1/CustomResourceDefinition"}}},
}

// tolerant is an object of apps/v1 with one replica whose pods have tolerations.
func tolerant(kind, tolerations string) string {
	return `{"apiVersion":"apps/v1","kind":"` + kind + `","metadata":{"namespace":"shop","name":"web"},"spec":{"template":{"spec":{"containers":[],"tolerations":[` + tolerations + `]}}}}`
}

func TestDemand(t *testing.T) {
	for _, c := range demands {
		t.Run(c.name, func(t *testing.T) {
			var objects []federation.Object
			for _, raw := range c.objects {
				objects = append(objects, object(t, raw))
			}
			got, err := DemandOf(objects)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestDemandRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		apps("Deployment", 1, podOf(`{"name":"a","resources":{"requests":{"cpu":"lots"}}}`)): `apps/v1/Deployment shop/web: container "a": cpu: quantity "lots"`,
		apps("Deployment", -1, podOf(small)):                                                 "replicas -1",
		job(`{"completions":-1,"template":` + podOf(small) + `}`):                            "completions -1",
		apps("Deployment", 1, `"none"`):                                                      "read apps/v1/Deployment shop/web",
	} {
		if _, err := DemandOf([]federation.Object{object(t, raw)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestQuantity(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1000, "500m": 500, "0.1": 100, "1.5": 1500, "100u": 1, "2k": 2_000_000, "1e3": 1_000_000, "1E": 1 << 53, "0": 0, "+1": 1000, ".5": 500,
	} {
		if got, err := quantity(text).units(1000); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1x", "0x10", "1/2", "m", "1e99", "1_000", "Ki", "1 Gi"} {
		if got, err := quantity(text).units(1); err == nil {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

// rendered returns each member's objects, decoded, by member and kind.
func rendered(t *testing.T, w federation.Workload, replicas map[string]int64) map[string]map[string]document {
	t.Helper()
	var shares []federation.AssignedMember
	for name, n := range replicas {
		shares = append(shares, federation.AssignedMember{Member: name, Replicas: n})
	}
	slices.SortFunc(shares, func(a, b federation.AssignedMember) int { return strings.Compare(a.Member, b.Member) })
	before := fmt.Sprintf("%s", w.Objects)
	out := map[string]map[string]document{}
	for name := range replicas {
		member := federation.MemberSpec{Name: name, Place: federation.Place{Region: "eu-central"}, Labels: map[string]string{"tier": name}}
		objects, err := Render(w, Target{Member: member, Shares: shares, Epoch: 7})
		if err != nil {
			t.Fatal(err)
		}
		docs, err := decodeAll(objects)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = map[string]document{}
		for i := range objects {
			out[name][objects[i].Kind] = docs[i]
		}
	}
	if fmt.Sprintf("%s", w.Objects) != before {
		t.Error("Render changed what the user wrote")
	}
	return out
}

func text(t *testing.T, doc any, pointer string) string {
	t.Helper()
	v, err := get(doc, pointer)
	if err != nil {
		return "none"
	}
	return fmt.Sprint(v)
}

func TestRenderDividesReplicas(t *testing.T) {
	w := federation.Workload{
		Key: federation.Key{Namespace: "shop", Name: "web"},
		Objects: []federation.Object{
			object(t, apps("Deployment", 6, podOf(small))),
			object(t, apps("StatefulSet", 3, podOf(small))),
			object(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop","name":"c"},"data":{"n":"1.0","html":"<b>"}}`),
		},
	}
	out := rendered(t, w, map[string]int64{"a": 3, "b": 2, "c": 1})
	for member, want := range map[string][2]string{"a": {"3", "2"}, "b": {"2", "1"}, "c": {"1", "0"}} {
		got := [2]string{text(t, out[member]["Deployment"], "/spec/replicas"), text(t, out[member]["StatefulSet"], "/spec/replicas")}
		if got != want {
			t.Errorf("%s: %v, want %v", member, got, want)
		}
		if text(t, out[member]["ConfigMap"], "/data/html") != "<b>" {
			t.Errorf("%s: configuration is not as written", member)
		}
		if text(t, out[member]["Deployment"], "/metadata/annotations/hansa.io~1epoch") != "7" ||
			text(t, out[member]["Deployment"], "/spec/template/metadata") != "none" {
			t.Errorf("%s: the epoch is not on the object, or also on the pods", member)
		}
	}
}

func TestRenderDuplicates(t *testing.T) {
	w := federation.Workload{
		Placement: federation.PlacementSpec{Replicas: federation.ReplicaSpec{Mode: "Duplicated"}},
		Objects:   []federation.Object{object(t, apps("Deployment", 6, podOf(small)))},
	}
	for member, objects := range rendered(t, w, map[string]int64{"a": 6, "b": 6}) {
		if got := text(t, objects["Deployment"], "/spec/replicas"); got != "6" {
			t.Errorf("%s has %s replicas, want 6", member, got)
		}
	}
}

func TestRenderDividesJobs(t *testing.T) {
	w := federation.Workload{Objects: []federation.Object{object(t, job(`{"parallelism":3,"completions":10,"template":`+podOf(small)+`}`))}}
	out := rendered(t, w, map[string]int64{"a": 2, "b": 1, "c": 0})
	for member, want := range map[string][2]string{"a": {"2", "7"}, "b": {"1", "3"}} {
		got := [2]string{text(t, out[member]["Job"], "/spec/parallelism"), text(t, out[member]["Job"], "/spec/completions")}
		if got != want {
			t.Errorf("%s: parallelism and completions %v, want %v", member, got, want)
		}
	}
	if _, there := out["c"]["Job"]; there {
		t.Error("c has a Job of which it gets nothing")
	}
}

func TestRenderOverrides(t *testing.T) {
	w := federation.Workload{
		Objects: []federation.Object{object(t, apps("Deployment", 2, podOf(small)))},
		Placement: federation.PlacementSpec{Overrides: []federation.Override{
			{
				Members: federation.LabelSelector{MatchLabels: map[string]string{"tier": "a", "region": "eu-central"}},
				Images:  []federation.ImageOverride{{Container: "main", Image: "web:2"}},
				Env:     []federation.EnvOverride{{Container: "main", Name: "SITE", Value: "eu"}},
				Patches: []federation.PatchOverride{{
					Target: federation.ResourceSelector{Kind: "Deployment"},
					Patch:  json.RawMessage(`[{"op":"add","path":"/metadata/labels","value":{"a/b":"c"}},{"op":"test","path":"/metadata/labels/a~1b","value":"c"}]`),
				}},
			},
		}},
	}
	out := rendered(t, w, map[string]int64{"a": 1, "b": 1})
	got := fmt.Sprint(text(t, out["a"]["Deployment"], "/spec/template/spec/containers/0/image"), " ",
		text(t, out["a"]["Deployment"], "/spec/template/spec/containers/0/env/0/value"), " ", text(t, out["a"]["Deployment"], "/metadata/labels/a~1b"))
	if got != "web:2 eu c" {
		t.Errorf("overridden: %s", got)
	}
	if text(t, out["b"]["Deployment"], "/spec/template/spec/containers/0/image") != "web:1" {
		t.Error("b got a's override")
	}
}

func TestRenderRefuses(t *testing.T) {
	all := federation.LabelSelector{}
	deployment := federation.ResourceSelector{Kind: "Deployment"}
	for name, c := range map[string]struct {
		override federation.Override
		want     string
	}{
		"container":  {federation.Override{Members: all, Images: []federation.ImageOverride{{Container: "mian"}}}, `no pod template has a container "mian"`},
		"target":     {federation.Override{Patches: []federation.PatchOverride{{Target: federation.ResourceSelector{Kind: "Job"}, Patch: json.RawMessage(`[]`)}}}, "no object is"},
		"identity":   {federation.Override{Patches: []federation.PatchOverride{{Target: deployment, Patch: json.RawMessage(`[{"op":"replace","path":"/metadata/name","value":"x"}]`)}}}, "must not change"},
		"path":       {federation.Override{Patches: []federation.PatchOverride{{Target: deployment, Patch: json.RawMessage(`[{"op":"remove","path":"/spec/nothing"}]`)}}}, `there is no "nothing"`},
		"expression": {federation.Override{Members: federation.LabelSelector{MatchExpressions: []federation.Requirement{{Key: "a", Operator: "Like"}}}}, "overrides[0].members: operator"},
	} {
		w := federation.Workload{
			Objects:   []federation.Object{object(t, apps("Deployment", 1, podOf(small)))},
			Placement: federation.PlacementSpec{Overrides: []federation.Override{c.override}},
		}
		shares := []federation.AssignedMember{{Member: "a", Replicas: 1}}
		_, err := Render(w, Target{Member: federation.MemberSpec{Name: "a"}, Shares: shares})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Render(federation.Workload{}, Target{Member: federation.MemberSpec{Name: "a"}}); err == nil {
		t.Error("rendered for a member outside the assignment")
	}
}

// TestApportion compares with the method as it is defined: one at a time.
func TestApportion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 12).Draw(t, "weights")
		total := rapid.Int64Range(0, 200).Draw(t, "total")
		want := make([]int64, len(weights))
		if slices.Max(weights) > 0 {
			for range total {
				want[next(weights, want)]++
			}
		}
		if got := apportion(total, weights); !slices.Equal(got, want) {
			t.Fatalf("apportion(%d, %v) = %v, want %v", total, weights, got, want)
		}
	})
}

func TestDependencies(t *testing.T) {
	raw := apps("Deployment", 1, `{"spec":{"serviceAccountName":"robot","imagePullSecrets":[{"name":"pull"}],
		"containers":[{"name":"a","envFrom":[{"configMapRef":{"name":"env","optional":true}}],
			"env":[{"name":"X","valueFrom":{"secretKeyRef":{"name":"key","key":"k"}}},{"name":"Y","value":"plain"}]}],
		"volumes":[{"name":"v","secret":{"secretName":"tls"}},{"name":"w","persistentVolumeClaim":{"claimName":"data"}},
			{"name":"p","projected":{"sources":[{"configMap":{"name":"env"}},{"secret":{"name":"tls","optional":true}}]}}]}}`)
	got, err := Dependencies([]federation.Object{object(t, raw), object(t, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"}}`)})
	want := []Ref{
		{"ConfigMap", "shop", "env", false},
		{"PersistentVolumeClaim", "shop", "data", false},
		{"Secret", "shop", "key", false},
		{"Secret", "shop", "pull", false},
		{"Secret", "shop", "tls", false},
		{"ServiceAccount", "shop", "robot", false},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

// FuzzObjects feeds any bytes as any kind: no panic, and what is rendered is the
// same object.
func FuzzObjects(f *testing.F) {
	f.Add("apps/v1", "Deployment", []byte(apps("Deployment", 3, podOf(small))), []byte(`[{"op":"add","path":"/x","value":1}]`))
	f.Add("batch/v1", "Job", []byte(job(`{"completions":3}`)), []byte(`[]`))
	f.Add("v1", "Pod", []byte(`{"spec":{"containers":null}}`), []byte(`[{"op":"copy","from":"","path":"/a"}]`))
	f.Add("batch/v1", "CronJob", []byte(`{"spec":{"jobTemplate":1}}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, version, kind string, raw, patch []byte) {
		o := federation.Object{APIVersion: version, Kind: kind, Name: "x", Raw: raw}
		objects := []federation.Object{o}
		d, err := DemandOf(objects)
		if err == nil && (d.Replicas < 0 || d.PerReplica.MilliCPU < 0 || d.PerReplica.MemoryBytes < 0) {
			t.Fatalf("demand %+v", d)
		}
		_, _ = Dependencies(objects)
		w := federation.Workload{Objects: objects, Placement: federation.PlacementSpec{Overrides: []federation.Override{{
			Env:     []federation.EnvOverride{{Container: "main", Name: "A", Value: "b"}},
			Patches: []federation.PatchOverride{{Target: federation.ResourceSelector{Kind: kind}, Patch: patch}},
		}}}}
		shares := []federation.AssignedMember{{Member: "a", Replicas: 1}, {Member: "b", Replicas: 2}}
		out, err := Render(w, Target{Member: federation.MemberSpec{Name: "b"}, Shares: shares})
		if err != nil {
			return
		}
		for i := range out {
			if out[i].ID() != o.ID() || !json.Valid(out[i].Raw) {
				t.Fatalf("rendered %s: %s", out[i].ID(), out[i].Raw)
			}
		}
	})
}
