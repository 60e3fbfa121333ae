package script

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/gateway/cli"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

const secret = "a-token-of-the-test"

// gateway serves gateway/v1 with canned answers over TLS on a free port.
type gateway struct {
	address string
	ca      []byte
	server  *grpc.Server
	done    chan struct{}
}

func serve() (*gateway, error) {
	certificate, ca, err := certify()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gateway{
		address: listener.Addr().String(),
		ca:      ca,
		server: grpc.NewServer(
			grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})),
			grpc.UnaryInterceptor(authenticate),
		),
		done: make(chan struct{}),
	}
	f := newFederation()
	gatewayv1.RegisterDiscoveryServiceServer(g.server, discovery{f: f})
	gatewayv1.RegisterWorkloadsServiceServer(g.server, workloads{f: f})
	gatewayv1.RegisterMembersServiceServer(g.server, members{f: f})
	gatewayv1.RegisterRecoveryServiceServer(g.server, recovery{f: f})
	gatewayv1.RegisterEventsServiceServer(g.server, events{f: f})
	gatewayv1.RegisterBackupServiceServer(g.server, &backups{})
	go func() {
		defer close(g.done)
		if err := g.server.Serve(listener); err != nil {
			panic(err) // Serve returns nil after Stop
		}
	}()
	return g, nil
}

func (g *gateway) stop() {
	g.server.Stop()
	<-g.done
}

// authenticate wants the token of the context file.
func authenticate(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+secret {
		return nil, status.Error(codes.Unauthenticated, "the token is not known")
	}
	return next(ctx, request)
}

// writeHome makes a home with a context for this gateway, and one in dead.yaml for
// a gateway that nobody serves.
func (g *gateway) writeHome(home string) error {
	write := func(name string, data []byte) error { return os.WriteFile(filepath.Join(home, name), data, 0o600) }
	nobody, err := unusedPort()
	return errors.Join(err,
		os.MkdirAll(home, 0o700),
		write("ca.pem", g.ca),
		write("token", []byte(secret+"\n")),
		cli.WriteContext(filepath.Join(home, "config.yaml"), cli.Context{Gateway: g.address, CAFile: "ca.pem", TokenFile: "token"}),
		cli.WriteContext(filepath.Join(home, "dead.yaml"), cli.Context{Gateway: nobody, CAFile: "ca.pem", TokenFile: "token"}),
	)
}

// unusedPort is an address on which nobody listens any more.
func unusedPort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// certify makes a certificate for 127.0.0.1 that is its own CA.
func certify() (tls.Certificate, []byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("sign the test's certificate: %w", err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, ca, nil
}
