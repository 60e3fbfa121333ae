package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, name string) *Authority {
	t.Helper()
	authority, err := NewAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// TestIssueIsTrustedByItsAuthority verifies certificates as the two sides of a
// connection do.
func TestIssueIsTrustedByItsAuthority(t *testing.T) {
	own, other := newAuthority(t, "tokyo"), newAuthority(t, "frankfurt")
	server := Request{CommonName: "api", DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
	client := Request{CommonName: "user", Organizations: []string{"group"}}
	asServer, asClient := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, test := range []struct {
		name    string
		signer  *Authority
		request Request
		host    string
		usage   x509.ExtKeyUsage
		ok      bool
	}{
		{"server by address", own, server, "127.0.0.1", asServer, true},
		{"server by name", own, server, "localhost", asServer, true},
		{"server under another name", own, server, "example.org", asServer, false},
		{"server as client", own, server, "", asClient, false},
		{"client", own, client, "", asClient, true},
		{"client as server", own, client, "", asServer, false},
		{"foreign server", other, server, "127.0.0.1", asServer, false},
		{"foreign client", other, client, "", asClient, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := verify(t, own, test.signer, test.request, x509.VerifyOptions{
				DNSName: test.host, KeyUsages: []x509.ExtKeyUsage{test.usage}, CurrentTime: now,
			})
			if (err == nil) != test.ok {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestIssueCarriesUserAndGroups(t *testing.T) {
	pair, err := newAuthority(t, "tokyo").Issue(Request{CommonName: "user", Organizations: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tls.X509KeyPair(pair.Certificate, pair.Key); err != nil {
		t.Fatal(err)
	}
	certificate, err := parseCertificate(pair.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if got := certificate.Subject; got.CommonName != "user" || !slices.Equal(got.Organization, []string{"a", "b"}) {
		t.Fatalf("got %v", got)
	}
}

func TestLifetime(t *testing.T) {
	authority := newAuthority(t, "tokyo")
	for _, test := range []struct {
		at time.Time
		ok bool
	}{
		{now.Add(-2 * time.Hour), false},
		{now, true},
		{authority.NotAfter(), true},
		{authority.NotAfter().Add(time.Second), false},
	} {
		err := verify(t, authority, authority, Request{CommonName: "user"}, x509.VerifyOptions{
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: test.at,
		})
		if (err == nil) != test.ok {
			t.Errorf("at %v: %v", test.at, err)
		}
	}
	if want := now.Add(Lifetime); !authority.NotAfter().Equal(want) {
		t.Fatalf("expires %v, want %v", authority.NotAfter(), want)
	}
}

// verify issues a certificate by signer and checks it against trusted.
func verify(t *testing.T, trusted, signer *Authority, request Request, options x509.VerifyOptions) error {
	t.Helper()
	pair, err := signer.Issue(request)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := parseCertificate(pair.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	options.Roots = x509.NewCertPool()
	options.Roots.AppendCertsFromPEM(trusted.Pair().Certificate)
	_, err = certificate.Verify(options)
	return err
}

func TestAuthorityReadsBack(t *testing.T) {
	authority := newAuthority(t, "tokyo")
	back, err := ParseAuthority(authority.Pair())
	if err != nil {
		t.Fatal(err)
	}
	err = verify(t, authority, back, Request{CommonName: "user"}, x509.VerifyOptions{
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, CurrentTime: now,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestParseAuthorityRefuses(t *testing.T) {
	authority := newAuthority(t, "tokyo")
	leaf, err := authority.Issue(Request{CommonName: "user"})
	if err != nil {
		t.Fatal(err)
	}
	good := authority.Pair()
	for name, pair := range map[string]Pair{
		"nothing":             {},
		"no key":              {Certificate: good.Certificate},
		"key of another":      {Certificate: good.Certificate, Key: leaf.Key},
		"leaf":                leaf,
		"certificate as key":  {Certificate: good.Certificate, Key: good.Certificate},
		"damaged certificate": {Certificate: encode("CERTIFICATE", []byte("x")), Key: good.Key},
	} {
		if _, err := ParseAuthority(pair); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNewKeyPairBelongsTogether(t *testing.T) {
	pair, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	private, err := parseKey(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil || string(encode("PUBLIC KEY", public)) != string(pair.Certificate) {
		t.Fatalf("the public key is another: %v", err)
	}
}
