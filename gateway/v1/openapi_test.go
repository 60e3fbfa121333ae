package gatewayv1

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"sigs.k8s.io/yaml"
)

// rule is one line of rest.yaml.
type rule struct {
	Selector string `json:"selector"`
	Get      string `json:"get"`
	Post     string `json:"post"`
	Put      string `json:"put"`
	Delete   string `json:"delete"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("rest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		HTTP struct {
			Rules []rule `json:"rules"`
		} `json:"http"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.HTTP.Rules
}

// TestEveryMethodHasAPath: but those of JoinService, which agents alone call.
func TestEveryMethodHasAPath(t *testing.T) {
	mapped := map[string]bool{}
	for _, r := range rules(t) {
		mapped[r.Selector] = true
	}
	services := File_gateway_v1_gateway_proto.Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			name := string(methods.Get(j).FullName())
			if join := strings.Contains(name, ".JoinService."); mapped[name] == join {
				t.Errorf("%s: in rest.yaml: %v", name, mapped[name])
			}
			delete(mapped, name)
		}
	}
	for name := range mapped {
		t.Errorf("rest.yaml maps %s, which does not exist", protoreflect.FullName(name))
	}
}

func TestOpenAPIListsEveryPath(t *testing.T) {
	var doc struct {
		Swagger string                               `json:"swagger"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Swagger != "2.0" {
		t.Errorf("version %q", doc.Swagger)
	}
	described := 0
	for _, methods := range doc.Paths {
		described += len(methods)
	}
	all := rules(t)
	for _, r := range all {
		method, path := "get", r.Get
		if r.Post != "" {
			method, path = "post", r.Post
		}
		if r.Put != "" {
			method, path = "put", r.Put
		}
		if r.Delete != "" {
			method, path = "delete", r.Delete
		}
		operation := doc.Paths[path][method]
		if operation["summary"] == nil || operation["responses"] == nil {
			t.Errorf("%s %s is not described: %v", method, path, operation)
		}
	}
	if described != len(all) {
		t.Errorf("%d operations are described, %d are mapped", described, len(all))
	}
}
