package member

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/messaging"
)

// door is a gateway of the tests: it answers what it is told to.
type door struct {
	gatewayv1.UnimplementedJoinServiceServer
	gateway
	ca      []byte
	answers chan error // nil: a yes
	asked   chan *gatewayv1.RenewRequest
}

func (d *door) Join(context.Context, *gatewayv1.JoinRequest) (*gatewayv1.JoinResponse, error) {
	return &gatewayv1.JoinResponse{UserJwt: "jwt", Account: "A1", BusUrls: []string{"tls://bus:1"}, BusCa: []byte("ca")}, <-d.answers
}

func (d *door) Renew(_ context.Context, r *gatewayv1.RenewRequest) (*gatewayv1.RenewResponse, error) {
	d.asked <- r
	return &gatewayv1.RenewResponse{UserJwt: "new"}, <-d.answers
}

func newDoor(t *testing.T) *door {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "gateway", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	pin := sha256.Sum256(certificate.Leaf.RawSubjectPublicKeyInfo)
	d := &door{
		gateway: gateway{Address: listener.Addr().String(), Pin: pin[:]}, ca: authority.Pair().Certificate,
		answers: make(chan error, 10), asked: make(chan *gatewayv1.RenewRequest, 10),
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})))
	gatewayv1.RegisterJoinServiceServer(server, d)
	go func() { _ = server.Serve(listener) }() // it ends with the test
	t.Cleanup(server.Stop)
	return d
}

// token is a join token of the gateway.
func (d *door) token() string {
	return d.Address + "#" + base64.RawURLEncoding.EncodeToString(d.Pin) + "#id.secret"
}

// newJoiner is an agent that can do nothing but join.
func newJoiner(t *testing.T, dir, token string) *Agent {
	t.Helper()
	state, err := openState(dir)
	must(t, err)
	t.Cleanup(state.close)
	key := func() (string, []byte, error) { return "public", []byte("seed"), nil }
	return &Agent{
		opts:  Options{Name: "tokyo", StateDir: dir, JoinToken: token, NoProbe: true, Keys: access.Keys{New: key}, NewSealKey: key},
		state: state, home: &ground{}, log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// ground is a cluster of the tests that belongs to whom it is told to.
type ground struct {
	marker kube.Marker
	lacks  error
}

func (g *ground) ID(context.Context) (string, error) {
	return "c1", nil
}
func (g *ground) CheckRights(context.Context, ...kube.Right) error { return g.lacks }
func (g *ground) Marker(context.Context) (kube.Marker, error)      { return g.marker, nil }
func (g *ground) Mark(_ context.Context, m kube.Marker) error      { g.marker = m; return nil }
func (g *ground) Unmark(_ context.Context, m kube.Marker) error {
	if g.marker == m {
		g.marker = kube.Marker{}
	}
	return nil
}

// TestJoinRights: an agent that may not do what it must does not ask, so its token is
// not used up.
func TestJoinRights(t *testing.T) {
	d := newDoor(t)
	a := newJoiner(t, t.TempDir(), d.token())
	a.home = &ground{lacks: errors.New("list+watch nodes")}
	d.answers <- nil
	if _, err := a.admitted(t.Context(), "c1"); err == nil || err.Error() != "not joined, and the join token was not used: list+watch nodes" {
		t.Errorf("got %v", err)
	}
	if len(d.answers) != 1 {
		t.Error("the gateway was asked")
	}
}

// TestMark: a cluster that was joined says so, also after somebody removed that, and an
// agent does not go on in a cluster that another agent has joined since.
func TestMark(t *testing.T) {
	own := kube.Marker{Federation: "F1", Member: "tokyo"}
	for _, c := range []struct {
		name   string
		found  kube.Marker
		marked bool
		want   string
	}{
		{"new", kube.Marker{}, false, ""},
		{"left as another", kube.Marker{Federation: "F1", Member: "osaka"}, false, ""},
		{"restart", own, true, ""},
		{"removed", kube.Marker{}, true, ""},
		{"another name since", kube.Marker{Federation: "F1", Member: "osaka"}, true, "the cluster has joined federation F1 as osaka since"},
		{"another federation since", kube.Marker{Federation: "F2", Member: "tokyo"}, true, "the cluster has joined federation F2 as tokyo since"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newJoiner(t, t.TempDir(), "")
			there := &ground{marker: c.found}
			a.home = there
			a.book = &book{id: identity{Member: "tokyo", Federation: "F1", Marked: c.marked}, write: a.state.writeIdentity}
			err := a.mark(t.Context())
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || there.marker != c.found {
					t.Errorf("got %v, marker %v", err, there.marker)
				}
				return
			}
			if err != nil || there.marker != own || !a.book.read().Marked {
				t.Errorf("got %v, marker %v, %+v", err, there.marker, a.book.read())
			}
		})
	}
}

