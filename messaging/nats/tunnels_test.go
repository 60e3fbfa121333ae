package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// memberTunnels is a member that takes tunnels as an agent does: it hears on one
// connection that they are asked for, and makes another one for their frames.
type memberTunnels struct {
	server  *tunnel.Server
	account string

	mu   sync.Mutex
	bulk []*Conn // all that were made
}

func (w world) tunnelsOf(t testing.TB, hub *Conn, name string) *memberTunnels {
	t.Helper()
	control, account := w.member(t, hub, name)
	m := &memberTunnels{account: account}
	m.server = NewTunnelServer(control, func() (*Conn, error) {
		credentials, account := w.credentials(t, name)
		c, err := w.dialAs(credentials, name+" bulk", account)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.bulk = append(m.bulk, c)
		return c, err
	})
	return m
}

// last is the bulk connection that was made last.
func (m *memberTunnels) last() *Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bulk[len(m.bulk)-1]
}

// serve serves echo until the test ends.
func (m *memberTunnels) serve(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- m.server.Serve(ctx, func(context.Context, string) (func(messaging.Stream), error) {
			return func(s messaging.Stream) { _, _ = io.Copy(s, s) }, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("serving tunnels ended with %v", err)
		}
	})
}

// TestTunnels runs the suite with the rights of a gateway and of a member; the cut is
// that of the member's connection, then that of the gateway's.
func TestTunnels(t *testing.T) {
	for _, end := range []string{"member", "gateway"} {
		t.Run("cut of the "+end, func(t *testing.T) {
			w := open(t)
			hub := w.dial(t, HubRole)
			count := 0
			messagingtest.RunTunnels(t, func(t *testing.T) messagingtest.TunnelRoles {
				count++
				m, gateway := w.tunnelsOf(t, hub, fmt.Sprintf("member%d", count)), w.dial(t, GatewayRole)
				dialer, err := NewTunnels(gateway)
				must(t, err)
				t.Cleanup(dialer.Close)
				return messagingtest.TunnelRoles{
					Tunnels: dialer, Server: m.server, Account: m.account,
					Cut: func() {
						if end == "gateway" {
							must(t, gateway.nc.ForceReconnect())
							return
						}
						must(t, m.last().nc.ForceReconnect())
					},
				}
			})
		})
	}
}

// opened opens an echo stream of a new gateway to the member of m.
func (w world) opened(t *testing.T, m *memberTunnels) (messaging.Stream, *Conn) {
	t.Helper()
	gateway := w.dial(t, GatewayRole)
	dialer, err := NewTunnels(gateway)
	must(t, err)
	t.Cleanup(dialer.Close)
	s, err := dialer.Open(t.Context(), m.account, "echo")
	must(t, err)
	return s, gateway
}

// says writes text and reads it back.
func says(t *testing.T, s messaging.Stream, text string) {
	t.Helper()
	must(t, s.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := s.Write([]byte(text))
	must(t, err)
	back := make([]byte, len(text))
	if _, err := io.ReadFull(s, back); err != nil || string(back) != text {
		t.Fatalf("%q comes back as %q, %v", text, back, err)
	}
}

// TestTunnelConnections: the frames go over a connection of their own, which is made
// at the first tunnel and closed after the last.
func TestTunnelConnections(t *testing.T) {
	w := open(t)
	m := w.tunnelsOf(t, w.dial(t, HubRole), "tokyo")
	m.serve(t)
	if len(m.bulk) > 0 {
		t.Fatal("a connection was made before the first tunnel")
	}
	gateway := w.dial(t, GatewayRole)
	dialer, err := NewTunnels(gateway)
	must(t, err)
	for range 3 {
		s, err := dialer.Open(t.Context(), m.account, "echo")
		must(t, err)
		says(t, s, "hello")
	}
	if len(m.bulk) != 1 {
		t.Errorf("three streams take %d connections", len(m.bulk))
	}
	bulk := m.last()
	dialer.Close()
	waitFor(t, "the end of the connection", bulk.nc.IsClosed)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for timeout := time.After(20 * time.Second); !done(); {
		select {
		case <-timeout:
			t.Fatalf("%s: not in time", what)
		case <-ticks.C:
		}
	}
}

// TestTunnelOldCredentials: those made before there were tunnels say what to do.
func TestTunnelOldCredentials(t *testing.T) {
	w := open(t)
	gateway := w.dial(t, GatewayRole)
	gateway.gateway = ""
	if _, err := NewTunnels(gateway); err == nil || !strings.Contains(err.Error(), "hansa hub credentials") {
		t.Errorf("got %v", err)
	}
}

// wiretap returns the subjects on which frames of gateways' tunnels pass.
func wiretap(t *testing.T, ear *nats.Conn) func() []string {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	all := subject.Tunnel{Account: "*", Dialer: "*", Session: "*"}
	for _, s := range []string{all.Open(), all.Down(), all.Up()} {
		_, err := ear.Subscribe(s, func(m *nats.Msg) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, m.Subject)
		})
		must(t, err)
	}
	must(t, ear.Flush())
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, seen...)
	}
}

