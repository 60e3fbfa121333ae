package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/federation/probe"
)

// world is one federation's authority.
type world struct {
	t         testing.TB
	authority *authority.Authority
}

func newWorld(t testing.TB, seed byte) world {
	t.Helper()
	a, err := authority.New("AFED", bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return world{t: t, authority: a}
}

// identity certifies a member at a time.
func (w world) identity(member string, at time.Time) Identity {
	w.t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := w.authority.Certify(member, public, at)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := authority.Open(key.Seed(), der, w.authority.CA())
	if err != nil {
		w.t.Fatal(err)
	}
	return func() (tls.Certificate, *x509.CertPool) { return id.Certificate, id.Roots }
}

func (w world) member(name string) Identity { return w.identity(name, time.Now()) }

func none() (tls.Certificate, *x509.CertPool) { return tls.Certificate{}, nil }

// echo attests to whom it heard, and what.
func echo(_ context.Context, from string, body []byte) ([]byte, error) {
	if string(body) == "no" {
		return nil, errors.New("it runs elsewhere")
	}
	return fmt.Appendf(nil, "%s: %s", from, body), nil
}

// serve runs a server of the member until the test ends.
func serve(t testing.TB, opts Options) federation.Peer {
	t.Helper()
	opts.Listen = "127.0.0.1:0"
	age := int64(3000)
	opts.Alive = func() federation.Alive {
		return federation.Alive{Member: "tokyo", Incarnation: 7, HubAgeMillis: &age}
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
	return federation.Peer{Member: "tokyo", At: s.Addr().String()}
}

func TestAsk(t *testing.T) {
	w := newWorld(t, 1)
	at := serve(t, Options{Identity: w.member("tokyo"), Attest: echo})
	osaka := NewClient(w.member("osaka"))
	if answer, err := osaka.Ask(t.Context(), at, []byte("hello")); err != nil || string(answer) != "osaka: hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	if answer, err := NewClient(w.authority.Own).Ask(t.Context(), at, []byte("hello")); err != nil || string(answer) != "hub: hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	whole := bytes.Repeat([]byte("x"), MaxBody-len("osaka: "))
	if answer, err := osaka.Ask(t.Context(), at, whole); err != nil || len(answer) != MaxBody {
		t.Errorf("got %d bytes, %v", len(answer), err)
	}
	var refusal *Refusal
	if _, err := osaka.Ask(t.Context(), at, []byte("no")); !errors.As(err, &refusal) || refusal.Error() != "the agent of tokyo refuses: it runs elsewhere" {
		t.Errorf("a refusal came as %v", err)
	}
	mute := serve(t, Options{Identity: w.member("tokyo")})
	if _, err := osaka.Ask(t.Context(), mute, []byte("hello")); !errors.As(err, &refusal) || refusal.Reason != "it attests nothing" {
		t.Errorf("who attests nothing says %v", err)
	}
}

// TestAskNobodyElse: no refusal, which would be the word of the member, comes from anybody
// else, and nobody without a certificate is heard.
func TestAskNobodyElse(t *testing.T) {
	w, other := newWorld(t, 1), newWorld(t, 2)
	past := time.Now().Add(-authority.Lifetime - time.Minute)
	var asked atomic.Int64
	count := func(context.Context, string, []byte) ([]byte, error) {
		asked.Add(1)
		return nil, nil
	}
	for name, c := range map[string]struct {
		server, client Identity
		member, want   string
	}{
		"client of another federation": {w.member("tokyo"), other.member("osaka"), "tokyo", "certificate"},
		"client expired":               {w.member("tokyo"), w.identity("osaka", past), "tokyo", "certificate"},
		"client without certificate":   {w.member("tokyo"), none, "tokyo", authority.ErrNone.Error()},
		"server of another federation": {other.member("tokyo"), w.member("osaka"), "tokyo", "unknown authority"},
		"server expired":               {w.identity("tokyo", past), w.member("osaka"), "tokyo", "expired"},
		"server without certificate":   {none, w.member("osaka"), "tokyo", ""},
		"another member answers":       {w.member("tokyo"), w.member("osaka"), "kyoto", "valid for tokyo, not kyoto"},
		"a hub's name is no member's":  {w.authority.Own, w.member("osaka"), "tokyo", "valid for hub, not tokyo"},
	} {
		t.Run(name, func(t *testing.T) {
			at := serve(t, Options{Identity: c.server, Attest: count})
			at.Member = c.member
			_, err := NewClient(c.client).Ask(t.Context(), at, []byte("hello"))
			var refusal *Refusal
			if err == nil || errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("%d questions came through", n)
	}
}

// get asks with a client that is not ours.
func get(t *testing.T, identity Identity, at federation.Peer, request *http.Request) (status int, body []byte) {
	t.Helper()
	secret, err := authority.Client(identity, at.Member)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{TLSClientConfig: secret, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

func TestAlive(t *testing.T) {
	w := newWorld(t, 1)
	at := serve(t, Options{Identity: w.member("tokyo")})
	status, text := get(t, w.member("osaka"), at, httpRequest(t, http.MethodGet, "https://"+at.At+probe.AlivePath, nil))
	var got federation.Alive
	if err := json.Unmarshal(text, &got); err != nil || status != http.StatusOK {
		t.Fatalf("got %d, %v", status, err)
	}
	if got.Member != "tokyo" || got.Incarnation != 7 || got.HubAgeMillis == nil || *got.HubAgeMillis != 3000 {
		t.Errorf("got %+v", got)
	}
	if text, _ := json.Marshal(federation.Alive{Member: "tokyo"}); strings.Contains(string(text), "hubAge") {
		t.Errorf("never heard reads %s", text)
	}
}

func httpRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestOversize(t *testing.T) {
	w := newWorld(t, 1)
	at := serve(t, Options{Identity: w.member("tokyo"), Attest: echo})
	long := bytes.Repeat([]byte("x"), MaxBody+1)
	if _, err := NewClient(w.member("osaka")).Ask(t.Context(), at, long); err == nil {
		t.Error("our client sends what is too long")
	}
	if status, _ := get(t, w.member("osaka"), at, httpRequest(t, http.MethodPost, "https://"+at.At+attestPath, bytes.NewReader(long))); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too long got %d", status)
	}
	request := httpRequest(t, http.MethodGet, "https://"+at.At+probe.AlivePath, nil)
	request.Header.Set("X-Long", strings.Repeat("x", 3*maxHeader))
	if status, _ := get(t, w.member("osaka"), at, request); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header that is too long got %d", status)
	}
}

// TestSlow: who says nothing, or half of a request, is sent away, whether known or not.
func TestSlow(t *testing.T) {
	w := newWorld(t, 1)
	at := serve(t, Options{Identity: w.member("tokyo"), Attest: echo})
	t.Run("no handshake", func(t *testing.T) {
		t.Parallel()
		conn, err := net.Dial("tcp", at.At)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		awaitEnd(t, conn)
	})
	t.Run("half a header", func(t *testing.T) {
		t.Parallel()
		secret, err := authority.Client(w.member("osaka"), "tokyo")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := tls.Dial("tcp", at.At, secret)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("POST /v1/attest HTTP/1.1\r\nHost: tok")); err != nil {
			t.Fatal(err)
		}
		awaitEnd(t, conn)
	})
}

// awaitEnd reads until the other side ends the connection, for longer than that should take.
func awaitEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * requestLimit)); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, conn)
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		t.Error("a slow client keeps its connection")
	}
}

// TestBounded: who comes when it is full is turned away, and heard when there is room.
func TestBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(inner, 1)
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	dial()
	first := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("the second connection was heard")
	}
	first.Close()
	first.Close() // gives one slot back, not two
	dial()
	second := <-accepted
	if _, err := dial().Read(make([]byte, 1)); err == nil {
		t.Error("a slot was given back twice")
	}
	second.Close()
}

func TestNewRefuses(t *testing.T) {
	alive := func() federation.Alive { return federation.Alive{} }
	for name, opts := range map[string]Options{
		"no address":  {Identity: none, Alive: alive},
		"no identity": {Listen: "127.0.0.1:0", Alive: alive},
		"no alive":    {Listen: "127.0.0.1:0", Identity: none},
		"no port":     {Listen: "127.0.0.1", Identity: none, Alive: alive},
	} {
		if s, err := New(opts); err == nil {
			s.Close()
			t.Errorf("%s: a server was made", name)
		}
	}
}
