package probe

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
)

// nobody has no certificate.
func nobody() (tls.Certificate, *x509.CertPool) { return tls.Certificate{}, nil }

func newAuthority(t *testing.T, seed byte) *authority.Authority {
	t.Helper()
	a, err := authority.New("AFED", bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certified(t *testing.T, a *authority.Authority, member string) Identity {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.Certify(member, public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := authority.Open(key.Seed(), der, a.CA())
	if err != nil {
		t.Fatal(err)
	}
	return func() (tls.Certificate, *x509.CertPool) { return id.Certificate, id.Roots }
}

// agent answers like the port of one, at an address of this machine.
func agent(t *testing.T, own Identity, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(answer)
	server.TLS = authority.Server(own)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/alive" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text))
	}
}

func TestAgent(t *testing.T) {
	a, other := newAuthority(t, 1), newAuthority(t, 2)
	tokyo := certified(t, a, "tokyo")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	gone := closed.Listener.Addr().String()
	closed.Close()
	well := agent(t, tokyo, says(`{"member":"tokyo","incarnation":3,"hubAgeMillis":2960}`))

	for name, c := range map[string]struct {
		at   string
		own  Identity
		want Sight
	}{
		"well":               {well, certified(t, a, "osaka"), Sight{federation.Green, "it last heard a hub 3.0 s ago"}},
		"well, to a hub":     {well, a.Own, Sight{federation.Green, "it last heard a hub 3.0 s ago"}},
		"new":                {agent(t, tokyo, says(`{"member":"tokyo"}`)), a.Own, Sight{federation.Green, "it has heard no hub yet"}},
		"another member":     {agent(t, certified(t, a, "kyoto"), says(`{}`)), a.Own, Sight{federation.Red, "somebody else's certificate"}},
		"another federation": {agent(t, certified(t, other, "tokyo"), says(`{}`)), a.Own, Sight{federation.Red, "somebody else's certificate"}},
		"not taken":          {well, mixed(certified(t, other, "osaka"), a), Sight{federation.Red, "it does not take the certificate shown to it"}},
		"broken":             {agent(t, tokyo, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), a.Own, Sight{federation.Red, "answered 502"}},
		"gone":               {gone, a.Own, Sight{federation.Red, "connection refused"}},
		"stopped":            {silent.Addr().String(), a.Own, Sight{federation.Red, "no answer in 100 ms"}},
		"own link":           {"169.254.169.254:80", a.Own, Sight{federation.Red, "an address of the own link is not looked at"}},
		"nobody asks":        {well, nobody, Sight{federation.Absent, "no certificate of the federation yet"}},
		"no port":            {"", a.Own, Sight{federation.Absent, "no address to look at"}},
	} {
		t.Run(name, func(t *testing.T) {
			limit := 10 * time.Second
			if name == "stopped" {
				limit = 100 * time.Millisecond
			}
			got := Do(context.Background(), federation.ProbeRequest{Member: "tokyo", AgentAt: c.at, Timeout: limit}, c.own)
			if (Sight{got.Agent, got.AgentDetail}) != c.want || got.Signal != federation.Absent || got.Ingress != federation.Absent {
				t.Errorf("got %+v, want %v", got, c.want)
			}
		})
	}
}

// mixed shows one federation's certificate to members of another.
func mixed(own Identity, trusts *authority.Authority) Identity {
	return func() (tls.Certificate, *x509.CertPool) {
		certificate, _ := own()
		_, roots := trusts.Own()
		return certificate, roots
	}
}
