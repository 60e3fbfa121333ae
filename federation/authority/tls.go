package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// ErrNone says that whoever wants to talk has no certificate yet.
var ErrNone = errors.New("no certificate of the federation yet")

// Client is how the holder of a certificate talks to the agent of one member, and to
// nobody else. Own tells his certificate and whom he trusts.
func Client(own func() (tls.Certificate, *x509.CertPool), member string) (*tls.Config, error) {
	certificate, roots := own()
	if len(certificate.Certificate) == 0 || roots == nil { // without roots, those of the system would count
		return nil, ErrNone
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}, RootCAs: roots, ServerName: member,
		SessionTicketsDisabled: true, // each talk proves anew who both are
	}, nil
}

// Server is how the holder of a certificate hears others who have one. Own is asked at
// each connection.
func Server(own func() (tls.Certificate, *x509.CertPool)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			certificate, roots := own()
			if len(certificate.Certificate) == 0 || roots == nil {
				return nil, ErrNone
			}
			return &tls.Config{
				MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, SessionTicketsDisabled: true,
			}, nil
		},
	}
}

// Caller is the name in the certificate that a client has shown and the handshake has
// checked; empty when there is none.
func Caller(s *tls.ConnectionState) string {
	if s == nil || len(s.VerifiedChains) == 0 {
		return ""
	}
	return s.VerifiedChains[0][0].Subject.CommonName
}
