package cli

import (
	"context"
	"os"

	"github.com/hansa-io/hansa/messaging/trace"
)

// tracing is the trace context of one run of the command line: that of the environment's
// TRACEPARENT, else a new one. It is sent with each request.
type tracing string

func newTrace() tracing {
	ctx := trace.With(context.Background(), os.Getenv("TRACEPARENT"))
	if trace.ID(ctx) == "" {
		ctx, _ = trace.Start(ctx, "hansa")
	}
	return tracing(trace.Parent(ctx))
}

// GetRequestMetadata returns the header.
func (t tracing) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{trace.Header: string(t)}, nil
}

// RequireTransportSecurity says that it is no secret.
func (tracing) RequireTransportSecurity() bool { return false }
