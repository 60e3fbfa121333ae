// Package otlp sends the steps of traces to a collector, when the environment
// names one.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// flushWithin bounds how long the end of a program waits for the collector.
const flushWithin = 3 * time.Second

// Export records the steps of traces for as long as the process runs, if
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT names a
// collector that speaks OTLP over gRPC. The other variables of OpenTelemetry hold
// as well. What the collector does not take is lost, and logged. The caller stops
// it at the end.
func Export(ctx context.Context, service string, log *slog.Logger) (stop func(), err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return func() {}, nil
	}
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", service)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
	otel.SetTracerProvider(provider)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("a trace was not exported", "reason", err) }))
	return func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer cancel()
		_ = provider.Shutdown(limit) // the collector may be gone
	}, nil
}

// Traced exports the traces of a role that runs, if the environment says where to.
func Traced[C any](service string, run func(context.Context, C) error) func(context.Context, C) error {
	return func(ctx context.Context, c C) error {
		stop, err := Export(ctx, service, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err != nil {
			return err
		}
		defer stop()
		return run(ctx, c)
	}
}
