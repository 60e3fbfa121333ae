package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ourAnnotations begin so.
const ourAnnotations = "hansa.io/"

// tree is an object as the caches of what Hansa made keep it: as text, which takes a
// fifth of what the maps of the object take, and what is asked of every one of them.
type tree struct {
	metav1.ObjectMeta // names, version and Hansa's annotations
	text              []byte
}

// keepTree leaves out who manages which fields, which may be half of the object.
func keepTree(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	u.SetManagedFields(nil)
	text, err := json.Marshal(u.Object)
	if err != nil {
		return nil, fmt.Errorf("keep %s: %w", RefOf(u), err)
	}
	annotations := u.GetAnnotations() // a copy
	maps.DeleteFunc(annotations, func(name, _ string) bool { return !strings.HasPrefix(name, ourAnnotations) })
	return &tree{text: text, ObjectMeta: metav1.ObjectMeta{
		Namespace: u.GetNamespace(), Name: u.GetName(), UID: u.GetUID(), ResourceVersion: u.GetResourceVersion(), Annotations: annotations,
	}}, nil
}

// object is the whole object but for its managed fields.
func (t *tree) object() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	return u, u.UnmarshalJSON(t.text)
}
