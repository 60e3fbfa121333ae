package gateway_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/metadata"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// BenchmarkResolve is a query over gRPC with TLS on the loopback, as a client
// sees it: one at a time, and many on one connection.
func BenchmarkResolve(b *testing.B) {
	w := twoMembers(b)
	api := gatewayv1.NewDiscoveryServiceClient(w.conn)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+viewer)
	r := &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web", From: "osaka"}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := api.Resolve(ctx, r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				if _, err := api.Resolve(ctx, r); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

// BenchmarkApply is an apply that changes nothing: all documents are checked and
// compared with what is stored.
func BenchmarkApply(b *testing.B) {
	w := newWorld(b)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+operator)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := api.Apply(ctx, &gatewayv1.ApplyRequest{Files: files(good)}); err != nil {
			b.Fatal(err)
		}
	}
}
