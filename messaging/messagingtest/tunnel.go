package messagingtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/hansa-io/hansa/messaging"
)

// TunnelRoles are both ends of the tunnels to one member.
type TunnelRoles struct {
	Tunnels messaging.Tunnels      // of a gateway
	Server  messaging.TunnelServer // of the member
	Account string                 // of the member
	Cut     func()                 // cuts the connection that the member's frames take
}

// cutLimit bounds how long a stream outlives its connection.
const cutLimit = 15 * time.Second

// RunTunnels runs the suite of tunnels; open is called for each test.
func RunTunnels(t *testing.T, open func(t *testing.T) TunnelRoles) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *tunnels)
	}{
		{"round trip", roundTrip},
		{"refusal", refusal},
		{"nobody serves", nobodyServes},
		{"both ways at once", bothWays},
		{"half close", halfClose},
		{"close", closing},
		{"close in a write", closeInWrite},
		{"abort", abort},
		{"window", window},
		{"slow reader", slowReader},
		{"many streams", manyStreams},
		{"cut", cut},
		{"end of serving", endOfServing},
		{"deadline of open", deadlineOfOpen},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, serveTunnels(t, open(t))) })
	}
	t.Run("net.Conn", func(t *testing.T) {
		w := serveTunnels(t, open(t))
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			c1, c2, err := w.pair(context.Background(), "any")
			if err != nil {
				return nil, nil, nil, err
			}
			stop := func() {
				c1.Close()
				c2.Close()
			}
			return c1, c2, stop, nil
		})
	})
}

// tunnels are the roles with a member that serves "echo" itself, refuses "refuse",
// and gives every other stream to the test.
type tunnels struct {
	TunnelRoles
	taken   chan messaging.Stream
	serving context.Context
	stop    func() // ends serving and waits for it
}

func serveTunnels(t *testing.T, r TunnelRoles) *tunnels {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &tunnels{TunnelRoles: r, taken: make(chan messaging.Stream), serving: ctx}
	ended := make(chan error, 1)
	go func() { ended <- r.Server.Serve(ctx, w.answer) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("serving ended with %v", err)
		}
	})
	t.Cleanup(w.stop)
	return w
}

func (w *tunnels) answer(ctx context.Context, service string) (func(messaging.Stream), error) {
	switch service {
	case "echo":
		return func(s messaging.Stream) { _, _ = io.Copy(s, s) }, nil
	case "refuse":
		return nil, messaging.Errorf(messaging.NotFound, "no service %s here", service)
	case "break":
		return nil, errors.New("broken")
	}
	return func(s messaging.Stream) {
		held := &heldStream{Stream: s, closed: make(chan struct{})}
		select {
		case w.taken <- held:
		case <-w.serving.Done():
			return
		}
		select {
		case <-held.closed:
		case <-w.serving.Done():
			<-ctx.Done()
		}
	}, nil
}

// heldStream keeps the server's function waiting until the test closes the stream.
type heldStream struct {
	messaging.Stream
	once   sync.Once
	closed chan struct{}
}

func (h *heldStream) end() { h.once.Do(func() { close(h.closed) }) }

// Close closes the stream and lets the server's function return.
func (h *heldStream) Close() error {
	defer h.end()
	return h.Stream.Close()
}

// Abort aborts the stream and lets the server's function return.
func (h *heldStream) Abort(kind messaging.Kind) error {
	defer h.end()
	return h.Stream.Abort(kind)
}

func (w *tunnels) open(ctx context.Context, t *testing.T, service string) messaging.Stream {
	t.Helper()
	s := must[messaging.Stream](t)(w.Tunnels.Open(ctx, w.Account, service))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// pair opens a stream and returns the dialer's and the member's end.
func (w *tunnels) pair(ctx context.Context, service string) (dialer, member messaging.Stream, err error) {
	dialer, err = w.Tunnels.Open(ctx, w.Account, service)
	if err != nil {
		return nil, nil, err
	}
	select {
	case member = <-w.taken:
		return dialer, member, nil
	case <-ctx.Done():
		_ = dialer.Close()
		return nil, nil, ctx.Err()
	}
}

func (w *tunnels) mustPair(ctx context.Context, t *testing.T) (dialer, member messaging.Stream) {
	t.Helper()
	dialer, member, err := w.pair(ctx, "any")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dialer.Close()
		_ = member.Close()
	})
	return dialer, member
}

// noise is n bytes that no multiplexer mistakes for others.
func noise(seed int64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.New(rand.NewSource(seed)).Read(b) // never fails
	return b
}

