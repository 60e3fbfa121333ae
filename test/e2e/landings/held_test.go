package landings

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// differs tells where an object of the cluster does not hold what the file says, "" when
// it does. What the API server spells in another way is the same.
func differs(live, want *unstructured.Unstructured) string {
	want = bare(want)
	if want.Object["aggregationRule"] != nil {
		delete(want.Object, "rules")
	}
	plain, _, _ := unstructured.NestedStringMap(want.Object, "stringData")
	delete(want.Object, "stringData")
	for key, text := range plain {
		if err := unstructured.SetNestedField(want.Object, base64.StdEncoding.EncodeToString([]byte(text)), "data", key); err != nil {
			return err.Error()
		}
	}
	return lacks("", live.Object, want.Object)
}

// bare is an object without what only a cluster can say about it.
func bare(u *unstructured.Unstructured) *unstructured.Unstructured {
	u = u.DeepCopy()
	delete(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	for _, field := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	return u
}

func lacks(path string, have, want any) string {
	switch want := want.(type) {
	case nil:
		return ""
	case map[string]any:
		fields, _ := have.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if at := lacks(path+"."+name, fields[name], want[name]); at != "" {
				return at
			}
		}
		return ""
	case []any:
		list, _ := have.([]any)
		if len(list) != len(want) {
			return fmt.Sprintf("%s: %d of %d", path, len(list), len(want))
		}
		for i := range want {
			if at := lacks(fmt.Sprintf("%s[%d]", path, i), list[i], want[i]); at != "" {
				return at
			}
		}
		return ""
	}
	if same(have, want) {
		return ""
	}
	return fmt.Sprintf("%s: has %v, want %v", path, have, want)
}

// same values may be spelled differently: quantities, numbers, texts in base64, and what
// is empty.
func same(have, want any) bool {
	h, w := fmt.Sprint(have), fmt.Sprint(want)
	if h == w || have == nil && (w == "" || w == "false" || w == "0") {
		return true
	}
	a, err := resource.ParseQuantity(h)
	b, errWant := resource.ParseQuantity(w)
	if err == nil && errWant == nil {
		return a.Cmp(b) == 0
	}
	return strings.Join(strings.Fields(w), "") == h // base64 in lines
}

// taken lists the entries of data, labels and annotations that the first object has, and
// the second does not.
func taken(from, to *unstructured.Unstructured) (out [][]string) {
	for _, path := range [][]string{{"data"}, {"binaryData"}, {"stringData"}, {"metadata", "labels"}, {"metadata", "annotations"}} {
		before, _, _ := unstructured.NestedMap(from.Object, path...)
		after, _, _ := unstructured.NestedMap(to.Object, path...)
		for key := range before {
			if _, stays := after[key]; !stays {
				out = append(out, append(slices.Clone(path), key))
			}
		}
	}
	return out
}

// content is an object without what others than Hansa say about it, and without when
// Hansa said it last.
func content(u *unstructured.Unstructured) string {
	u = u.DeepCopy()
	delete(u.Object, "status")
	u.SetResourceVersion("")
	fields := slices.DeleteFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager != "hansa" })
	for i := range fields {
		fields[i].Time = nil
	}
	u.SetManagedFields(fields)
	return fmt.Sprint(u.Object)
}
