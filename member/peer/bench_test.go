package peer

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
)

// BenchmarkLook is one look at an agent's port: a connection, both certificates, and the
// answer, both sides in this process.
func BenchmarkLook(b *testing.B) {
	w := newWorld(b, 1)
	at := serve(b, Options{Identity: w.member("tokyo")})
	for b.Loop() {
		s := probe.Agent(b.Context(), federation.ProbeRequest{Member: "tokyo", AgentAt: at.At, Timeout: time.Minute}, w.authority.Own)
		if s.Signal != federation.Green {
			b.Fatal(s)
		}
	}
}
