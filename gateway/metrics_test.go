package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/gateway"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/nats"
)

// scrape reads /metrics as Prometheus does.
func (w *world) scrape() string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.gateway.MetricsAddr()+"/metrics", nil)
	must(w.t, err)
	resp, err := http.DefaultClient.Do(r)
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return string(b)
}

func TestMetrics(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 2)
	discovery := gatewayv1.NewDiscoveryServiceClient(w.conn)
	ask := func(name string) {
		_, _ = discovery.Resolve(w.as(viewer), &gatewayv1.ResolveRequest{Namespace: "shop", Name: name})
	}
	ask("web")
	ask("none")
	ask("none")
	w.call(viewer, http.MethodGet, "/v1/members", nil)
	w.call("", http.MethodGet, "/v1/members", nil)
	text := w.scrape()
	for _, want := range []string{
		`hansa_gateway_requests_total{code="OK",method="/hansa.gateway.v1.DiscoveryService/Resolve"} 1`,
		`hansa_gateway_requests_total{code="NotFound",method="/hansa.gateway.v1.DiscoveryService/Resolve"} 2`,
		`hansa_gateway_requests_total{code="OK",method="/hansa.gateway.v1.MembersService/ListMembers"} 1`,
		`hansa_gateway_requests_total{code="Unauthenticated",method="/hansa.gateway.v1.MembersService/ListMembers"} 1`,
		`hansa_gateway_request_duration_seconds_count{method="/hansa.gateway.v1.DiscoveryService/Resolve"} 3`,
		`hansa_gateway_answers_total{cache="miss"} 3`,
		`hansa_gateway_synced 1`, `hansa_gateway_table_revision `, `hansa_gateway_hub_age_seconds `,
		`hansa_gateway_member_age_seconds{member="tokyo"} `, `hansa_gateway_members{health="Healthy"} 2`, `hansa_gateway_workloads{state="Ready"} 1`,
		`go_goroutines `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no line %q", want)
		}
	}
	w.lint(text)
	if t.Failed() {
		t.Log(text)
	}
}

// lint checks names, types and help of our own metrics.
func (w *world) lint(text string) {
	w.t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	must(w.t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hansa_") {
			w.t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestHubMetrics: hub and gateway share a registry in one process, and each
// leaves out nothing that a dashboard needs.
func TestHubMetrics(t *testing.T) {
	w := newWorld(t)
	registry := gateway.NewRegistry()
	h, err := hub.New(hub.Options{Bus: w.dial(nats.HubRole), Ears: w.dial(nats.HubRole), Accounts: w.bus.Accounts, Works: w.records, Sealing: w.sealing(), Metrics: registry})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	w.until("led", func() bool { return w.gateway.Table().Term > 0 })
	_, err = gatewayv1.NewWorkloadsServiceClient(w.conn).Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(good)})
	must(t, err)
	w.until("decided", func() bool { return w.gateway.Table().Assignments[web].Epoch > 0 })
	limit := time.After(patience)
	for {
		n, err := testutil.GatherAndCount(registry, "hansa_hub_writes_total")
		must(t, err)
		if n > 0 {
			break
		}
		select {
		case <-limit:
			t.Fatal("no write was counted")
		case <-time.After(10 * time.Millisecond):
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	must(t, err)
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "hansa_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, name := range []string{
		"hansa_hub_leading", "hansa_hub_term", "hansa_hub_decisions_total", "hansa_hub_queue_depth", "hansa_hub_record_lag_seconds",
		"hansa_hub_step_duration_seconds", "hansa_hub_dropped_beats_total",
	} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n == 0 {
			t.Errorf("%s: %d %v", name, n, err)
		}
	}
	cancel()
	must(t, <-done)
	if err := testutil.GatherAndCompare(registry, strings.NewReader("# HELP hansa_hub_leading 1 while this hub leads, else 0.\n# TYPE hansa_hub_leading gauge\nhansa_hub_leading 0\n"), "hansa_hub_leading"); err != nil {
		t.Error(err)
	}
}
