package landings

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
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
