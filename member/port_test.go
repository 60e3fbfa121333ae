package member

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// ported is an agent with nothing but what its own port needs, in a state directory.
func ported(t *testing.T, dir string, opts Options) *Agent {
	t.Helper()
	state, err := openState(dir)
	must(t, err)
	id, _, err := state.readIdentity()
	must(t, err)
	opts.Name = "tokyo"
	a := &Agent{
		opts: opts, log: slog.New(slog.NewTextHandler(t.Output(), nil)), state: state, incarnation: 3, greeted: make(chan struct{}),
		book: &book{id: id, write: state.writeIdentity},
	}
	a.hub.Store(&hubHeard{})
	return a
}

func (a *Agent) endPorted() {
	a.closePort()
	a.state.close()
}

// TestPortStays: with any port to choose from, the next life listens where the last one
// did, unless somebody else does by then.
func TestPortStays(t *testing.T) {
	dir := t.TempDir()
	life := func(opts Options) string {
		t.Helper()
		a := ported(t, dir, opts)
		defer a.endPorted()
		must(t, a.openPort())
		return a.portAddress()
	}
	anyPort := Options{PeerListen: "127.0.0.1:0"}
	first := life(anyPort)
	if again := life(anyPort); again != first {
		t.Errorf("it was at %s and is at %s", first, again)
	}
	if at := life(Options{PeerListen: "127.0.0.1:0", PeerAddress: "agent.example:7444"}); at != "agent.example:7444" {
		t.Errorf("it says that it is at %s", at)
	}
	if at := life(Options{}); at != "" {
		t.Errorf("without a port it is at %s", at)
	}
	taken, err := net.Listen("tcp", first)
	must(t, err)
	defer taken.Close()
	second := life(anyPort)
	if second == first || life(anyPort) != second {
		t.Errorf("with %s taken it is at %s first", first, second)
	}
}

func TestNewWantsAnAddress(t *testing.T) {
	for listen, refused := range map[string]bool{":7444": true, "0.0.0.0:7444": true, "[::]:7444": true, "127.0.0.1:7444": false, "agent.example:7444": false} {
		if everywhere(listen) != refused {
			t.Errorf("%s: everywhere is %v", listen, !refused)
		}
	}
	if _, err := New(Options{Name: "tokyo", StateDir: t.TempDir(), PeerListen: ":7444"}); err == nil {
		t.Error("an agent listens everywhere and says nowhere")
	}
}

// certifier is a hub that does nothing but certify.
type certifier struct {
	authority *authority.Authority
	mu        sync.Mutex
	keys      [][]byte // that it was asked for
	silent    bool
}

func (c *certifier) answer(_ context.Context, m messaging.Message) ([]byte, error) {
	r, err := federationv1.DecodeCertificateRequest(m.Data)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, r.PublicKey)
	if c.silent {
		return nil, messaging.Errorf(messaging.Unavailable, "not now")
	}
	der, err := c.authority.Certify(r.Member, r.PublicKey, time.Now())
	return federationv1.EncodeCertificateReply(federation.CertificateReply{Certificate: der, CA: c.authority.CA()}), err
}

func (c *certifier) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

// TestCertificateIsKept: an agent has one certificate after the other, each with a key of
// its own, and its next life shows the last one without asking anybody.
func TestCertificateIsKept(t *testing.T) {
	const day = 24 * time.Hour
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		made, err := authority.New("F1", bytes.Repeat([]byte{1}, ed25519.SeedSize))
		must(t, err)
		hub, bus := &certifier{authority: made}, &line{Bus: inproc.New()}
		ctx, cancel := context.WithCancel(t.Context())
		var roles sync.WaitGroup
		roles.Go(func() { _ = bus.Respond(ctx, subject.MemberUp(subject.UpCertificate), hub.answer) }) // ends with ctx
		synctest.Wait()
		a := ported(t, dir, Options{})
		a.control = bus
		must(t, a.openPort())
		roles.Go(func() { must(t, a.keepCertificate(ctx)) })
		wait(ctx, day)
		if hub.asked() != 0 {
			t.Fatal("it asks before any hub has answered")
		}
		close(a.greeted)
		wait(ctx, 14*day)
		if n := hub.asked(); n != 4 || bytes.Equal(hub.keys[0], hub.keys[1]) {
			t.Errorf("%d certificates in two weeks", n)
		}
		hub.mu.Lock()
		hub.silent = true
		hub.mu.Unlock()
		wait(ctx, 6*day)
		last := *a.papers.Load()
		if n := hub.asked(); n < 100 || n > 2*24*60+100 || last.RenewAt().After(time.Now()) || last.Name() != "tokyo" {
			t.Errorf("asked %d times, and has that of %q", n, last.Name())
		}
		cancel()
		roles.Wait()
		a.endPorted()

		next := ported(t, dir, Options{})
		defer next.endPorted()
		must(t, next.openPort())
		if shown, roots := next.identity(); roots == nil || !bytes.Equal(shown.Certificate[0], last.Certificate.Certificate[0]) {
			t.Error("the next life has lost the certificate")
		}
		next.opts.Name = "osaka"
		if err := next.openPapers(); err == nil {
			t.Error("one member shows the certificate of another")
		}
		if _, roots := next.identity(); roots != nil {
			t.Error("what was refused is shown")
		}
	})
}