// TestTunnelAttacks: who knows everything about another's tunnel, and sends and
// subscribes to all that it could, neither hears nor says anything in it, and cannot end
// it. The attackers are another member and another gateway, with valid credentials.
func TestTunnelAttacks(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	ear := w.freeGateway(t)
	seen := wiretap(t, ear)
	victim := w.tunnelsOf(t, hub, "tokyo")
	victim.serve(t)
	s, owner := w.opened(t, victim)
	says(t, s, "before")

	attacker, _ := w.member(t, hub, "frankfurt")
	other := w.dial(t, GatewayRole)
	target := targetOf(t, seen, victim.account, owner.user.Subject)
	local := subject.Tunnel{Dialer: target.Dialer, Session: target.Session}
	names := []string{target.Open(), target.Down(), target.Up(), local.Open(), local.Down(), local.Up()}

	all, of := subject.Tunnel{Account: "*", Dialer: "*", Session: "*"}, subject.Tunnel{Dialer: "*", Session: "*"}
	wide := []string{all.Open(), all.Down(), all.Up(), of.Open(), of.Down(), of.Up(), subject.AnyUp(), subject.AnyDown(), ">"}
	memberHears := eavesdrop(t, attacker.nc, append(wide, names...)...)
	gatewayHears := eavesdrop(t, other.nc, append(wide, names...)...)
	before := len(seen())
	for _, c := range []*nats.Conn{attacker.nc, other.nc} {
		for _, name := range names {
			for _, f := range forgeries() {
				must(t, c.Publish(name, f))
			}
		}
		must(t, c.Flush())
	}
	must(t, ear.Flush())
	for _, name := range seen()[before:] {
		if strings.HasPrefix(name, target.Down()) || strings.HasPrefix(name, target.Up()) || strings.HasPrefix(name, target.Open()) {
			t.Errorf("a forgery passes on %s", name)
		}
	}
	says(t, s, strings.Repeat("the victim's secret ", 10_000))
	must(t, attacker.nc.Flush())
	must(t, other.nc.Flush())
	if a, g := memberHears(), gatewayHears(); len(a)+len(g) > 0 {
		t.Errorf("the other member hears %d messages, the other gateway %d", len(a), len(g))
	}

	t.Run("a member cannot open", func(t *testing.T) {
		if _, err := NewTunnels(attacker); err == nil {
			t.Error("a member's credentials open tunnels")
		}
		forger := tunnel.NewDialer(attacker, attacker.user.Subject)
		defer forger.Close()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := forger.Open(ctx, victim.account, "echo"); !errors.Is(err, messaging.ErrTimeout) {
			t.Errorf("a member opens a tunnel to another: %v", err)
		}
	})
	t.Run("the check can fail", func(t *testing.T) {
		for _, f := range forgeries() {
			must(t, owner.nc.Publish(target.Down(), f))
		}
		if _, err := io.ReadAll(s); !errors.Is(err, messaging.ErrDisconnected) {
			t.Errorf("forgeries of the owner do not even end the tunnel: %v", err)
		}
	})
}

// targetOf finds the tunnel of the dialer to the account.
func targetOf(t *testing.T, seen func() []string, account, dialer string) subject.Tunnel {
	t.Helper()
	prefix := subject.Tunnel{Account: account, Dialer: dialer}.Open()
	for _, name := range seen() {
		if session, ok := strings.CutPrefix(name, prefix); ok {
			return subject.Tunnel{Account: account, Dialer: dialer, Session: session}
		}
	}
	t.Fatalf("no tunnel was asked for on %s", prefix)
	return subject.Tunnel{}
}

// forgeries are frames that read, inject, or end.
func forgeries() [][]byte {
	terms := flow.Terms{Window: flow.MaxWindow}.Encode()
	out := [][]byte{nil, []byte("no frame")}
	for _, f := range []flow.Frame{
		{Kind: flow.Open, Payload: terms},
		{Kind: flow.Accept, Payload: terms},
		{Kind: flow.Check, Payload: terms},
		{Kind: flow.Ready, Payload: terms},
		{Kind: flow.Close, Payload: flow.Verdict{Kind: string(messaging.Denied), Text: "forged"}.Encode()},
	} {
		out = append(out, f.Encode())
	}
	for n := range uint64(50) {
		out = append(out, flow.Frame{Kind: flow.Data, Number: n + 1, Payload: []byte("forged")}.Encode())
	}
	return out
}
