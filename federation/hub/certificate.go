package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
)

// hearCertificate certifies the key of an agent for the name of its member. Nothing is
// remembered: who asks again gets another.
func (l *leadership) hearCertificate(ctx context.Context, m messaging.Message) ([]byte, error) {
	return answer(federationv1.DecodeCertificateRequest, federationv1.EncodeCertificateReply,
		func(_ context.Context, r federation.CertificateRequest) (federation.CertificateReply, error) {
			if err := l.ownReport(m, r.Member); err != nil {
				return federation.CertificateReply{}, err
			}
			a := l.hub.opts.Authority
			if a == nil {
				return federation.CertificateReply{}, messaging.Errorf(messaging.Refused, "this hub certifies nobody")
			}
			der, err := a.Certify(r.Member, r.PublicKey, time.Now())
			if err != nil {
				return federation.CertificateReply{}, messaging.Errorf(messaging.Invalid, "%v", err)
			}
			return federation.CertificateReply{Certificate: der, CA: a.CA()}, nil
		})(ctx, m)
}

// identity is what the hub shows where it looks at the ports of agents.
func (h *Hub) identity() (tls.Certificate, *x509.CertPool) {
	if h.opts.Authority == nil {
		return tls.Certificate{}, nil
	}
	return h.opts.Authority.Own()
}

// longestAddress bounds where an agent may say it is, in bytes.
const longestAddress = 256

// reachable is where an agent says that it is reached; empty when that is no address. The
// hello counts all the same.
func (l *leadership) reachable(h federation.Hello) string {
	if h.AgentAt == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(h.AgentAt)
	if err != nil || host == "" || port == "" || len(h.AgentAt) > longestAddress {
		l.log.Warn("an agent says that it is where nothing can be", "member", h.Member, "at", h.AgentAt[:min(len(h.AgentAt), longestAddress)])
		return ""
	}
	return h.AgentAt
}
