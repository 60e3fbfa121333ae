package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/hansa-io/hansa/messaging"
)

// Access is where the bus is, and who connects to it.
type Access struct {
	URLs        []string // "tls://host:port"
	CA          []byte   // PEM; of URLs
	Credentials Credentials
}

// Source returns the present access. It is asked at each attempt to connect, so that
// new credentials and a new CA need no new connection.
type Source func() (Access, error)

// source is Source, or the constant one.
func (o DialOptions) source() Source {
	if o.Source != nil {
		return o.Source
	}
	fixed := Access{URLs: o.URLs, CA: o.CA, Credentials: o.Credentials}
	return func() (Access, error) { return fixed, nil }
}

// pool reads the certificates of CAs.
func pool(pem []byte) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no CA to check the bus's certificate with")
	}
	return roots, nil
}

// secure is TLS with the CA of each attempt.
func (r *redial) secure(o *nats.Options) error {
	o.RootCAsCB = func() (*x509.CertPool, error) {
		now, err := r.source()
		if err != nil {
			return nil, err
		}
		return pool(now.CA)
	}
	return nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13, ClientSessionCache: tls.NewLRUClientSessionCache(8)})(o)
}

// refusals are the errors of credentials that the bus does not take.
var refusals = []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired}

func refused(err error) bool {
	return slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(err, r) })
}

// Trusts reports why the server's certificate is not one of these CAs; nil when it is.
func (c *Conn) Trusts(ca []byte) error {
	roots, err := pool(ca)
	if err != nil {
		return err
	}
	state, err := c.nc.TLSConnectionState()
	if err != nil || len(state.PeerCertificates) == 0 {
		return fmt.Errorf("there is no certificate of the bus to check: %w", messaging.ErrDisconnected)
	}
	others := x509.NewCertPool()
	for _, crt := range state.PeerCertificates[1:] {
		others.AddCert(crt)
	}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: others}); err != nil {
		return fmt.Errorf("check the bus's certificate: %w", err)
	}
	return nil
}
