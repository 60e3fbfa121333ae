package gateway_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// beatWith sends one hub beat that says what the hub has.
func (w *world) beatWith(heads map[string]federation.Revision, lines ...federation.MemberBeat) {
	w.t.Helper()
	w.beats++
	must(w.t, w.records.Publish(subject.HubBeat(), federationv1.EncodeHubBeat(federation.HubBeat{Term: 7, Sequence: w.beats, Members: lines, Heads: heads})))
	w.until("beaten", func() bool { return w.gateway.Table().Sequence == w.beats })
}

// TestStale: a gateway that lacks for more than 2 s what the hub has says so everywhere,
// and no longer once it has read it.
func TestStale(t *testing.T) {
	w := twoMembers(t)
	revision := federation.Revision(0)
	for _, e := range w.stored(subject.Exports) {
		revision = max(revision, e.Revision)
	}
	checked, err := healthpb.NewHealthClient(w.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	must(t, err)
	health := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for {
			now, err := checked.Recv()
			must(t, err)
			if now.GetStatus() == want {
				return
			}
		}
	}
	health(healthpb.HealthCheckResponse_SERVING)
	heads := map[string]federation.Revision{subject.Exports: revision + 1}
	w.beatWith(map[string]federation.Revision{subject.Exports: revision}, healthy("tokyo"), healthy("frankfurt"))
	if lacks := w.gateway.Table().Lacks; len(lacks) > 0 {
		t.Fatalf("it lacks %+v at once", lacks)
	}
	w.beatWith(heads, healthy("tokyo"), healthy("frankfurt"))
	began := time.Now()
	if code, _ := w.call("", http.MethodGet, "/readyz", nil); code != http.StatusOK {
		t.Errorf("not ready after %s", time.Since(began))
	}
	health(healthpb.HealthCheckResponse_NOT_SERVING)
	if after := time.Since(began); after < 1900*time.Millisecond {
		t.Errorf("it is late after %s already", after)
	}
	w.beatWith(heads, healthy("tokyo"), healthy("frankfurt")) // the hub is not what is silent
	answer, err := gatewayv1.NewDiscoveryServiceClient(w.conn).Resolve(w.as(viewer), &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	for _, tier := range answer.GetTiers() {
		for _, e := range tier.GetEndpoints() {
			if e.GetState() != "stale" {
				t.Errorf("%s is %s", e.GetAddress(), e.GetState())
			}
		}
	}
	if code, body := w.call("", http.MethodGet, "/readyz", nil); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "1 of exports for ") {
		t.Errorf("readyz says %d %s", code, body)
	}
	status, err := gatewayv1.NewEventsServiceClient(w.conn).GetStatus(w.as(viewer), &gatewayv1.GetStatusRequest{})
	must(t, err)
	if b := status.GetBehind(); len(b) != 1 || b[0].GetBucket() != subject.Exports || b[0].GetRecords() != 1 || b[0].GetForMs() < 1900 {
		t.Errorf("status says %v", b)
	}
	if text := w.scrape(); strings.Contains(text, "\nhansa_gateway_stale_seconds 0\n") || !strings.Contains(text, "\nhansa_gateway_stale_seconds ") {
		t.Error("no metric says it")
	}
	w.member("osaka", "ap-northeast", "10.9.0.1")
	health(healthpb.HealthCheckResponse_SERVING)
	if lacks := w.gateway.Table().Lacks; len(lacks) > 0 {
		t.Errorf("it still lacks %+v", lacks)
	}
}

// TestSyncedOverMarkers: what was deleted before a gateway started is not lacking, though
// the gateway was not told of it.
func TestSyncedOverMarkers(t *testing.T) {
	w := newBus(t)
	must(t, w.records.EnsureBuckets(t.Context()))
	w.put(subject.Scores, "cost", nil)
	scores, err := w.records.Bucket(t.Context(), subject.Scores)
	must(t, err)
	revision := w.put(subject.Scores, "carbon", nil) + 1
	must(t, scores.Delete(t.Context(), "carbon", revision-1))
	w.ready()
	w.beatWith(map[string]federation.Revision{subject.Scores: revision})
	if lacks := w.gateway.Table().Lacks; len(lacks) > 0 {
		t.Errorf("it lacks %+v", lacks)
	}
}

// TestRequestTrace: a caller's trace, or a new one, goes into the records that the request
// writes, over gRPC and JSON alike.
func TestRequestTrace(t *testing.T) {
	w := newWorld(t)
	stored := func() string { return trace.IDOf(w.stored(subject.Workloads)[subject.WorkloadKey(web)].Trace) }
	ctx, _ := trace.Start(t.Context(), "test")
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	apply := func(text string, pairs ...string) {
		t.Helper()
		_, err := api.Apply(metadata.AppendToOutgoingContext(w.as(operator), pairs...), &gatewayv1.ApplyRequest{Files: files(text)})
		must(t, err)
	}
	apply(good, trace.Header, trace.Parent(ctx))
	if stored() != trace.ID(ctx) {
		t.Errorf("the record has the trace %q, want %s", stored(), trace.ID(ctx))
	}
	for _, sent := range []string{"", "nonsense"} {
		before := stored()
		apply(edit("replicas: 2", "replicas: 4"), trace.Header, sent)
		apply(good, trace.Header, sent)
		if len(stored()) != 32 || stored() == before {
			t.Errorf("%q makes the trace %q", sent, stored())
		}
	}
	body, err := json.Marshal(map[string]any{"files": []any{map[string]any{"name": "shop.yaml", "content": []byte(edit("replicas: 2", "replicas: 5"))}}})
	must(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+w.gateway.Addr()+"/v1/workloads:apply", bytes.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+operator)
	r.Header.Set(trace.Header, trace.Parent(ctx))
	resp, err := w.web.Do(r)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || stored() != trace.ID(ctx) {
		t.Errorf("over JSON: %d, trace %q", resp.StatusCode, stored())
	}
}
