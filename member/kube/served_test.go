package kube

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// serving answers as an API server that aggregates its lists.
type serving struct {
	apis     string
	reads    int // of lists that had changed
	unlisted bool
}

func (s *serving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list, tag := `{"metadata":{},"versions":[{"version":"v1","resources":[
		{"resource":"pods","responseKind":{"group":"","version":"v1","kind":"Pod"},"scope":"Namespaced","verbs":["list"]},
		{"resource":"namespaces","responseKind":{"group":"","version":"v1","kind":"Namespace"},"scope":"Cluster","verbs":["list"]}]}]}`, "core"
	if r.URL.Path == "/apis" {
		list, tag = s.apis, fmt.Sprint(len(s.apis))
	}
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.reads++
	w.Header().Set("ETag", tag)
	kind := "APIGroupDiscoveryList"
	if s.unlisted || !strings.Contains(r.Header.Get("Accept"), "v=v2;as="+kind) {
		kind = "APIGroupList"
	}
	_, _ = fmt.Fprintf(w, `{"kind":%q,"items":[%s]}`, kind, list) // the client says when it is not whole
}

func group(version, freshness, plural, kind string) string {
	return fmt.Sprintf(`{"metadata":{"name":"example.com"},"versions":[{"version":%q,"freshness":%q,"resources":[
		{"resource":%q,"responseKind":{"group":"example.com","version":%[1]q,"kind":%[4]q},"scope":"Namespaced","verbs":["get"]}]}]}`, version, freshness, plural, kind)
}

// TestServed: kinds are found by what the server lists, a miss has it read again, and what
// has not changed is not sent again.
func TestServed(t *testing.T) {
	api := &serving{apis: group("v1", "Current", "ships", "Ship")}
	server := httptest.NewServer(api)
	defer server.Close()
	s := newServed(server.URL, http.DefaultTransport)

	pod, err := s.find(Ref{APIVersion: "v1", Kind: "Pod"})
	if err != nil || !pod.namespaced || !pod.listed || pod.Resource != "pods" {
		t.Fatalf("pods are at %+v, %v", pod, err)
	}
	if space, err := s.find(Ref{APIVersion: "v1", Kind: "Namespace"}); err != nil || space.namespaced {
		t.Errorf("namespaces are at %+v, %v", space, err)
	}
	ship, err := s.find(Ref{APIVersion: "example.com/v1", Kind: "Ship"})
	if err != nil || ship.listed || ship.Group != "example.com" || api.reads != 2 {
		t.Errorf("ships are at %+v after %d reads, %v", ship, api.reads, err)
	}
	crew := Ref{APIVersion: "example.com/v2", Kind: "Crew"}
	if _, err := s.find(crew); !errors.Is(err, ErrNoKind) || api.reads != 2 {
		t.Errorf("a kind that is not there: %v after %d reads", err, api.reads)
	}
	api.apis = group("v2", "Current", "crews", "Crew") + "," + group("v3", "Stale", "ghosts", "Ghost")
	s.renew()
	if found, err := s.find(crew); err != nil || found.Resource != "crews" || api.reads != 3 {
		t.Errorf("a kind that came: %+v after %d reads, %v", found, api.reads, err)
	}
	if _, err := s.find(Ref{APIVersion: "example.com/v3", Kind: "Ghost"}); !errors.Is(err, ErrNoKind) {
		t.Errorf("a kind whose server does not answer: %v", err)
	}
	if _, err := s.find(Ref{APIVersion: "example.com/v1", Kind: "Ship"}); !errors.Is(err, ErrNoKind) {
		t.Errorf("a kind that went: %v", err)
	}
	api.unlisted, api.apis = true, ""
	if _, err := s.all(); err == nil || !strings.Contains(err.Error(), "v1.27") {
		t.Errorf("a server that does not aggregate: %v", err)
	}
}
