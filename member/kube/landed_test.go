package kube

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestReached(t *testing.T) {
	for _, c := range []struct {
		at, version string
		want        bool
	}{
		{"", "", true}, {"5", "", true}, {"", "5", false}, {"5", "5", true}, {"9", "10", false}, {"10", "9", true}, {"abc", "5", true},
	} {
		if got := reached(c.at, c.version); got != c.want {
			t.Errorf("at %q, asked for %q: %v", c.at, c.version, got)
		}
	}
}

// TestHas: a cache has what its version has come to; after a restore versions say nothing.
func TestHas(t *testing.T) {
	l := &landed{}
	l.tells("7")
	for _, c := range []struct {
		at, version string
		want        bool
	}{
		{"7", "7", true}, {"7", "9", false}, {"9", "9", true}, {"3", "9", true}, {"", "9", true},
	} {
		if got := l.has(c.at, c.version); got != c.want {
			t.Errorf("at %q, asked for %q: %v", c.at, c.version, got)
		}
	}
}

// listing answers as an API server that streams no lists, and lists pods at versions, one
// after the other; the first watch finds its version too old.
type listing struct {
	http.Handler
	lists   []string
	watches int
}

func (l *listing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !strings.HasSuffix(r.URL.Path, "/pods"):
		l.Handler.ServeHTTP(w, r)
	case query.Get("sendInitialEvents") != "":
		refuse(w, http.StatusUnprocessableEntity, "Invalid")
	case query.Get("watch") == "":
		_, _ = fmt.Fprint(w, l.lists[0]) // the client says when it is not whole
		if len(l.lists) > 1 {
			l.lists = l.lists[1:]
		}
	case l.watches == 0:
		l.watches++
		refuse(w, http.StatusGone, "Expired")
	default:
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func refuse(w http.ResponseWriter, code int, reason string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d}`, reason, code)
}

// TestGoneUnseen: what was deleted before it was listed, first or again, is known to be
// gone, and somebody is told to look.
func TestGoneUnseen(t *testing.T) {
	api := &listing{Handler: &serving{}, lists: []string{
		`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[{"kind":"Pod","apiVersion":"v1","metadata":{"namespace":"shop","name":"b","resourceVersion":"8"}}]}`,
		`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"20"},"items":[]}`,
	}}
	server := httptest.NewServer(api)
	defer server.Close()
	client, err := open(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan Annotated, 8)
	w := client.Watch(func(_ What, u Annotated) { told <- u })
	if _, err := w.begin(t.Context().Done()); err != nil {
		t.Fatal(err)
	}
	a, b := Ref{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "a"}, Ref{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "b"}
	if err := w.Follow(a); err != nil {
		t.Fatal(err)
	}
	hear := func() Annotated {
		select {
		case u := <-told:
			return u
		case <-time.After(time.Minute):
			t.Fatal("nobody is told")
			return nil
		}
	}
	for hear() != nil { // one that is there
	}
	if u, seen := w.Lookup(a, "8"); u != nil || !seen {
		t.Errorf("what was deleted before the list: %v, seen %v", u, seen)
	}
	if _, seen := w.Lookup(a, "15"); seen {
		t.Error("what came after the list is told to be gone")
	}
	hear()
	if u, seen := w.Lookup(b, "15"); u != nil || !seen {
		t.Errorf("what was deleted before the next list: %v, seen %v", u, seen)
	}
}
