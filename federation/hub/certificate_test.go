package hub_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/peer"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// newAuthority is the one that every hub of a test has: it follows from their keys.
func newAuthority(t testing.TB) *authority.Authority {
	t.Helper()
	a, err := authority.New("F1", bytes.Repeat([]byte{7}, ed25519.SeedSize))
	must(t, err)
	return a
}

// ownPort is the part of an agent that answers beside the bus.
type ownPort struct {
	papers atomic.Pointer[authority.Identity]
	says   atomic.Pointer[string] // where it is; nil: it has no port
}

func (p *ownPort) own() (tls.Certificate, *x509.CertPool) {
	if id := p.papers.Load(); id != nil {
		return id.Certificate, id.Roots
	}
	return tls.Certificate{}, nil
}

func (p *ownPort) reachedAt() string {
	if at := p.says.Load(); at != nil {
		return *at
	}
	return ""
}

// newCertified joins a member whose agent has a certificate and a port of its own, that of
// the real agent.
func (w *world) newCertified(name, region string) *agent {
	w.t.Helper()
	a := &agent{w: w, name: name, cluster: "cluster-" + name, region: region, keys: newSealKeys(w.t), runs: map[federation.Key]federation.Work{}}
	port, err := peer.New(peer.Options{
		Listen: "127.0.0.1:0", Identity: a.own,
		Alive: func() federation.Alive { return federation.Alive{Member: name, Incarnation: 1} },
		Attest: func(_ context.Context, from string, body []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%s: %s", from, body), nil
		},
	})
	must(w.t, err)
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- port.Serve(ctx) }()
	w.t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	at := port.Addr().String()
	a.says.Store(&at)
	a.serveAPI()
	a.join()
	a.start()
	a.certify()
	return a
}

// certify gets the agent a certificate from whichever hub leads.
func (a *agent) certify() {
	a.w.t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	must(a.w.t, err)
	reply, err := a.askCertificate(a.name, public)
	must(a.w.t, err)
	id, err := authority.Open(key.Seed(), reply.Certificate, reply.CA)
	must(a.w.t, err)
	if id.Name() != a.name {
		a.w.t.Fatalf("%s got the certificate of %s", a.name, id.Name())
	}
	a.papers.Store(&id)
}

func (a *agent) askCertificate(member string, public []byte) (federation.CertificateReply, error) {
	b, err := askUntilHeard(a.w.t.Context(), a.conn, subject.MemberUp(subject.UpCertificate), federationv1.EncodeCertificateRequest(federation.CertificateRequest{
		Member: member, PublicKey: public,
	}))
	if err != nil {
		return federation.CertificateReply{}, err
	}
	return federationv1.DecodeCertificateReply(b)
}

// TestCertificates: what one hub certified and what the next one did are of one
// federation.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("first")
	tokyo, osaka := w.newCertified("tokyo", "ap-northeast"), w.newCertified("osaka", "ap-northeast")
	w.asksBeside("osaka", osaka, tokyo)
	first.stop()
	w.startHub("second")
	osaka.certify()
	w.asksBeside("osaka", osaka, tokyo)
	w.asksBeside("tokyo", tokyo, osaka)

	public, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	_, err = tokyo.askCertificate("osaka", public)
	refusal(t, err, messaging.Denied, "account "+tokyo.account+` speaks about member "osaka", which is not its own`)
	_, err = tokyo.askCertificate("tokyo", public[:5])
	refusal(t, err, messaging.Invalid, "certify tokyo: a public key of 5 bytes, want 32")
	_, err = w.ask(subject.HubToken, federationv1.EncodeTokenRequest(federation.TokenRequest{Member: "hub", TTL: time.Hour}))
	refusal(t, err, messaging.Invalid, `member name "hub": the hubs have it; choose another`)
}

// asksBeside has one agent ask another at its own port.
func (w *world) asksBeside(name string, from, to *agent) {
	w.t.Helper()
	answer, err := peer.NewClient(from.own).Ask(w.t.Context(), federation.Peer{Member: to.name, At: to.reachedAt()}, []byte("hello"))
	if err != nil || string(answer) != name+": hello" {
		w.t.Errorf("%s heard %q of %s: %v", name, answer, to.name, err)
	}
}

// TestAgentEvidence: where an agent is, is in its member's record, and hub and members look
// there when it falls silent. What is no address is not.
func TestAgentEvidence(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo, osaka := w.newCertified("tokyo", "ap-northeast"), w.newCertified("osaka", "eu-central")
	await(w, members, subject.MemberKey("tokyo"), func(s federation.MemberSpec) bool { return s.AgentAt == tokyo.reachedAt() })
	w.healthy("tokyo", "osaka")
	tokyo.silence()
	w.within("what is seen of its agent", func() bool {
		seen := w.lookedAt("tokyo", "agent")
		return slices.Contains(seen, "hub green it has heard no hub yet") && slices.Contains(seen, "osaka green it has heard no hub yet")
	})
	osaka.says.Store(new("nowhere"))
	osaka.silence()
	osaka.start()
	await(w, members, subject.MemberKey("osaka"), func(s federation.MemberSpec) bool { return s.AgentAt == "" })
}

// silence ends what the agent says on the bus, and nothing else of it.
func (a *agent) silence() {
	a.end()
	a.ended.Wait()
	a.conn.Close()
}

// lookedAt says what each observer says of one thing of a member.
func (w *world) lookedAt(member, what string) []string {
	w.t.Helper()
	b, err := w.ask(subject.HubDescribe, federationv1.EncodeDescribeRequest(member))
	must(w.t, err)
	list, err := federationv1.DecodeEvidence(b)
	must(w.t, err)
	var out []string
	for _, e := range list {
		if e.What == what {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %v %s", e.Observer, e.Signal, e.Detail)))
		}
	}
	return out
}
