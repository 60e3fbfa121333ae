package landing

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// TestSequence: each object finds what it needs.
func TestSequence(t *testing.T) {
	var refs []kube.Ref
	want := []string{"Namespace", "CustomResourceDefinition", "LimitRange", "ConfigMap", "Service", "PodDisruptionBudget", "Deployment", "Widget", "ValidatingWebhookConfiguration"}
	for _, kind := range []string{"Widget", "Deployment", "ConfigMap", "ValidatingWebhookConfiguration", "Service", "CustomResourceDefinition", "Namespace", "PodDisruptionBudget", "LimitRange"} {
		refs = append(refs, kube.Ref{Kind: kind, Name: "x"})
	}
	slices.SortFunc(refs, sequence)
	for i, r := range refs {
		if r.Kind != want[i] {
			t.Errorf("%d is %s, want %s", i, r.Kind, want[i])
		}
	}
}

func object(text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(text)); err != nil {
		panic(err) // the texts are below
	}
	return u
}

var web = federation.Key{Namespace: "shop", Name: "web"}

// TestObjects: the namespace comes first although nobody wrote it, everything is
// marked, and a namespace names no workload.
func TestObjects(t *testing.T) {
	got, err := objectsOf(federation.Work{Workload: web, Epoch: 7, Objects: []federation.Object{
		{APIVersion: "v1", Kind: "Service", Namespace: "shop", Name: "web", Raw: json.RawMessage(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web"}}`)},
	}}, nil)
	if err != nil || len(got) != 2 || got[0].GetKind() != "Namespace" || got[0].GetName() != "shop" {
		t.Fatalf("got %v, %v", got, err)
	}
	if _, named := Owner(got[0]); named || !ours(got[0]) {
		t.Errorf("namespace: %v", got[0])
	}
	if k, named := Owner(got[1]); !named || k != web || epochOf(got[1]) != 7 || !ours(got[1]) {
		t.Errorf("service: %v", got[1])
	}
	if _, err := objectsOf(federation.Work{Workload: web, Objects: []federation.Object{{Kind: "X", Raw: json.RawMessage(`{`)}}}, nil); err == nil {
		t.Error("a broken object is landed")
	}
}

// TestOwner: what another workload or a newer order made is not touched.
func TestOwner(t *testing.T) {
	live := object(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web","labels":{"hansa.io/managed":"true"},"annotations":{"hansa.io/workload":"shop/web","hansa.io/epoch":"5"}}}`)
	for _, c := range []struct {
		work federation.Work
		want string
	}{
		{federation.Work{Workload: web, Epoch: 5}, ""},
		{federation.Work{Workload: web, Epoch: 6}, ""},
		{federation.Work{Workload: web, Epoch: 4}, "above the order's 4"},
		{federation.Work{Workload: federation.Key{Namespace: "shop", Name: "cart"}, Epoch: 9}, "belongs to workload shop/web"},
	} {
		err := checkOwner(live, c.work)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v under %d: %v", c.work.Workload, c.work.Epoch, err)
		}
	}
}

func TestInventory(t *testing.T) {
	inv := Inventory{Workload: web, Epoch: 3, WorkloadRevision: 9, Replicas: 2, Whole: true}
	inv.set(Item{Ref: kube.Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}, UID: "u", Generation: 1})
	inv.set(Item{Ref: kube.Ref{APIVersion: "v1", Kind: "Namespace", Name: "shop"}, UID: "n"})
	inv.set(Item{Ref: kube.Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}, UID: "u", Generation: 2})
	if len(inv.Items) != 2 || inv.Items[0].Kind != "Namespace" || inv.Items[1].Generation != 2 {
		t.Errorf("items %+v", inv.Items)
	}
}

