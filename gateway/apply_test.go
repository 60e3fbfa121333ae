package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: x}]}
`

const good = `apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: shop, name: web}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}]
---
` + deployment

func edit(from, to string) string { return strings.Replace(good, from, to, 1) }

// TestApplyRefusals: each wrong document is refused with its code and one line
// that says what is wrong, where, and what to do; nothing is written.
func TestApplyRefusals(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	second := "---\napiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: other}\nspec:\n  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}]\n"
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ name, in, want string }{
		{"malformed", "a: [", "shop.yaml: line 1: did not find expected node content"},
		{"unknown field", edit("  resources:", "  resurces:"), `shop.yaml:5: unknown field "resurces": did you mean "resources"?`},
		{"unknown kind", edit("kind: Placement", "kind: Placment"), `shop.yaml:1: kind "Placment" is not known in hansa.io/v1alpha1: did you mean "Placement"?`},
		{"selects nothing", edit("Deployment, name: web}]", "Deployment, name: wob}]"), "shop.yaml:1: Placement shop/web: resources[0] (apps/v1 Deployment wob) selects nothing of this apply"},
		{"claimed twice", good + second, "shop.yaml:17: apps/v1/Deployment shop/web is selected by Placement shop/web and by Placement shop/other: let one of them have it"},
		{"impossible spread", edit("name: web}]\n", "name: web}]\n  spread: [{by: region, min: 3, max: 2}]\n"), "shop.yaml:1: Placement shop/web: spread[0] by region: min 3 is above max 2"},
		{"long name", edit("{namespace: shop, name: web}", "{namespace: shop, name: "+long+"}"), fmt.Sprintf("shop.yaml:1: Placement %q: metadata.name must be a DNS label: lower-case letters, digits and \"-\", at most 63 characters (has 64)", long)},
		{"large object", good + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: big}\ndata: {a: " + strings.Repeat("x", 3_000_000) + "}\n", "shop.yaml:17: v1/ConfigMap shop/big is 3.0 MB: Kubernetes takes at most 1.5 MB: split it"},
		{"no placement", deployment, "no Placement in shop.yaml: add one that says where the objects run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(c.in)})
			refused(t, err, codes.InvalidArgument, c.want)
			if n := len(w.stored(subject.Workloads)); n != 0 {
				t.Errorf("a refused apply wrote %d records", n)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{})
		refused(t, err, codes.InvalidArgument, "nothing to apply: no file was given")
	})
	t.Run("half of it wrong", func(t *testing.T) {
		_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: append(files(good), &gatewayv1.File{Name: "b.yaml", Content: []byte("a: [")})})
		refused(t, err, codes.InvalidArgument, "b.yaml: line 1: did not find expected node content")
		if n := len(w.stored(subject.Workloads)); n != 0 {
			t.Errorf("a refused apply wrote %d records", n)
		}
	})
}

// TestApply: created, unchanged, configured; and what another workload has stays
// its own.
func TestApply(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	apply := func(r *gatewayv1.ApplyRequest) (string, error) {
		got, err := api.Apply(w.as(operator), r)
		var out []string
		for _, r := range got.GetResults() {
			out = append(out, fmt.Sprintf("%s/%s %s %d", r.GetNamespace(), r.GetName(), r.GetAction(), r.GetObjects()))
		}
		return strings.Join(out, ", "), err
	}
	expect := func(want string, r *gatewayv1.ApplyRequest) {
		t.Helper()
		if got, err := apply(r); err != nil || got != want {
			t.Fatalf("got %q %v, want %q", got, err, want)
		}
	}
	expect("shop/web created 1", &gatewayv1.ApplyRequest{Files: files(good), DryRun: true})
	if n := len(w.stored(subject.Workloads)); n != 0 {
		t.Errorf("a dry run wrote %d records", n)
	}
	expect("shop/web created 1", &gatewayv1.ApplyRequest{Files: files(good), Source: "a"})
	first := w.stored(subject.Workloads)[subject.WorkloadKey(web)]
	load, err := federationv1.DecodeWorkload(first.Value)
	must(t, err)
	if load.AppliedBy != "olga" || load.Source != "a" || len(load.Objects) != 1 {
		t.Errorf("stored %+v", load)
	}
	expect("shop/web unchanged 1", &gatewayv1.ApplyRequest{Files: files(good), Source: "a"})
	if again := w.stored(subject.Workloads)[subject.WorkloadKey(web)]; again.Revision != first.Revision {
		t.Error("what did not change was written again")
	}
	expect("shop/web configured 1", &gatewayv1.ApplyRequest{Files: files(edit("replicas: 2", "replicas: 3")), Source: "a"})

	w.until("aware of shop/web", func() bool { _, ok := w.gateway.Table().Workloads[web]; return ok })
	thief := strings.Replace(good, "name: web}\nspec:\n  resources", "name: thief}\nspec:\n  resources", 1)
	_, err = apply(&gatewayv1.ApplyRequest{Files: files(thief)})
	refused(t, err, codes.Aborted, "apps/v1/Deployment shop/web belongs to workload shop/web already: take it out of shop/thief, or delete shop/web first")
	if n := len(w.stored(subject.Workloads)); n != 1 {
		t.Errorf("%d workloads are stored", n)
	}
}

func TestPruneAndDelete(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	cart := strings.ReplaceAll(good, "name: web", "name: cart")
	_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: append(files(good), &gatewayv1.File{Name: "cart.yaml", Content: []byte(cart)}), Source: "dir"})
	must(t, err)
	w.until("aware of both", func() bool { return len(w.gateway.Table().Workloads) == 2 })

	got, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(good), Source: "dir", Prune: true})
	must(t, err)
	if n := len(got.GetResults()); n != 2 || got.GetResults()[1].GetName() != "cart" || got.GetResults()[1].GetAction() != "pruned" {
		t.Errorf("got %v", got.GetResults())
	}
	if _, there := w.stored(subject.Workloads)[subject.WorkloadKey(federation.Key{Namespace: "shop", Name: "cart"})]; there {
		t.Error("what the source no longer has is still stored")
	}

	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	if n := len(w.stored(subject.Workloads)); n != 0 {
		t.Errorf("%d workloads are left", n)
	}
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "web"})
	refused(t, err, codes.NotFound, `workload shop/web does not exist: see "hansa get workloads"`)
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{})
	refused(t, err, codes.InvalidArgument, "nothing to delete: name a workload as NAMESPACE/NAME, or give files")
}

// TestDeletionGuard: what takes more than 20 objects or a namespace away has to be
// confirmed, by an apply as by a deletion; what another workload keeps does not count.
func TestDeletionGuard(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	whole := strings.Replace(good, "resources: [{", "resources: [{apiVersion: v1, kind: ConfigMap}, {", 1)
	for i := range 21 {
		whole += fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: shop, name: m%d}\n", i)
	}
	apply := func(text string, r *gatewayv1.ApplyRequest) error {
		r.Files = files(text)
		_, err := api.Apply(w.as(operator), r)
		return err
	}
	must(t, apply(whole, &gatewayv1.ApplyRequest{}))
	refused(t, apply(good, &gatewayv1.ApplyRequest{}), codes.FailedPrecondition,
		`this takes 21 objects away; more than 20, or a namespace, have to be confirmed: look with --dry-run, then give --yes ("confirmed" in the API); nothing was done`)
	must(t, apply(good, &gatewayv1.ApplyRequest{DryRun: true}))
	must(t, apply(good, &gatewayv1.ApplyRequest{Confirmed: true}))

	const namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
	must(t, apply(good+namespace, &gatewayv1.ApplyRequest{}))
	_, err := api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "web"})
	refused(t, err, codes.FailedPrecondition,
		`this takes 2 objects, among them namespace shop away; more than 20, or a namespace, have to be confirmed: look with --dry-run, then give --yes ("confirmed" in the API); nothing was done`)
	cart := strings.ReplaceAll(good, "name: web", "name: cart")
	must(t, apply(cart+namespace, &gatewayv1.ApplyRequest{}))
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "cart", Confirmed: true})
	must(t, err)
	if n := len(w.stored(subject.Workloads)); n != 0 {
		t.Errorf("%d workloads are left", n)
	}
}

// TestConcurrentApplies: those who write at the same time all end, and what is
// stored is what one of them wrote.
func TestConcurrentApplies(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	const writers = 8
	ended := make(chan error, writers)
	for i := range writers {
		go func() {
			_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(edit("replicas: 2", fmt.Sprintf("replicas: %d", 10+i)))})
			ended <- err
		}()
	}
	written := 0
	for range writers {
		err := <-ended
		switch status.Code(err) {
		case codes.OK:
			written++
		case codes.Aborted:
		default:
			t.Error(err)
		}
	}
	if written == 0 || len(w.stored(subject.Workloads)) != 1 {
		t.Errorf("%d of %d applies were written", written, writers)
	}
}

// TestOwnWritesAreRead: who applies or deletes and then reads at the same gateway
// finds what was written.
func TestOwnWritesAreRead(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	for i := range 30 {
		name := fmt.Sprintf("w%d", i)
		_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(strings.ReplaceAll(good, "name: web", "name: "+name))})
		must(t, err)
		_, err = api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: name})
		must(t, err)
		_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: name})
		must(t, err)
		_, err = api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: name})
		if status.Code(err) != codes.NotFound {
			t.Fatalf("a deleted workload is still read: %v", err)
		}
	}
}
