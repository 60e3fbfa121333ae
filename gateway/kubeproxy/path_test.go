package kubeproxy

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/hansa-io/hansa/gateway/grpcserver"
)

// TestParse: a path that two parsers could read differently is no path.
func TestParse(t *testing.T) {
	for raw, want := range map[string]target{
		"/members/tokyo/api/v1/pods":              {"tokyo", "/api/v1/pods", "/api/v1/pods"},
		"/members/tokyo/api/":                     {"tokyo", "/api/", "/api/"},
		"/members/tokyo":                          {"tokyo", "/", "/"},
		"/members/tokyo/api/v1/nodes/a%3Ab/proxy": {"tokyo", "/api/v1/nodes/a:b/proxy", "/api/v1/nodes/a%3Ab/proxy"},
		"/members/tokyo/../osaka/api":             {},
		"/members/tokyo/api/v1/../../apis":        {},
		"/members/tokyo/./api":                    {},
		"/members/tokyo//api/v1":                  {},
		"/members//api/v1":                        {},
		"/members/":                               {},
		"/members/tokyo/%2e%2e/osaka":             {},
		"/members/tokyo/%2E./osaka":               {},
		"/members/tokyo%2fosaka/api":              {},
		"/members/tokyo/api%5cv1":                 {},
		"/members/tok%79o/api":                    {},
		"/members/tokyo/api/v1/pods%00":           {},
		"/members/tokyo/api/v1/pods%0d%0aX:%20y":  {},
		"/members/tokyo/api;v=1/pods":             {},
	} {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := parse(u)
		if ok != (want != target{}) || ok && got != want {
			t.Errorf("%s: %+v, %v", raw, got, ok)
		}
	}
}

// TestPermitted: a viewer reads, and nothing that a viewer may send runs anything.
func TestPermitted(t *testing.T) {
	for _, c := range []struct {
		method, path string
		upgrade, may bool
	}{
		{http.MethodGet, "/api/v1/namespaces/shop/pods", false, true},
		{http.MethodHead, "/api/v1/pods", false, true},
		{http.MethodGet, "/api/v1/namespaces/shop/pods/web/log", false, true},
		{http.MethodGet, "/api/v1/watch/namespaces/shop/pods/web", false, true},
		{http.MethodGet, "/api/v1/namespaces/exec/pods/attach", false, true},
		{http.MethodGet, "/apis/apps/v1/namespaces/shop/deployments/web/scale", false, true},
		{http.MethodGet, "/version", false, true},
		{http.MethodPost, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", false, true},
		{http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", false, false},
		{http.MethodPost, "/api/v1/namespaces/shop/pods/selfsubjectreviews", false, false},
		{http.MethodPost, "/api/v1/namespaces/shop/pods", false, false},
		{http.MethodPut, "/api/v1/namespaces/shop/pods/web", false, false},
		{http.MethodPatch, "/api/v1/namespaces/shop/pods/web", false, false},
		{http.MethodDelete, "/api/v1/namespaces/shop/pods/web", false, false},
		{"WATCH", "/api/v1/pods", false, false},
		{http.MethodConnect, "/api/v1/pods", true, false},
		{http.MethodGet, "/api/v1/pods", true, false},
		{http.MethodGet, "/api/v1/namespaces/shop/pods/web/exec", false, false},
		{http.MethodGet, "/api/v1/namespaces/shop/pods/web/attach", false, false},
		{http.MethodGet, "/api/v1/namespaces/shop/pods/web/portforward", false, false},
		{http.MethodGet, "/api/v1/namespaces/shop/pods/web/proxy/", false, false},
		{http.MethodGet, "/api/v1/namespaces/shop/services/web/proxy/admin", false, false},
		{http.MethodGet, "/api/v1/watch/namespaces/shop/services/web/proxy/admin", false, false},
		{http.MethodGet, "/api/v1/nodes/n/proxy/exec/shop/web/c", false, false},
		{http.MethodGet, "/api/v1/proxy/nodes/n", false, false},
	} {
		if got := permitted(grpcserver.Viewer, c.method, c.path, c.upgrade); got != c.may {
			t.Errorf("viewer: %s %s: %v", c.method, c.path, got)
		}
		if !permitted(grpcserver.Operator, c.method, c.path, c.upgrade) {
			t.Errorf("operator: %s %s is refused", c.method, c.path)
		}
	}
}