// TestDifference: Hansa's marks and what the server adds are no difference; what is one
// is named as field managers name it, and a Secret's value is never told.
func TestDifference(t *testing.T) {
	for _, c := range []struct{ name, live, would, want string }{
		{
			"marks", `"metadata":{"name":"a","uid":"1","labels":{"x":"y"}},"data":{"k":"v"}`,
			`"metadata":{"name":"a","resourceVersion":"7","labels":{"x":"y","hansa.io/managed":"true"},"annotations":{"hansa.io/epoch":"3"}},"data":{"k":"v"}`, "",
		},
		{"value", `"data":{"k":"v"}`, `"data":{"k":"w"}`, `data.k "w" "v"`},
		{"missing", `"data":{}`, `"data":{"k":"w"}`, `data.k "w" `},
		{"label", `"metadata":{"labels":{"x":"z"}}`, `"metadata":{"labels":{"x":"y"}}`, `metadata.labels.x "y" "z"`},
		{
			"list by name", `"spec":{"containers":[{"name":"b","image":"2"},{"name":"a","image":"9"}]}`, `"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}`,
			`spec.containers[name="a"].image "1" "9"`,
		},
		{
			"list by port", `"spec":{"ports":[{"name":"x","port":80,"protocol":"TCP","nodePort":1}]}`, `"spec":{"ports":[{"name":"x","port":80,"protocol":"TCP","nodePort":2}]}`,
			`spec.ports[port=80,protocol="TCP"].nodePort 2 1`,
		},
		{"list of plain values", `"spec":{"args":["a"]}`, `"spec":{"args":["b"]}`, `spec.args ["b"] ["a"]`},
	} {
		var got []string
		for _, f := range difference(object(`{"apiVersion":"v1","kind":"X",`+c.live+`}`), object(`{"apiVersion":"v1","kind":"X",`+c.would+`}`)) {
			got = append(got, f.Path+" "+f.Wanted+" "+f.Found)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	secret := func(v string) *unstructured.Unstructured {
		return object(`{"apiVersion":"v1","kind":"Secret","data":{"k":"` + v + `"}}`)
	}
	if got := difference(secret("a"), secret("b")); len(got) != 1 || got[0].Wanted != "(secret)" || got[0].Found != "(secret)" {
		t.Errorf("of a Secret: %+v", got)
	}
}

func TestStateOf(t *testing.T) {
	ready := object(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","generation":1},"spec":{"replicas":2},
		"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,"conditions":[{"type":"Available","status":"True"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]}}`)
	if s, why := stateOf(ready); s != federation.WorkReady || readyOf(ready) != 2 {
		t.Errorf("%s: %s, %d ready", s, why, readyOf(ready))
	}
	if s, _ := stateOf(object(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","generation":2},"spec":{"replicas":2},"status":{"observedGeneration":1}}`)); s != federation.WorkProgressing {
		t.Errorf("a new generation is %s", s)
	}
	if !worse(federation.WorkFailed, federation.WorkRemoving) || !worse(federation.WorkProgressing, federation.WorkReady) || worse(federation.WorkReady, federation.WorkReady) {
		t.Error("the order of states is wrong")
	}
}

// TestGuardPods: only pods of at-most-one workloads that ask for it are told where the
// lease is asked for, in every container, beside what they have.
func TestGuardPods(t *testing.T) {
	pod := func(annotation string) federation.Object {
		return federation.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", Raw: json.RawMessage(`{
			"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"shop","name":"web"},
			"spec":{"template":{"metadata":{"annotations":{"hansa.io/guard":"` + annotation + `"}},"spec":{
				"initContainers":[{"name":"i"}],"containers":[{"name":"c","env":[{"name":"A","value":"b"}]}]}}}}`)}
	}
	env := map[string]string{"HANSA_GUARD_URL": "https://agent/leases/shop/web", "HANSA_GUARD_CA": "pem"}
	told := func(annotation string, c federation.Continuity) string {
		objects, err := objectsOf(federation.Work{Workload: web, Continuity: c, Objects: []federation.Object{pod(annotation)}}, env)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range objects {
			if u.GetKind() != "Deployment" {
				continue
			}
			b, err := json.Marshal(u.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"])
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		return ""
	}
	guarded := `{"containers":[{"env":[{"name":"A","value":"b"},{"name":"HANSA_GUARD_CA","value":"pem"},{"name":"HANSA_GUARD_URL","value":"https://agent/leases/shop/web"}],"name":"c"}],` +
		`"initContainers":[{"env":[{"name":"HANSA_GUARD_CA","value":"pem"},{"name":"HANSA_GUARD_URL","value":"https://agent/leases/shop/web"}],"name":"i"}]}`
	if got := told("true", federation.AtMostOne); got != guarded {
		t.Errorf("got %s", got)
	}
	for _, got := range []string{told("false", federation.AtMostOne), told("true", federation.KeepRunning)} {
		if strings.Contains(got, "HANSA_GUARD") || !strings.Contains(got, `"value":"b"`) {
			t.Errorf("got %s", got)
		}
	}
}
