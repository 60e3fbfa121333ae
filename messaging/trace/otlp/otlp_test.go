package otlp

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/hansa-io/hansa/messaging/trace"
)

// receiver is a collector that takes everything.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

func (r receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.got <- request
	return &collector.ExportTraceServiceResponse{}, nil
}

// TestExport: without a collector nothing is set up; with one, steps arrive there with the
// name of the service and in the trace that they belong to.
func TestExport(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	stop, err := Export(t.Context(), "hansa-test", log)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	defer server.Stop()
	in := receiver{got: make(chan *collector.ExportTraceServiceRequest, 8)}
	collector.RegisterTraceServiceServer(server, in)
	go func() { _ = server.Serve(listener) }()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	stop, err = Export(t.Context(), "hansa-test", log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := trace.Start(t.Context(), "apply")
	next, endStep := trace.Step(trace.Parent(ctx), "decide", time.Now())
	endStep(nil)
	end(context.Canceled)
	stop()
	select {
	case got := <-in.got:
		spans := got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
		if len(spans) != 2 || spans[0].GetName() != "decide" || spans[1].GetStatus().GetMessage() != context.Canceled.Error() {
			t.Errorf("got %v", spans)
		}
		for _, s := range spans {
			if hex.EncodeToString(s.GetTraceId()) != trace.ID(ctx) || trace.IDOf(next) != trace.ID(ctx) {
				t.Errorf("%s is in the trace %x, want %s", s.GetName(), s.GetTraceId(), trace.ID(ctx))
			}
		}
		if a := got.GetResourceSpans()[0].GetResource().GetAttributes(); len(a) == 0 || a[0].GetValue().GetStringValue() != "hansa-test" {
			t.Errorf("it is said to come from %v", a)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing arrived")
	}
}
