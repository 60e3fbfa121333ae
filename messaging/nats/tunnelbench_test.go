package nats

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// tunnels are both ends of the tunnels between a gateway and the member tokyo.
type tunnels struct {
	dialer  *tunnel.Dialer
	account string
}

// tunnelWorld serves tunnels in a member that is connected over TLS, to a gateway that is
// connected in the process or, if remote, over TLS too.
func tunnelWorld(t testing.TB, remote bool, serve func(messaging.Stream)) tunnels {
	t.Helper()
	w := open(t)
	hub := w.dial(t, HubRole)
	control, account := w.member(t, hub, "tokyo")
	gateway := w.dial(t, GatewayRole)
	if remote {
		credentials, err := w.server.keys.Credentials(GatewayRole)
		must(t, err)
		gateway, err = w.dialAs(credentials, "gateway", "")
		must(t, err)
		t.Cleanup(gateway.Close)
	}
	server := NewTunnelServer(control, func() (*Conn, error) {
		credentials, account := w.credentials(t, "tokyo")
		return w.dialAs(credentials, "tokyo bulk", account)
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, func(context.Context, string) (func(messaging.Stream), error) { return serve, nil })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("serving tunnels ended with %v", err)
		}
	})
	dialer, err := NewTunnels(gateway)
	must(t, err)
	t.Cleanup(dialer.Close)
	return tunnels{dialer: dialer, account: account}
}

func (w tunnels) open(t testing.TB) messaging.Stream {
	t.Helper()
	s, err := w.dialer.Open(t.Context(), w.account, "test")
	must(t, err)
	return s
}

// BenchmarkTunnel measures one stream: bytes from the member to the gateway and back,
// and the round trip of a small message.
func BenchmarkTunnel(b *testing.B) {
	for name, remote := range map[string]bool{"gateway over TLS": true, "gateway in process": false} {
		b.Run("down/"+name, func(b *testing.B) { benchDown(b, remote) })
		b.Run("up/"+name, func(b *testing.B) { benchUp(b, remote) })
		b.Run("round trip/"+name, func(b *testing.B) { benchRoundTrip(b, remote) })
	}
}

// piece is what one iteration carries.
const piece = 1 << 20

func benchDown(b *testing.B, remote bool) {
	done := make(chan int64, 1)
	w := tunnelWorld(b, remote, func(s messaging.Stream) {
		n, _ := io.Copy(io.Discard, s)
		done <- n
	})
	s, buffer := w.open(b), make([]byte, piece)
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
	w := tunnelWorld(b, remote, func(s messaging.Stream) {
		buffer := make([]byte, piece)
		for {
			if _, err := s.Write(buffer); err != nil {
				return
			}
		}
	})
	s, buffer := w.open(b), make([]byte, piece)
	b.SetBytes(piece)
	for b.Loop() {
		_, err := io.ReadFull(s, buffer)
		must(b, err)
	}
	b.ReportMetric(float64(b.N)*piece/(1<<20)/b.Elapsed().Seconds(), "MiB/s")
	must(b, s.Close())
}

func benchRoundTrip(b *testing.B, remote bool) {
	w := tunnelWorld(b, remote, func(s messaging.Stream) { _, _ = io.Copy(s, s) })
	s, buffer := w.open(b), make([]byte, 64)
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
