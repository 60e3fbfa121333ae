package authority

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

func newAuthority(t *testing.T, seed byte) *Authority {
	t.Helper()
	a, err := New("AFED", bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func identity(t *testing.T, a *Authority, member string, now time.Time) Identity {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.Certify(member, public, now)
	if err != nil {
		t.Fatal(err)
	}
	id, err := Open(key.Seed(), der, a.CA())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func own(i Identity) func() (tls.Certificate, *x509.CertPool) {
	return func() (tls.Certificate, *x509.CertPool) { return i.Certificate, i.Roots }
}

// talk makes a handshake of both sides and returns whom the server heard.
func talk(t *testing.T, server Identity, client Identity, to string) (caller string, serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config, err := Client(own(client), to)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() {
		far, err := listener.Accept()
		if err != nil {
			heard <- err
			return
		}
		hearing := tls.Server(far, Server(own(server)))
		defer hearing.Close()
		if err = hearing.Handshake(); err == nil {
			s := hearing.ConnectionState()
			caller = Caller(&s)
			_, err = hearing.Write([]byte("!"))
		}
		heard <- err
	}()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	asking := tls.Client(near, config)
	_, clientErr = asking.Read(make([]byte, 1)) // in TLS 1.3 a client learns of its refusal when it reads
	near.Close()
	serverErr = <-heard
	return caller, serverErr, clientErr
}

// Two hubs that share the secret are one authority: the agent that one of them certified
// hears the agent that the other did.
func TestHubsAreOneAuthority(t *testing.T) {
	first, second := newAuthority(t, 1), newAuthority(t, 1)
	if !bytes.Equal(first.CA(), second.CA()) {
		t.Fatal("two hubs have two certificates of one authority")
	}
	tokyo, osaka := identity(t, first, "tokyo", time.Now()), identity(t, second, "osaka", time.Now())
	caller, serverErr, clientErr := talk(t, tokyo, osaka, "tokyo")
	if caller != "osaka" || serverErr != nil || clientErr != nil {
		t.Errorf("tokyo heard %q: %v, %v", caller, serverErr, clientErr)
	}
	certificate, roots := second.Own()
	caller, serverErr, clientErr = talk(t, tokyo, Identity{Certificate: certificate, Roots: roots}, "tokyo")
	if caller != Hub || serverErr != nil || clientErr != nil {
		t.Errorf("tokyo heard %q: %v, %v", caller, serverErr, clientErr)
	}
}

func TestStrangers(t *testing.T) {
	a, other := newAuthority(t, 1), newAuthority(t, 2)
	now := time.Now()
	tokyo, osaka := identity(t, a, "tokyo", now), identity(t, a, "osaka", now)
	past := now.Add(-Lifetime - time.Minute)
	for name, c := range map[string]struct {
		server, client Identity
		to             string
	}{
		"client of another federation": {tokyo, identity(t, other, "osaka", now), "tokyo"},
		"server of another federation": {identity(t, other, "tokyo", now), osaka, "tokyo"},
		"client expired":               {tokyo, identity(t, a, "osaka", past), "tokyo"},
		"server expired":               {identity(t, a, "tokyo", past), osaka, "tokyo"},
		"server is another member":     {tokyo, osaka, "kyoto"},
	} {
		t.Run(name, func(t *testing.T) {
			if caller, serverErr, clientErr := talk(t, c.server, c.client, c.to); serverErr == nil || clientErr == nil {
				t.Errorf("%q was heard: %v, %v", caller, serverErr, clientErr)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	a := newAuthority(t, 1)
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Certify(Hub, public, time.Now()); err == nil {
		t.Error("a member got the certificate of a hub")
	}
	if _, err := a.Certify("tokyo", public[:31], time.Now()); err == nil {
		t.Error("a short key was certified")
	}
	if _, err := New("AFED", []byte("short")); err == nil {
		t.Error("a short seed makes an authority")
	}
	der, err := a.Certify("tokyo", public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := ed25519.GenerateKey(rand.Reader)
	stolen, err := a.Certify("tokyo", other, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][3][]byte{
		"key of another":       {key.Seed(), stolen, a.CA()},
		"another authority":    {key.Seed(), der, newAuthority(t, 2).CA()},
		"no authority":         {key.Seed(), der, nil},
		"no certificate":       {key.Seed(), nil, a.CA()},
		"half of a key":        {key.Seed()[:16], der, a.CA()},
		"its own as authority": {key.Seed(), der, der},
	} {
		if _, err := Open(parts[0], parts[1], parts[2]); err == nil {
			t.Errorf("%s: was opened", name)
		}
	}
	none := func() (tls.Certificate, *x509.CertPool) { return tls.Certificate{}, nil }
	if _, err := Client(none, "tokyo"); !errors.Is(err, ErrNone) {
		t.Errorf("without a certificate: %v", err)
	}
}

// The last third is where another certificate is wanted.
func TestRenewAt(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	id := identity(t, newAuthority(t, 1), "tokyo", now)
	if left := now.Add(Lifetime).Sub(id.RenewAt()); left < Lifetime/3 || left > Lifetime/3+backdate {
		t.Errorf("renewed %v before the end", left)
	}
	if id.Name() != "tokyo" || (Identity{}).Name() != "" || !(Identity{}).RenewAt().IsZero() {
		t.Errorf("%q", id.Name())
	}
}
