package kube

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Managers says who manages the fields of an object.
type Managers []managed

type managed struct{ path, manager string }

// ManagersOf reads the managed fields of an object as the API server wrote it. What
// Hansa manages itself is left out, and what does not read as a set of fields.
func ManagersOf(u *unstructured.Unstructured) Managers {
	var out Managers
	for _, entry := range u.GetManagedFields() {
		if entry.FieldsV1 == nil || entry.Manager == FieldManager {
			continue
		}
		var set fieldpath.Set
		if set.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			continue
		}
		set.Iterate(func(p fieldpath.Path) {
			out = append(out, managed{strings.TrimPrefix(p.String(), "."), entry.Manager})
		})
	}
	return out
}

// disowned is the JSON patch that takes Hansa out of the managers of an object; nil when
// it is none.
func disowned(u *unstructured.Unstructured) ([]byte, error) {
	left := slices.DeleteFunc(slices.Clone(u.GetManagedFields()), func(e metav1.ManagedFieldsEntry) bool { return e.Manager == FieldManager })
	if len(left) == len(u.GetManagedFields()) {
		return nil, nil
	}
	if len(left) == 0 {
		left = []metav1.ManagedFieldsEntry{{}} // an empty list would change nothing
	}
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/resourceVersion", "value": u.GetResourceVersion()}, // else it is a conflict
		{"op": "replace", "path": "/metadata/managedFields", "value": left},
	})
}

// Of returns the manager of the field at path, `spec.containers[name="web"].image`: of
// the field itself, of something below it, or of the whole that it is part of. Empty
// when nobody says that it is his.
func (m Managers) Of(path string) string {
	above := ""
	for _, f := range m {
		switch {
		case f.path == path, within(f.path, path):
			return f.manager
		case within(path, f.path):
			above = f.manager
		}
	}
	return above
}

// within reports whether a path leads into another one.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}
