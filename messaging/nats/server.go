package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/configs/certfile"
	"github.com/hansa-io/hansa/federation"
)

// maxControlLine takes the CONNECT of a user whose JWT lists its permissions, in
// bytes; the default of 4096 cuts such a user off.
const maxControlLine = 32 << 10

// maxPending is how much may wait for a client that reads slowly, in bytes.
const maxPending = 64 << 20

// MaxPayload is the largest message of hub and gateways, in bytes.
const MaxPayload = 8 << 20

// maxStore bounds nothing, in bytes: by itself the server takes three quarters of what is
// free when it starts, which on a disk that was full is less than it has stored already,
// and refuses writes above that. The room is watched by KeepDisk.
const maxStore = 1 << 50

// ServerOptions says how an embedded server runs.
type ServerOptions struct {
	// Dir holds streams and accounts. It must not be in use by another server.
	Dir string
	// Keys sign what the server trusts; nil means those below Dir, which are made when
	// they are missing.
	Keys *Keys
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// CertFile and KeyFile are read again when they change.
	CertFile, KeyFile string
	// UserLifetime is how long members' credentials hold; UserLifetime by default.
	UserLifetime time.Duration
	Name         string   // unique among servers; "hansa" by default
	Cluster      *Cluster // nil: alone
	Log          *slog.Logger
	// Metrics takes those of the connections that Dial makes; nil: nobody looks.
	Metrics prometheus.Registerer
}

// Cluster says how the servers of several hubs make one bus.
type Cluster struct {
	Listen string   // host:port for the other servers
	Routes []string // host:port of the other servers
	CA     []byte   // PEM; of the other servers' certificates

	advertise string // host:port that the other servers are told instead of Listen; of tests
}

// Servers is how many servers the bus has, this one included.
func (o ServerOptions) Servers() int {
	if o.Cluster == nil {
		return 1
	}
	return 1 + len(o.Cluster.Routes)
}

// Server is an embedded NATS server with JetStream, in operator mode.
type Server struct {
	Accounts *Accounts
	keys     *Keys
	opts     ServerOptions
	servers  int
	url      string
	server   atomic.Pointer[server.Server] // nil while it is started again
	system   *Conn
	disk     disk
	log      *slog.Logger
	metrics  prometheus.Registerer
}

// syncAccounts is how often a server asks the others for accounts that it missed.
const syncAccounts = 10 * time.Second

// StartServer starts a server and waits until it takes connections.
func StartServer(o ServerOptions) (*Server, error) {
	if err := o.claimStore(); err != nil {
		return nil, err
	}
	if o.Keys == nil {
		keys, err := MakeKeys(KeyDir(o.Dir))
		if err != nil {
			return nil, err
		}
		o.Keys = keys
	}
	s := &Server{keys: o.Keys, opts: o, servers: o.Servers(), log: o.Log, metrics: o.Metrics}
	s.disk.path = o.Dir
	s.disk.free.Store(-1)
	if err := s.start(); err != nil {
		return nil, err
	}
	s.settle()
	var err error
	if s.system, err = s.Dial(SystemRole); err != nil {
		s.stop()
		return nil, err
	}
	s.Accounts = NewAccounts(o.Keys, s.system)
	if o.UserLifetime > 0 {
		s.Accounts.lifetime = o.UserLifetime
	}
	return s, nil
}

// start runs a server over what the directory has.
func (s *Server) start() error {
	options, err := s.opts.options()
	if err != nil {
		return err
	}
	if err := probePort(s.opts.Listen); err != nil {
		return err
	}
	runs, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("start bus: %w", err)
	}
	log := newServerLog(s.opts.Log, &s.disk.suspect)
	runs.SetLogger(log, false, false)
	runs.Start()
	if !runs.ReadyForConnections(20 * time.Second) {
		runs.Shutdown()
		return fmt.Errorf("start bus on %s: %s", s.opts.Listen, log.last())
	}
	s.server.Store(runs)
	return nil
}

// settle notes where the server listens; a free port is taken once.
func (s *Server) settle() {
	address := s.server.Load().Addr()
	s.url = "tls://" + address.String()
	if tcp, ok := address.(*net.TCPAddr); ok {
		host, _, _ := net.SplitHostPort(s.opts.Listen) // start has read it
		s.opts.Listen = net.JoinHostPort(host, strconv.Itoa(tcp.Port))
	}
}

// stop ends the server that runs, if one does, and waits until it has ended.
func (s *Server) stop() {
	if runs := s.server.Swap(nil); runs != nil {
		runs.Shutdown()
		runs.WaitForShutdown()
	}
}

// restart ends the server and runs another one in its place; connections, also those
// within the process, find it by themselves. One that could not be started is not there.
func (s *Server) restart() error {
	s.stop()
	return s.start()
}

// InProcessConn connects within the process to the server that runs now.
func (s *Server) InProcessConn() (net.Conn, error) {
	runs := s.server.Load()
	if runs == nil {
		return nil, errors.New("the bus is being started again")
	}
	return runs.InProcessConn()
}

