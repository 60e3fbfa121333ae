package nats

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
)

// benchTunnel opens a stream to a member that gives it to serve. The member is
// connected over TLS, the gateway too if remote, else in the process.
func benchTunnel(b *testing.B, remote bool, serve func(messaging.Stream)) messaging.Stream {
	b.Helper()
	w := open(b)
	gateway := w.dial(b, GatewayRole)
	if remote {
		credentials, err := w.server.keys.Credentials(GatewayRole, 0)
		must(b, err)
		gateway, err = w.dialAs(credentials, "gateway", "")
		must(b, err)
		b.Cleanup(gateway.Close)
	}
	m := w.tunnelsOf(b, w.dial(b, HubRole), "tokyo")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- m.server.Serve(ctx, func(context.Context, string) (func(messaging.Stream), error) { return serve, nil })
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Errorf("serving tunnels ended with %v", err)
		}
	})
	dialer, err := NewTunnels(gateway)
	must(b, err)
	b.Cleanup(dialer.Close)
	s, err := dialer.Open(b.Context(), m.account, "test")
	must(b, err)
	return s
}

// BenchmarkTunnel measures one stream: bytes from the member to the gateway and back,
// and the round trip of a small message.
func BenchmarkTunnel(b *testing.B) {
	for _, remote := range []bool{true, false} {
		name := "gateway in process/"
		if remote {
			name = "gateway over TLS/"
		}
		b.Run(name+"to the member", func(b *testing.B) { benchDown(b, remote) })
		b.Run(name+"from the member", func(b *testing.B) { benchUp(b, remote) })
		b.Run(name+"round trip", func(b *testing.B) { benchRoundTrip(b, remote) })
	}
}

// piece is what one iteration carries.
const piece = 1 << 20

func benchDown(b *testing.B, remote bool) {
	done := make(chan int64, 1)
	s := benchTunnel(b, remote, func(s messaging.Stream) {
		n, _ := io.Copy(io.Discard, s)
		done <- n
	})
	buffer := make([]byte, piece)
	b.SetBytes(piece)
	for b.Loop() {
		_, err := s.Write(buffer)
		must(b, err)
	}
	must(b, s.CloseWrite())
	if n := <-done; n%piece != 0 || n == 0 {
		b.Errorf("%d bytes came", n)
	}
	b.ReportMetric(float64(b.N)*piece/(1<<20)/b.Elapsed().Seconds(), "MiB/s")
}

func benchUp(b *testing.B, remote bool) {
	s := benchTunnel(b, remote, func(s messaging.Stream) {
		buffer := make([]byte, piece)
		for {
			if _, err := s.Write(buffer); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, piece)
	b.SetBytes(piece)
	for b.Loop() {
		_, err := io.ReadFull(s, buffer)
		must(b, err)
	}
	b.ReportMetric(float64(b.N)*piece/(1<<20)/b.Elapsed().Seconds(), "MiB/s")
	must(b, s.Close())
}

func benchRoundTrip(b *testing.B, remote bool) {
	s := benchTunnel(b, remote, func(s messaging.Stream) { _, _ = io.Copy(s, s) })
	buffer := make([]byte, 64)
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := s.Write(buffer)
		must(b, err)
		_, err = io.ReadFull(s, buffer)
		must(b, err)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	must(b, s.Close())
}
