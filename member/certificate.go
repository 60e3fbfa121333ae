package member

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Times of asking for a certificate.
const (
	// certificateRetry is the first wait after a hub that gave none, and the longest: an
	// old hub gives none at all.
	certificateRetry     = time.Second
	certificateRetryMost = time.Minute
	// certificateLook bounds the wait for the time of the next one: a machine that sleeps
	// has no timers.
	certificateLook = time.Hour
)

// certificate is what an agent keeps of its certificate of the federation. It outlives the
// hub: other agents are asked, and answered, exactly while there is none.
type certificate struct {
	Seed        []byte `json:"seed"`        // of the Ed25519 key; secret
	Certificate []byte `json:"certificate"` // DER
	CA          []byte `json:"ca"`          // DER
}

// openPapers takes the certificate that is kept, if there is one.
func (a *Agent) openPapers() error {
	a.papers.Store(&authority.Identity{})
	kept := a.book.read().Certificate
	if kept.Seed == nil {
		return nil
	}
	id, err := kept.open(a.opts.Name)
	if err != nil {
		return err
	}
	a.papers.Store(&id)
	return nil
}

// open makes the certificate ready to be shown, if it is the member's.
func (c certificate) open(member string) (authority.Identity, error) {
	id, err := authority.Open(c.Seed, c.Certificate, c.CA)
	if err == nil && id.Name() != member {
		err = fmt.Errorf("the certificate is that of %q", id.Name())
	}
	return id, err
}

// identity is what the agent shows beside the bus, and whom it trusts there.
func (a *Agent) identity() (tls.Certificate, *x509.CertPool) {
	id := a.papers.Load()
	return id.Certificate, id.Roots
}

// keepCertificate gets a certificate from the hub, and another, with another key, when the
// last third of its life has come.
func (a *Agent) keepCertificate(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.greeted:
	}
	for retry := certificateRetry; ; {
		left := time.Until(a.papers.Load().RenewAt())
		if left <= 0 {
			if err := a.certify(ctx); err != nil {
				a.log.Debug("no certificate of the federation, trying again", "reason", err)
				left, retry = retry, min(2*retry, certificateRetryMost)
			} else {
				left, retry = certificateLook, certificateRetry
			}
		}
		if !wait(ctx, min(left, certificateLook)) {
			return nil
		}
	}
}

// certify has the hub certify a key that is made for it.
func (a *Agent) certify(ctx context.Context) error {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpCertificate), federationv1.EncodeCertificateRequest(federation.CertificateRequest{
		Member: a.opts.Name, PublicKey: public,
	}))
	if err != nil {
		return err
	}
	reply, err := federationv1.DecodeCertificateReply(b)
	if err != nil {
		return err
	}
	fresh := certificate{Seed: key.Seed(), Certificate: reply.Certificate, CA: reply.CA}
	id, err := fresh.open(a.opts.Name)
	if err != nil {
		return err
	}
	if err := a.book.change(func(id *identity) { id.Certificate = fresh }); err != nil {
		return err
	}
	a.papers.Store(&id)
	a.log.Info("certified for what is said beside the bus", "until", id.Certificate.Leaf.NotAfter)
	return nil
}
