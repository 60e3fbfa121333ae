package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

const (
	// servedAge is how old the list of kinds must be before a miss reads it again.
	servedAge = time.Second
	// servedLimit bounds one answer of the API server about itself, and servedSize its
	// length.
	servedLimit = 10 * time.Second
	servedSize  = 32 << 20
	// aggregated asks for all kinds of a root in one answer.
	aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
		"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)

// roots are where an API server lists its kinds: those of the group without a name, and
// all others.
var roots = [2]string{"/api", "/apis"}

// kind is where objects of one kind are.
type kind struct {
	schema.GroupVersionResource
	name       string
	namespaced bool
	listed     bool // they can be
}

// served is what the API server serves, as far as it has said.
type served struct {
	endpoint string
	http     *http.Client

	reading sync.Mutex // held while the lists are read
	etags   [len(roots)]string
	lists   [len(roots)][]kind

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]kind
	at    time.Time // when the lists were read last; zero: they have to be
	reset int       // how often somebody knew that they have changed
}

func newServed(endpoint string, direct http.RoundTripper) *served {
	return &served{endpoint: endpoint, http: &http.Client{Transport: direct, Timeout: servedLimit}}
}

// renew lets the lists be read again before the next kind is looked for.
func (s *served) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reset++
	s.at, s.kinds = time.Time{}, nil
}

// find returns where objects of a kind are, or ErrNoKind.
func (s *served) find(r Ref) (kind, error) {
	at, known, old := s.lookup(r)
	if !known && old {
		if err := s.read(); err != nil {
			return kind{}, fmt.Errorf("find the kind of %s: %w", r, err)
		}
		at, known, _ = s.lookup(r)
	}
	if !known {
		return kind{}, fmt.Errorf("%s: %s %w: install its CustomResourceDefinition, or keep the workload off this member", r, r.APIVersion, ErrNoKind)
	}
	return at, nil
}

func (s *served) lookup(r Ref) (at kind, known, old bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, known = s.kinds[r.gvk()]
	return at, known, time.Since(s.at) > servedAge
}

// read reads the lists, of which a server sends again only what has changed. Those who
// come while it is under way have what it brings.
func (s *served) read() error {
	began := time.Now()
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	fresh, reset := s.at.After(began), s.reset
	s.mu.Unlock()
	if fresh {
		return nil
	}
	began = time.Now()
	kinds := map[schema.GroupVersionKind]kind{}
	for i := range roots {
		if err := s.readRoot(i); err != nil {
			return err
		}
		for _, k := range s.lists[i] {
			if gvk := k.GroupVersion().WithKind(k.name); kinds[gvk].name == "" {
				kinds[gvk] = k
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reset == reset {
		s.kinds, s.at = kinds, began
	}
	return nil
}

func (s *served) readRoot(i int) error {
	answer, err := s.ask(roots[i], http.Header{"Accept": {aggregated}, "If-None-Match": {s.etags[i]}})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if answer.StatusCode == http.StatusNotModified {
		return nil
	}
	var list apidiscovery.APIGroupDiscoveryList
	if err := json.NewDecoder(io.LimitReader(answer.Body, servedSize)).Decode(&list); err != nil {
		return fmt.Errorf("read %s: %w", roots[i], err)
	}
	if list.Kind != "APIGroupDiscoveryList" {
		return errors.New("the API server does not list its kinds in one answer: it has to be Kubernetes v1.27 or later")
	}
	s.lists[i], s.etags[i] = kindsOf(list), answer.Header.Get("ETag")
	return nil
}

// kindsOf lists the kinds of an answer, of each group those of the preferred version
// first. What an aggregated API server does not answer for just now is left out.
func kindsOf(list apidiscovery.APIGroupDiscoveryList) (out []kind) {
	for _, group := range list.Items {
		for _, v := range group.Versions {
			if v.Freshness != apidiscovery.DiscoveryFreshnessStale {
				out = append(out, kindsIn(schema.GroupVersion{Group: group.Name, Version: v.Version}, v.Resources)...)
			}
		}
	}
	return out
}

func kindsIn(gv schema.GroupVersion, resources []apidiscovery.APIResourceDiscovery) (out []kind) {
	for _, r := range resources {
		if r.ResponseKind == nil {
			continue
		}
		out = append(out, kind{
			GroupVersionResource: gv.WithResource(r.Resource), name: r.ResponseKind.Kind,
			namespaced: r.Scope == apidiscovery.ScopeNamespace, listed: slices.Contains(r.Verbs, "list"),
		})
	}
	return out
}

// ask reads a path of the API server; an answer that is neither OK nor "not modified" is
// an error.
func (s *served) ask(path string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.endpoint+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNotModified {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()                // nothing was written
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10)) // for people
	return nil, apierrors.NewGenericServerResponse(answer.StatusCode, "get", schema.GroupResource{}, path, string(said), 0, true)
}

// all returns every kind, read anew.
func (s *served) all() ([]kind, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	return slices.Concat(s.lists[:]...), nil
}

// Version returns the version of the API server, "v1.37.2".
func (c *Client) Version() (string, error) {
	answer, err := c.served.ask("/version", nil)
	if err != nil {
		return "", fmt.Errorf("read the version of the API server: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	var v version.Info
	if err := json.NewDecoder(io.LimitReader(answer.Body, servedSize)).Decode(&v); err != nil {
		return "", fmt.Errorf("read the version of the API server: %w", err)
	}
	return v.GitVersion, nil
}

// Kinds lists the API kinds served, in every version, "apps/v1/Deployment", sorted.
// Groups that do not answer are left out.
func (c *Client) Kinds() ([]string, error) {
	all, err := c.served.all()
	if err != nil {
		return nil, fmt.Errorf("read the API kinds: %w", err)
	}
	var out []string
	for _, k := range all {
		out = append(out, k.GroupVersion().String()+"/"+k.name)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
