package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// maxAnswer is the largest answer that a client takes, in bytes.
const maxAnswer = 64 << 20

// Client holds one connection to a gateway, and a client of each of its services.
// It is safe for concurrent use.
type Client struct {
	Discovery gatewayv1.DiscoveryServiceClient
	Workloads gatewayv1.WorkloadsServiceClient
	Members   gatewayv1.MembersServiceClient
	Recovery  gatewayv1.RecoveryServiceClient
	Events    gatewayv1.EventsServiceClient
	Join      gatewayv1.JoinServiceClient
	Backup    gatewayv1.BackupServiceClient

	conn *grpc.ClientConn
}

// Dial reads the files that the context names and prepares a connection over TLS
// 1.3. It does not connect before the first request. The caller closes it.
func Dial(c Context) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	roots, err := authorities(c.CAFile)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})),
		grpc.WithUnaryInterceptor(bounded), grpc.WithConnectParams(connecting),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
	}
	options = append(options, grpc.WithPerRPCCredentials(newTrace()))
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token for the gateway: %w", err)
		}
		options = append(options, grpc.WithPerRPCCredentials(bearer(strings.TrimSpace(string(token)))))
	}
	servers := manual.NewBuilderWithScheme("hansa")
	servers.InitialState(c.servers())
	conn, err := grpc.NewClient("hansa:///gateways", append(options, grpc.WithResolvers(servers))...)
	if err != nil {
		return nil, fmt.Errorf("gateway %s: %w", c.Gateway, err)
	}
	return &Client{
		Discovery: gatewayv1.NewDiscoveryServiceClient(conn),
		Workloads: gatewayv1.NewWorkloadsServiceClient(conn),
		Members:   gatewayv1.NewMembersServiceClient(conn),
		Recovery:  gatewayv1.NewRecoveryServiceClient(conn),
		Events:    gatewayv1.NewEventsServiceClient(conn),
		Join:      gatewayv1.NewJoinServiceClient(conn),
		Backup:    gatewayv1.NewBackupServiceClient(conn),
		conn:      conn,
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// authorities reads a file of PEM certificates; nil, the system's, without one.
func authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the CA of the gateway: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read the CA of the gateway: %s has no PEM certificate", path)
	}
	return pool, nil
}

// connecting says how long an attempt to connect may take, and how soon the next one
// comes: a gateway that is away is one of several, or starts again.
var connecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// servers lists the gateways, each with the name that its certificate has to have.
func (c Context) servers() resolver.State {
	var state resolver.State
	for _, address := range c.gateways() {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address, ServerName: address})
	}
	return state
}

// bearer is a token that is shown with each request, never without TLS.
type bearer string

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity keeps the token off plain connections.
func (b bearer) RequireTransportSecurity() bool { return true }

// dial connects to the gateway of the context and remembers which it was.
func (a *app) dial() (*Client, error) {
	c, err := a.context()
	if err != nil {
		return nil, err
	}
	a.used = c
	return Dial(c)
}

// call is one run of a command that asks the gateway.
type call struct {
	*Client
	cmd *cobra.Command
	app *app
}

// asking makes a RunE of f: it dials, and closes when f has returned.
func (a *app) asking(f func(c call, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := a.dial()
		if err != nil {
			return err
		}
		defer client.Close()
		return f(call{Client: client, cmd: cmd, app: a}, args)
	}
}
