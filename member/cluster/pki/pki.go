package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Lifetime of an authority and of everything it signs. A member is renewed by
// creating it anew, so nothing in it expires earlier than the whole.
const Lifetime = 10 * 365 * 24 * time.Hour

// backdate tolerates clocks that differ a little.
const backdate = time.Hour

// Pair is a certificate, or a public key, with its private key, both PEM.
type Pair struct {
	// Certificate is a CERTIFICATE block, or a PUBLIC KEY block from NewKeyPair.
	Certificate []byte
	// Key is an EC PRIVATE KEY block.
	Key []byte
}

// Request says what to certify.
type Request struct {
	// CommonName becomes the user name of a client.
	CommonName string
	// Organizations become the groups of a client.
	Organizations []string
	// DNSNames and IPs make it a server certificate for these. Without any it
	// is a client certificate.
	DNSNames []string
	IPs      []net.IP
}

// Authority signs certificates. Its methods are safe for concurrent use.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pair        Pair
}

// NewAuthority creates an authority that is valid from now for Lifetime.
func NewAuthority(commonName string, now time.Time) (*Authority, error) {
	template, err := newTemplate(pkix.Name{CommonName: commonName})
	if err != nil {
		return nil, err
	}
	template.NotBefore = now.Add(-backdate)
	template.NotAfter = now.Add(Lifetime)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	pair, err := sign(template, nil)
	if err != nil {
		return nil, fmt.Errorf("create authority %s: %w", commonName, err)
	}
	return ParseAuthority(pair)
}

// ParseAuthority reads back what Pair gave. It refuses a pair that does not
// belong together and a certificate that cannot sign.
func ParseAuthority(pair Pair) (*Authority, error) {
	certificate, err := parseCertificate(pair.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(pair.Key)
	if err != nil {
		return nil, err
	}
	if !certificate.IsCA {
		return nil, errors.New("parse authority: the certificate cannot sign others")
	}
	if !key.PublicKey.Equal(certificate.PublicKey) {
		return nil, errors.New("parse authority: key and certificate do not belong together")
	}
	return &Authority{certificate: certificate, key: key, pair: pair}, nil
}

// Pair returns the authority's own certificate and key.
func (a *Authority) Pair() Pair { return a.pair }

// NotAfter is when the authority, and with it all that it signed, expires.
func (a *Authority) NotAfter() time.Time { return a.certificate.NotAfter }

// Issue signs a new key pair for request. It is valid as long as the authority.
func (a *Authority) Issue(request Request) (Pair, error) {
	template, err := newTemplate(pkix.Name{CommonName: request.CommonName, Organization: request.Organizations})
	if err != nil {
		return Pair{}, err
	}
	template.NotBefore = a.certificate.NotBefore
	template.NotAfter = a.certificate.NotAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.DNSNames = request.DNSNames
	template.IPAddresses = request.IPs
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(request.DNSNames)+len(request.IPs) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	pair, err := sign(template, a)
	if err != nil {
		return Pair{}, fmt.Errorf("issue certificate for %s: %w", request.CommonName, err)
	}
	return pair, nil
}

// NewKeyPair makes a bare key pair, for signing tokens.
func NewKeyPair() (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("generate key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return Pair{}, fmt.Errorf("encode public key: %w", err)
	}
	private, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Certificate: encode("PUBLIC KEY", public), Key: private}, nil
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return &x509.Certificate{SerialNumber: serial, Subject: subject, BasicConstraintsValid: true}, nil
}

// sign makes a key for template and signs it by parent, or by itself when
// parent is nil.
func sign(template *x509.Certificate, parent *Authority) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	issuer, signer := template, key
	if parent != nil {
		issuer, signer = parent.certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, err
	}
	private, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Certificate: encode("CERTIFICATE", der), Key: private}, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return encode("EC PRIVATE KEY", der), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func parseCertificate(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("parse certificate: no PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return certificate, nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("parse private key: no PEM block")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse private key: %w", err)
	}
	return key, nil
}
