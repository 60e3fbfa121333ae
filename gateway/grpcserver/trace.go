package grpcserver

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/hansa-io/hansa/messaging/trace"
)

// Begin begins a step of the trace that the caller sent, or of a new one when the method
// changes something; what only reads needs none. The caller tells its end.
func Begin(ctx context.Context, method string) (context.Context, func(error)) {
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		if sent := md.Get(trace.Header); len(sent) == 1 {
			ctx = trace.With(ctx, sent[0])
		}
	}
	if needed(method) == Viewer && trace.ID(ctx) == "" {
		return ctx, func(error) {}
	}
	return trace.Start(ctx, method)
}

func traceUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, end := Begin(ctx, info.FullMethod)
	resp, err := next(ctx, req)
	end(err)
	return resp, err
}
