package kubeproxy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/kubeproxy"
	"github.com/hansa-io/hansa/gateway/route"
	"github.com/hansa-io/hansa/member/reach"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
)

const (
	viewerToken   = "viewer-token-0123456789"
	operatorToken = "operator-token-0123456789"
	patience      = 20 * time.Second
	account       = "TOKYO"
)

// world is a gateway and an agent on a bus, before an HTTP server in place of an API
// server: what the two do to requests is no matter of Kubernetes. TestReach in test/e2e
// has a real one.
type world struct {
	bus     *inproc.Bus
	tunnels messaging.Tunnels
	metrics *prometheus.Registry
	web     *httptest.Server
}

// picture is one table that never changes.
type picture struct{ table *route.Table }

func (p picture) Table() *route.Table    { return p.table }
func (picture) Changed() <-chan struct{} { return nil }

func newWorld(t testing.TB, api http.Handler) *world {
	t.Helper()
	w := &world{bus: inproc.New(), metrics: prometheus.NewRegistry()}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	w.serve(t, server.URL)
	dialer := w.bus.Tunnels("gateway")
	t.Cleanup(dialer.Close)
	w.tunnels = dialer
	b := route.NewBuilder()
	b.SetSynced(true)
	b.SetMember(federation.MemberSpec{Name: "tokyo", Account: account}, 1)
	b.SetMember(federation.MemberSpec{Name: "osaka", Account: "OSAKA"}, 1) // has no agent
	b.SetHealth(federation.HealthRecord{Member: "osaka", Health: federation.Unreachable})
	proxy, err := kubeproxy.New(kubeproxy.Options{
		Name: "gateway", Tunnels: w.tunnels, Tables: picture{b.Table()}, Tokens: tokens(t), Metrics: w.metrics, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	w.web = httptest.NewUnstartedServer(proxy)
	w.web.EnableHTTP2 = true
	w.web.StartTLS()
	t.Cleanup(w.web.Close)
	return w
}

// serve runs the agent's end until the test ends.
func (w *world) serve(t testing.TB, api string) {
	t.Helper()
	at, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	agent := reach.New(reach.Options{Tunnels: w.bus.TunnelServer(account), API: at, Transport: transport, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent's end ended with %v", err)
		}
		transport.CloseIdleConnections()
	})
}

func tokens(t testing.TB) *grpcserver.Tokens {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	text := "tokens:\n- {name: vera, role: viewer, token: " + viewerToken + "}\n- {name: otto, role: operator, token: " + operatorToken + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := grpcserver.LoadTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// reply is an answer whose body is closed with the test.
type reply struct {
	StatusCode int
	Status     string
	Body       io.Reader
}

// ask sends a request to the gateway.
func (w *world) ask(t testing.TB, method, path string, header http.Header) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, method, w.web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := w.web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return reply{answer.StatusCode, answer.Status, answer.Body}
}
