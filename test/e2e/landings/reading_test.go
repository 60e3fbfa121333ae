package landings

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole

	"github.com/hansa-io/hansa/federation"
)

// divided are the fields that a hub writes where the file has none.
var divided = [][]string{{"spec", "replicas"}, {"spec", "parallelism"}, {"spec", "jobTemplate", "spec", "parallelism"}}

// TestChartsAreReadAsKubectlReadsThem: what a hub hands out is what the file says, with
// two annotations and the replicas beside it.
func TestChartsAreReadAsKubectlReadsThem(t *testing.T) {
	for _, chart := range readCharts(t) {
		wanted := map[string]*unstructured.Unstructured{}
		for _, u := range chart.versions["1"].objects {
			id := federation.Object{APIVersion: u.GetAPIVersion(), Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}.ID()
			wanted[id] = u
		}
		for _, o := range chart.versions["1"].orders {
			for _, object := range o.Work.Objects {
				checkRead(t, object, wanted[object.ID()].DeepCopy())
			}
		}
	}
}

func checkRead(t *testing.T, object federation.Object, want *unstructured.Unstructured) {
	t.Helper()
	got := &unstructured.Unstructured{}
	if err := json.Unmarshal(object.Raw, &got.Object); err != nil {
		t.Fatal(err)
	}
	for _, u := range []*unstructured.Unstructured{got, want} {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "hansa.io/workload")
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "hansa.io/epoch")
		if len(u.GetAnnotations()) == 0 {
			unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
		}
	}
	for _, path := range divided {
		if _, said, _ := unstructured.NestedFieldNoCopy(want.Object, path...); !said {
			unstructured.RemoveNestedField(got.Object, path...)
		}
	}
	if !reflect.DeepEqual(got.Object, want.Object) {
		t.Errorf("%s is handed out as\n%v\nwant\n%v", object.ID(), got.Object, want.Object)
	}
}