// TestJoinRefused: whatever is wrong with a join ends it with one clear line, and leaves
// no identity behind.
func TestJoinRefused(t *testing.T) {
	d, other := newDoor(t), newDoor(t)
	wrong := *d
	wrong.Pin = other.Pin
	refuse := func(code codes.Code, text string) error { return status.Error(code, text) }
	for _, c := range []struct {
		name, token string
		answer      error
		want        string
	}{
		{"no token", "", nil, `not joined yet, and there is no join token: make one with "hansa token create --member tokyo"`},
		{"half a token", "127.0.0.1:1#x", nil, `the join token is not one: copy the whole line that "hansa token create" printed`},
		{"another gateway", wrong.token(), nil, "the gateway is not the one that made the join token: make a new token"},
		{"taken name", d.token(), refuse(codes.AlreadyExists, "join of tokyo: another cluster has joined under this name"), "join of tokyo: another cluster has joined under this name"},
		{"used token", d.token(), refuse(codes.PermissionDenied, "join of tokyo: the token was used already"), "join of tokyo: the token was used already"},
		{"expired token", d.token(), refuse(codes.PermissionDenied, "join of tokyo: the token expired at noon"), "join of tokyo: the token expired at noon"},
		{"another's token", d.token(), refuse(codes.PermissionDenied, "join of tokyo: the token is for member osaka"), "join of tokyo: the token is for member osaka"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newJoiner(t, t.TempDir(), c.token)
			d.answers <- c.answer
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := a.admitted(ctx, "c1")
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if _, joined, err := a.state.readIdentity(); joined || err != nil {
				t.Errorf("it has an identity: %v, %v", joined, err)
			}
			for len(d.answers) > 0 {
				t.Logf("nobody asked for %v", <-d.answers)
			}
		})
	}
}

// TestJoinIsRemembered: an agent joins once, as soon as a gateway can be reached, and
// only its own cluster goes on under its identity.
func TestJoinIsRemembered(t *testing.T) {
	d := newDoor(t)
	dir := t.TempDir()
	a := newJoiner(t, dir, d.token())
	d.answers <- status.Error(codes.Unavailable, "no hub answers")
	d.answers <- nil
	id, err := a.admitted(t.Context(), "c1")
	must(t, err)
	if id.JWT != "jwt" || string(id.Seed) != "seed" || id.Account != "A1" || id.Gateway.Address != d.Address || string(id.Gateway.Pin) != string(d.Pin) {
		t.Errorf("it is %+v", id)
	}
	again, err := a.admitted(t.Context(), "c1")
	if err != nil || again.JWT != id.JWT {
		t.Errorf("a second time it is %+v, %v", again, err)
	}
	if _, err := a.admitted(t.Context(), "c2"); err == nil || !strings.Contains(err.Error(), "belongs to cluster c1, and this is cluster c2") {
		t.Errorf("for another cluster: %v", err)
	}
	a.opts.Name = "osaka"
	if _, err := a.admitted(t.Context(), "c1"); err == nil || !strings.Contains(err.Error(), "belongs to member tokyo") {
		t.Errorf("under another name: %v", err)
	}
}

// TestAskGateway: an agent asks the gateways that it knows for new credentials, trusts
// those that it knows or whose certificate a CA of the bus signed, and tells a refusal
// from a gateway that is away.
func TestAskGateway(t *testing.T) {
	d := newDoor(t)
	ask := func(token string, known gateway, ca []byte) (federation.RotationReply, error) {
		a := &Agent{opts: Options{JoinToken: token}, book: &book{id: identity{Gateway: known, State: access.State{Credentials: access.Credentials{BusCA: ca}}}}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return a.askGateway(ctx, federation.Rotation{Member: "tokyo", Key: "K1", NewKey: "K2", At: time.UnixMilli(1), Signature: []byte("s")})
	}
	fails := func(what string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	away := gateway{Address: "127.0.0.1:1", Pin: d.Pin}
	replaced := gateway{Address: d.Address, Pin: away.Pin[:4]}

	d.answers <- nil
	reply, err := ask("", d.gateway, nil)
	if err != nil || reply.UserJWT != "new" {
		t.Errorf("got %+v, %v", reply, err)
	}
	if r := <-d.asked; r.GetMember() != "tokyo" || r.GetUserKey() != "K1" || r.GetNewUserKey() != "K2" || r.GetAt().AsTime().UnixMilli() != 1 || string(r.GetSignature()) != "s" {
		t.Errorf("it asks %v", r)
	}
	d.answers <- nil
	if _, err := ask(d.token(), away, nil); err != nil {
		t.Errorf("by the gateway of the configuration: %v", err)
	}
	d.answers <- nil
	if _, err := ask((&door{gateway: away}).token(), d.gateway, nil); err != nil {
		t.Errorf("by the second gateway: %v", err)
	}
	d.answers <- nil
	if _, err := ask("", replaced, d.ca); err != nil {
		t.Errorf("with a new key that the CA of the bus signed: %v", err)
	}
	_, err = ask("", replaced, newDoor(t).ca)
	fails("a stranger", err, errWrongGateway.Error())
	_, err = ask("", gateway{}, nil)
	fails("no gateway", err, "no gateway is known")
	_, err = ask("", away, nil)
	fails("a gateway that is away", err, "127.0.0.1:1")
	d.answers <- status.Error(codes.NotFound, "tokyo is no member any more")
	_, err = ask("", d.gateway, nil)
	var remote *messaging.RemoteError
	if !errors.As(err, &remote) || remote.Kind != messaging.NotFound || remote.Text != "tokyo is no member any more" {
		t.Errorf("a refusal: %v", err)
	}
}

// TestSigned: a certificate counts for its own names only.
func TestSigned(t *testing.T) {
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "x", IPs: []net.IP{net.IPv4(10, 0, 0, 1)}})
	must(t, err)
	block, _ := pem.Decode(pair.Certificate)
	crt, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	ca := authority.Pair().Certificate
	for name, want := range map[string]bool{"10.0.0.1": true, "10.0.0.2": false, "x": false} {
		if got := signed([]*x509.Certificate{crt}, name, ca); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if signed([]*x509.Certificate{crt}, "10.0.0.1", nil) {
		t.Error("without a CA")
	}
}
