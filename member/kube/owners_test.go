package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestManagers: the one who manages a field, a part of it or the whole is found, and
// Hansa itself never.
func TestManagers(t *testing.T) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","managedFields":[
		{"manager":"hansa","operation":"Apply","fieldsV1":{"f:spec":{"f:paused":{}}}},
		{"manager":"kubectl-edit","operation":"Update","fieldsV1":{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}},
		{"manager":"tool","operation":"Apply","fieldsV1":{"f:data":{"f:a.b":{}},"f:spec":{"f:strategy":{}}}}]}}`)); err != nil {
		t.Fatal(err)
	}
	m := ManagersOf(u)
	for path, want := range map[string]string{
		"spec.replicas": "kubectl-edit",
		`spec.template.spec.containers[name="web"].image`: "kubectl-edit",
		`spec.template.spec.containers[name="web"]`:       "kubectl-edit",
		"spec.strategy.type":                              "tool",
		"data.a.b":                                        "tool",
		"spec.paused":                                     "",
		"spec.replicasMax":                                "",
	} {
		if got := m.Of(path); got != want {
			t.Errorf("%s is said to be of %q, want %q", path, got, want)
		}
	}
}