func (o ServerOptions) options() (*server.Options, error) {
	host, port, err := hostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("bus address: %w", err)
	}
	certificate, err := certfile.Open(o.CertFile, o.KeyFile, o.Log)
	if err != nil {
		return nil, fmt.Errorf("read the bus's certificate: %w", err)
	}
	accounts, err := o.accounts()
	if err != nil {
		return nil, err
	}
	name := o.Name
	if name == "" {
		name = "hansa"
	}
	options := &server.Options{
		ServerName: name, Host: host, Port: port, NoSigs: true, NoLog: true,
		TLSConfig:        &tls.Config{GetCertificate: certificate.Serve, MinVersion: tls.VersionTLS13},
		TLSTimeout:       5,
		TrustedOperators: []*jwt.OperatorClaims{o.Keys.operatorClaims()},
		SystemAccount:    public(o.Keys.system),
		AccountResolver:  accounts,
		JetStream:        true, StoreDir: o.streams(), JetStreamDomain: "hansa",
		SyncAlways: true, JetStreamMaxMemory: -1, JetStreamMaxStore: maxStore,
		JetStreamLimits: server.JSLimitOpts{},
		MaxPayload:      MaxPayload, PingInterval: 10 * time.Second, MaxPending: maxPending,
		MaxControlLine:   maxControlLine,
		LameDuckDuration: lameDuck, LameDuckGracePeriod: lameDuck / 2,
		// Nearly every message of a member has a subject that comes once: its reply, or
		// what it acknowledges. A cache of who hears a subject only grows and is locked.
		NoSublistCache: true,
	}
	if o.Cluster == nil {
		return options, nil
	}
	return options, o.Cluster.complete(options, certificate, o.Keys)
}

// lameDuck is how long a server that stops gives its clients to go elsewhere.
const lameDuck = time.Second

// accounts is the server's directory of accounts, with the federation's own in it.
func (o ServerOptions) accounts() (*server.DirAccResolver, error) {
	accounts, err := server.NewDirAccResolver(filepath.Join(o.Dir, "accounts"), 0, syncAccounts, server.HardDelete)
	if err != nil {
		return nil, fmt.Errorf("open the bus's accounts: %w", err)
	}
	own, err := o.Keys.ownAccounts()
	if err != nil {
		return nil, err
	}
	for _, claims := range append(own, o.Keys.systemClaims()) {
		token, err := claims.Encode(o.Keys.operator)
		if err == nil {
			err = accounts.Store(claims.Subject, token)
		}
		if err != nil {
			return nil, fmt.Errorf("store account %s: %w", claims.Name, err)
		}
	}
	return accounts, nil
}

func (o ServerOptions) streams() string { return filepath.Join(o.Dir, "streams") }

// complete adds what makes the server one of several.
func (c *Cluster) complete(o *server.Options, certificate *certfile.File, keys *Keys) error {
	host, port, err := hostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("bus cluster address: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return errors.New("bus cluster: no CA to check the other servers' certificates with")
	}
	password, err := keys.routePassword()
	if err != nil {
		return err
	}
	o.Cluster = server.ClusterOpts{
		Name: "hansa", Host: host, Port: port, Username: "hansa", Password: password, NoAdvertise: true, Advertise: c.advertise,
		TLSConfig:  &tls.Config{GetCertificate: certificate.Serve, RootCAs: roots, MinVersion: tls.VersionTLS13},
		TLSTimeout: 5, AuthTimeout: 5, PingInterval: 2 * time.Second, MaxPingsOut: 2,
	}
	for _, address := range c.Routes {
		if _, _, err := hostPort(address); err != nil {
			return fmt.Errorf("bus cluster route: %w", err)
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: address, User: url.UserPassword("hansa", password)})
	}
	return nil
}

// hostPort splits an address; port 0 means a free one.
func hostPort(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q: %w", address, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("%q: %w", address, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// probePort refuses a taken port before the server starts, in one clear line.
func probePort(listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("the bus cannot listen on %s: %w: stop what uses the port, or choose another", listen, errors.Unwrap(err))
	}
	return l.Close()
}

// URL is where agents connect.
func (s *Server) URL() string { return s.url }

// Advertised returns the URLs that agents are told: addresses (host:port), or
// where the server listens when there are none.
func (s *Server) Advertised(addresses []string) []string {
	if len(addresses) == 0 {
		return []string{s.URL()}
	}
	return tlsURLs(addresses)
}

func tlsURLs(addresses []string) []string {
	urls := make([]string, len(addresses))
	for i, a := range addresses {
		urls[i] = "tls://" + a
	}
	return urls
}

// Dial connects a role within the process.
func (s *Server) Dial(role Role) (*Conn, error) {
	credentials, err := s.keys.Credentials(role, 0)
	if err != nil {
		return nil, err
	}
	return Dial(DialOptions{Server: s, Credentials: credentials, Name: string(role), Replicas: s.servers, Log: s.log, Metrics: s.metrics})
}

// RecordKeys are those of the server's Keys.
func (s *Server) RecordKeys() (keys federation.SealKeys, seed []byte, err error) {
	return s.keys.RecordKeys()
}

// Shutdown stops the server and waits until it has. One of several first gives what it
// leads, and its clients, to the others.
func (s *Server) Shutdown() {
	s.system.Close()
	if runs := s.server.Load(); runs != nil && s.servers > 1 {
		runs.LameDuckShutdown()
	}
	s.stop()
}
