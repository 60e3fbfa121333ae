package e2e

import (
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/member/kube"
)

// recorder passes requests on to an API server and notes what they need.
type recorder struct {
	t       *testing.T
	address string
	ca      []byte

	mu      sync.Mutex
	seen    map[string]bool
	refused map[string]bool
}

// denied are the requests that were not permitted.
func (r *recorder) denied() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.refused))
}

func (r *recorder) used() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.seen)
}

func record(t *testing.T, kubeconfig string) *recorder {
	t.Helper()
	target, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := pki.NewAuthority("recorder", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Request{CommonName: "recorder", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(target.Host)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, address: listener.Addr().String(), ca: authority.Pair().Certificate, seen: map[string]bool{}, refused: map[string]bool{}}
	pass := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(at) },
		FlushInterval: -1,
		ModifyResponse: func(a *http.Response) error {
			if a.StatusCode == http.StatusForbidden {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.refused[a.Request.Method+" "+a.Request.URL.Path] = true
			}
			return nil
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 64}, // it is on this machine
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		for _, right := range rightsFor(q) {
			r.seen[right.String()] = true
		}
		r.mu.Unlock()
		pass.ServeHTTP(w, q)
	})}
	go func() { _ = server.Serve(listener) }() // it ends with the test
	t.Cleanup(func() { _ = server.Close() })
	return r
}

// rightsFor are what the API server asks its authoriser for a request. Server-side
// apply may create, too.
func rightsFor(q *http.Request) []kube.Right {
	parts := strings.Split(strings.Trim(q.URL.Path, "/"), "/")
	group := ""
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		group, parts = parts[1], parts[3:]
	default:
		return []kube.Right{{Verb: strings.ToLower(q.Method), Resource: q.URL.Path}}
	}
	r := kube.Right{}
	if parts[0] == "namespaces" && len(parts) > 2 {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Resource = strings.TrimSuffix(parts[0]+"."+group, ".")
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Resource = strings.TrimSuffix(parts[0]+"/"+parts[2]+"."+group, ".")
	}
	r.Verb = map[string]string{"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}[q.Method]
	if r.Verb == "get" && r.Name == "" {
		r.Verb = "list"
		if q.URL.Query().Get("watch") != "" {
			r.Verb = "watch"
		}
	}
	out := []kube.Right{r, {Verb: r.Verb, Resource: r.Resource, Namespace: r.Namespace}}
	if q.URL.Query().Get("sendInitialEvents") == "true" { // an older API server is asked to list
		out = append(out, kube.Right{Verb: "list", Resource: r.Resource, Namespace: r.Namespace})
	}
	if strings.Contains(q.Header.Get("Content-Type"), "apply-patch") {
		out = append(out, kube.Right{Verb: "create", Resource: r.Resource, Namespace: r.Namespace})
	}
	return out
}
