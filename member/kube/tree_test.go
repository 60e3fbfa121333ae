package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestTree: what is kept as text comes back as it was, but for who manages which fields,
// and numbers stay whole.
func TestTree(t *testing.T) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"7","generation":3,
		"annotations":{"hansa.io/workload":"shop/web","note":"<long>"},"managedFields":[{"manager":"hansa"}]},"spec":{"replicas":2}}`)); err != nil {
		t.Fatal(err)
	}
	kept, err := keepTree(u)
	if err != nil {
		t.Fatal(err)
	}
	again, err := keepTree(kept)
	if err != nil || again != kept {
		t.Errorf("what is kept was kept anew as %v, %v", again, err)
	}
	k := kept.(*tree)
	if k.Namespace != "shop" || k.Name != "web" || k.ResourceVersion != "7" || len(k.GetAnnotations()) != 1 || k.GetAnnotations()["hansa.io/workload"] != "shop/web" {
		t.Errorf("kept %+v", k.ObjectMeta)
	}
	got, err := k.object()
	if err != nil {
		t.Fatal(err)
	}
	replicas, _, err := unstructured.NestedInt64(got.Object, "spec", "replicas")
	if err != nil || replicas != 2 || got.GetGeneration() != 3 || got.GetAnnotations()["note"] != "<long>" || got.GetManagedFields() != nil {
		t.Errorf("got %v, %v", got.Object, err)
	}
}
