// Package trace lets one request be followed over the bus: its W3C trace context
// travels as the text "traceparent" in gRPC metadata, in headers of messages and
// records, and as an identity in log lines.
//
// Without an exporter (package messaging/trace/otlp) nothing is recorded; the
// identities travel all the same. What comes from outside is checked: a text that
// is no trace context counts as none.
package trace

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name under which a trace context travels.
const Header = "traceparent"

// scope names this program's spans among those of others.
const scope = "github.com/hansa-io/hansa"

// Parent is the trace context of ctx as a text; empty without one.
func Parent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Header]
}

// With returns a context that continues the trace of parent. A parent that is no
// trace context changes nothing.
func With(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: parent})
}

// ID is the identity of the trace of ctx, 32 hexadecimal digits; empty without one.
func ID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}

// IDOf is the identity of the trace of parent; empty without one.
func IDOf(parent string) string {
	if parent == "" {
		return ""
	}
	return ID(With(context.Background(), parent))
}

// Attr is the identity of a trace as part of a log line; without one it is nothing.
func Attr(id string) slog.Attr {
	if id == "" {
		return slog.Attr{}
	}
	return slog.String("trace", id)
}

// Start begins a step of the trace of ctx, or of a new trace. The caller ends the
// step with its outcome.
func Start(ctx context.Context, name string) (context.Context, func(error)) {
	ctx, end := begin(ctx, name, time.Now())
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, end
	}
	return trace.ContextWithRemoteSpanContext(ctx, fresh()), end // nobody records
}

// Step begins, as of a time, a step of the trace of parent, and returns the trace
// context that continues it. Without a parent it does nothing.
func Step(parent, name string, from time.Time) (string, func(error)) {
	if parent == "" {
		return "", func(error) {}
	}
	ctx, end := begin(With(context.Background(), parent), name, from)
	return Parent(ctx), end
}

func begin(ctx context.Context, name string, from time.Time) (context.Context, func(error)) {
	ctx, span := otel.Tracer(scope).Start(ctx, name, trace.WithTimestamp(from))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// fresh is the beginning of a new trace, to be recorded by whoever records.
func fresh() trace.SpanContext {
	config := trace.SpanContextConfig{TraceFlags: trace.FlagsSampled}
	rand.Read(config.TraceID[:]) // never fails, and all zeros do not happen
	rand.Read(config.SpanID[:])
	return trace.NewSpanContext(config)
}
