// Package authority is the certificate authority of one federation: it certifies the
// agents and the hubs for what they say to each other beside the bus.
//
// Its key follows from a secret that all hubs share, and its own certificate from the key
// alone: every hub, in every life, has the same, and none keeps a file for it. Whose
// certificate it is, is in its common name and its only DNS name: a member's name, or Hub.
//
// A certificate holds for a week and is not revoked before. So it says who somebody is,
// and not that he is still a member: that is for the hub's records to say.
//
// An Authority is safe for concurrent use.
package authority

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

// Hub is the name of every hub. No member has it.
const Hub = "hub"

// Lifetime of a certificate.
const Lifetime = 7 * 24 * time.Hour

// backdate tolerates clocks that differ a little.
const backdate = time.Hour

// The authority's own certificate is the same everywhere, so its times are fixed. The end
// is how X.509 says that there is none.
var (
	began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// Authority signs certificates.
type Authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate

	mu  sync.Mutex
	own Identity // the hub's; zero until it is asked for
}

// New returns the authority whose key has the seed, 32 secret bytes. The name of the
// federation is in its certificate, for people.
func New(federation string, seed []byte) (*Authority, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("new authority: a seed of %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	der, err := sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hansa federation " + federation}, NotBefore: began, NotAfter: never,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	return &Authority{key: key, cert: cert}, nil
}

// CA is the authority's own certificate, DER.
func (a *Authority) CA() []byte { return a.cert.Raw }

// Certify returns a certificate, DER, for the member's public key, which holds from now
// for Lifetime. Nobody proves here that he has the private key: whoever has not can do
// nothing with the certificate.
func (a *Authority) Certify(member string, public ed25519.PublicKey, now time.Time) ([]byte, error) {
	if member == Hub || member == "" {
		return nil, fmt.Errorf("certify %q: no member has this name", member)
	}
	return a.certify(member, public, now)
}

func (a *Authority) certify(name string, public ed25519.PublicKey, now time.Time) ([]byte, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("certify %s: a public key of %d bytes, want %d", name, len(public), ed25519.PublicKeySize)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", name, err)
	}
	der, err := sign(&x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(Lifetime), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, public, a.key)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", name, err)
	}
	return der, nil
}

// sign makes a certificate; one without a parent is signed by itself.
func sign(template, parent *x509.Certificate, public any, key ed25519.PrivateKey) ([]byte, error) {
	if parent == nil {
		parent = template
	}
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}

// Own is what a hub shows and whom it trusts. Its key is made in this process, and again
// when its certificate has come to its last third.
func (a *Authority) Own() (tls.Certificate, *x509.CertPool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.own.RenewAt().Before(now) {
		fresh, err := a.newOwn(now)
		if err != nil {
			panic(fmt.Sprintf("authority: sign for a hub: %v", err)) // only without chance, and without that nothing runs
		}
		a.own = fresh
	}
	return a.own.Certificate, a.own.Roots
}

func (a *Authority) newOwn(now time.Time) (Identity, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Identity{}, err
	}
	der, err := a.certify(Hub, public, now)
	if err != nil {
		return Identity{}, err
	}
	return Open(key.Seed(), der, a.CA())
}

// Identity is who somebody is, and whom he trusts.
type Identity struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// Open puts an identity together: the seed of its Ed25519 key, its certificate and that of
// the authority, both DER. It refuses what does not belong together.
func Open(seed, certificate, ca []byte) (Identity, error) {
	if len(seed) != ed25519.SeedSize {
		return Identity{}, fmt.Errorf("open a certificate: its key has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	leaf, err := x509.ParseCertificate(certificate)
	if err != nil {
		return Identity{}, fmt.Errorf("open a certificate: %w", err)
	}
	root, err := x509.ParseCertificate(ca)
	if err != nil {
		return Identity{}, fmt.Errorf("open a certificate of an authority: %w", err)
	}
	if public, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !public.Equal(key.Public()) {
		return Identity{}, errors.New("open a certificate: it is of another key")
	}
	if err := leaf.CheckSignatureFrom(root); err != nil {
		return Identity{}, fmt.Errorf("open a certificate: another authority signed it: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return Identity{Certificate: tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key, Leaf: leaf}, Roots: roots}, nil
}

// Name is whose identity it is; empty for none.
func (i Identity) Name() string {
	if i.Certificate.Leaf == nil {
		return ""
	}
	return i.Certificate.Leaf.Subject.CommonName
}

// RenewAt is when the last third of the certificate's life begins; zero without one.
func (i Identity) RenewAt() time.Time {
	leaf := i.Certificate.Leaf
	if leaf == nil {
		return time.Time{}
	}
	return leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
}