// exchange writes b and reads as much back.
func exchange(s messaging.Stream, b []byte) error {
	wrote := make(chan error, 1)
	go func() {
		_, err := s.Write(b)
		wrote <- err
	}()
	got := make([]byte, len(b))
	_, err := io.ReadFull(s, got)
	if err == nil && !bytes.Equal(got, b) {
		err = errors.New("other bytes come back")
	}
	return errors.Join(err, <-wrote)
}

func roundTrip(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	s := w.open(ctx, t, "echo")
	for _, n := range []int{1, 100, 40 << 10, 3 << 20} {
		if err := exchange(s, noise(int64(n), n)); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if got, want := s.RemoteAddr().String(), w.Account+"/echo"; got != want {
		t.Errorf("the remote address is %q, want %q", got, want)
	}
	service := "pod/shop/web.v2 > port 80, * and ä"
	dialer, member, err := w.pair(ctx, service)
	if err != nil {
		t.Fatal(err)
	}
	defer dialer.Close()
	defer member.Close()
	if got, want := member.LocalAddr().String(), w.Account+"/"+service; got != want {
		t.Errorf("the member's address is %q, want %q", got, want)
	}
}

func refusal(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for service, want := range map[string]messaging.Kind{
		"refuse": messaging.NotFound, "break": messaging.InternalKind, "": messaging.Invalid, strings.Repeat("x", 5000): messaging.Invalid,
	} {
		var remote *messaging.RemoteError
		_, err := w.Tunnels.Open(ctx, w.Account, service)
		if !errors.As(err, &remote) || remote.Kind != want {
			t.Errorf("%.20q is refused with %v, want kind %s", service, err, want)
		}
		if service == "refuse" && !strings.Contains(err.Error(), "no service refuse here") {
			t.Errorf("the text of the refusal is %q", err)
		}
	}
	for _, account := range []string{"", "*", ">", "a.b"} {
		var remote *messaging.RemoteError
		if _, err := w.Tunnels.Open(ctx, account, "echo"); !errors.As(err, &remote) || remote.Kind != messaging.Invalid {
			t.Errorf("account %q gives %v", account, err)
		}
	}
	if err := exchange(w.open(ctx, t, "echo"), []byte("x")); err != nil {
		t.Errorf("after refusals: %v", err)
	}
}

func nobodyServes(t *testing.T, w *tunnels) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.Tunnels.Open(ctx, w.Account+"X", "echo")
	wants(t, err, messaging.ErrTimeout)
	if err := exchange(w.open(bounded(t), t, "echo"), []byte("x")); err != nil {
		t.Errorf("beside it: %v", err)
	}
}

// halfClose: one direction ends, the other goes on; from either side.
func halfClose(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for range 2 {
		dialer, member := w.mustPair(ctx, t)
		for _, ends := range [][2]messaging.Stream{{dialer, member}, {member, dialer}} {
			body := noise(1, 600<<10)
			if _, err := ends[0].Write(body); err != nil {
				t.Fatal(err)
			}
			if err := ends[0].CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := ends[0].Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write after it gives %v", err)
			}
			got, err := io.ReadAll(ends[1])
			if err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d of %d bytes came, %v", len(got), len(body), err)
			}
		}
		if _, err := dialer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after both ended: %v", err)
		}
	}
}

// closing: what was written before is delivered, then the reader sees the end, the
// other side's writer an error, and this side's calls fail.
func closing(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for _, flip := range []bool{false, true} {
		one, other := w.mustPair(ctx, t)
		if flip {
			one, other = other, one
		}
		body := noise(2, 700<<10)
		if _, err := one.Write(body); err != nil {
			t.Fatal(err)
		}
		reading := make(chan error, 1)
		go func() {
			_, err := one.Read(make([]byte, 1))
			reading <- err
		}()
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		wants(t, <-reading, net.ErrClosed)
		_, err := one.Write([]byte("x"))
		wants(t, err, net.ErrClosed)
		if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%d of %d bytes came, %v", len(got), len(body), err)
		}
		_ = other.SetWriteDeadline(time.Now().Add(limit))
		for err = nil; err == nil; _, err = other.Write(body) {
		}
		wants(t, err, io.ErrClosedPipe)
	}
}

func abort(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for _, flip := range []bool{false, true} {
		one, other := w.mustPair(ctx, t)
		if flip {
			one, other = other, one
		}
		if err := one.Abort(messaging.Unavailable); err != nil {
			t.Fatal(err)
		}
		var remote *messaging.RemoteError
		if _, err := io.ReadAll(other); !errors.As(err, &remote) || remote.Kind != messaging.Unavailable {
			t.Errorf("the other side reads %v", err)
		}
		if _, err := other.Write([]byte("x")); !errors.As(err, &remote) {
			t.Errorf("the other side's write gives %v", err)
		}
		_, err := one.Read(make([]byte, 1))
		wants(t, err, net.ErrClosed)
	}
}
