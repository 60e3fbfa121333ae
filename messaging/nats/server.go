package nats

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
)

// maxControlLine takes the CONNECT of a user whose JWT lists its permissions, in
// bytes; the default of 4096 cuts such a user off.
const maxControlLine = 32 << 10

// MaxPayload is the largest message of hub and gateways, in bytes.
const MaxPayload = 8 << 20

// ServerOptions says how an embedded server runs.
type ServerOptions struct {
	// Dir holds keys and streams. It must not be in use by another server.
	Dir string
	// Listen is host:port; port 0 takes a free one.
	Listen            string
	CertFile, KeyFile string
	Name              string // unique among servers; "hansa" by default
	Log               *slog.Logger
}

// KeyDir is where a server that keeps its data in dir has its keys.
func KeyDir(dir string) string { return filepath.Join(dir, "keys") }

// Server is an embedded NATS server with JetStream, in operator mode.
type Server struct {
	Accounts *Accounts
	server   *server.Server
}

// StartServer starts a server and waits until it takes connections.
func StartServer(o ServerOptions) (*Server, error) {
	accounts, err := OpenAccounts(KeyDir(o.Dir))
	if err != nil {
		return nil, err
	}
	options, err := o.options(accounts)
	if err != nil {
		return nil, err
	}
	if err := probePort(o.Listen); err != nil {
		return nil, err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start bus: %w", err)
	}
	log := &serverLog{log: o.Log}
	s.SetLogger(log, false, false)
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("start bus on %s: %s", o.Listen, log.last())
	}
	accounts.mu.Lock()
	accounts.server = s
	accounts.mu.Unlock()
	return &Server{Accounts: accounts, server: s}, nil
}

func (o ServerOptions) options(accounts *Accounts) (*server.Options, error) {
	host, portText, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("bus address %q: %w", o.Listen, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("bus address %q: %w", o.Listen, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	certificate, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the bus's certificate: %w", err)
	}
	operator := jwt.NewOperatorClaims(public(accounts.operator))
	operator.SystemAccount = public(accounts.system)
	name := o.Name
	if name == "" {
		name = "hansa"
	}
	return &server.Options{
		ServerName: name, Host: host, Port: port, NoSigs: true, NoLog: true,
		TLSConfig:        &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13},
		TLSTimeout:       5,
		TrustedOperators: []*jwt.OperatorClaims{operator},
		SystemAccount:    public(accounts.system),
		AccountResolver:  accounts.resolver,
		JetStream:        true, StoreDir: filepath.Join(o.Dir, "streams"), JetStreamDomain: "hansa",
		SyncAlways: true, JetStreamMaxMemory: -1, JetStreamMaxStore: -1,
		JetStreamLimits: server.JSLimitOpts{},
		MaxPayload:      MaxPayload, PingInterval: 10 * time.Second, MaxPending: 64 << 20,
		MaxControlLine: maxControlLine,
	}, nil
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
func (s *Server) URL() string { return "tls://" + s.server.Addr().String() }

// Advertised returns the URLs that agents are told: addresses (host:port), or
// where the server listens when there are none.
func (s *Server) Advertised(addresses []string) []string {
	if len(addresses) == 0 {
		return []string{s.URL()}
	}
	urls := make([]string, len(addresses))
	for i, a := range addresses {
		urls[i] = "tls://" + a
	}
	return urls
}

// Dial connects a role within the process.
func (s *Server) Dial(role Role) (*Conn, error) {
	credentials, err := s.Accounts.Credentials(role)
	if err != nil {
		return nil, err
	}
	return Dial(DialOptions{Server: s, Credentials: credentials, Name: string(role)})
}

// Shutdown stops the server and waits until it has.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// serverLog passes the server's log on, its notices as debug lines.
type serverLog struct {
	log  *slog.Logger
	text string
}

func (l *serverLog) put(level slog.Level, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if level >= slog.LevelWarn {
		l.text = text
	}
	if l.log != nil {
		l.log.Log(nil, level, "bus: "+text) //nolint:staticcheck // the server has no context
	}
}

func (l *serverLog) last() string {
	if l.text == "" {
		return "not ready in time"
	}
	return l.text
}

func (l *serverLog) Noticef(f string, v ...any) { l.put(slog.LevelDebug, f, v...) }
func (l *serverLog) Warnf(f string, v ...any)   { l.put(slog.LevelWarn, f, v...) }
func (l *serverLog) Fatalf(f string, v ...any)  { l.put(slog.LevelError, f, v...) }
func (l *serverLog) Errorf(f string, v ...any)  { l.put(slog.LevelError, f, v...) }
func (l *serverLog) Debugf(f string, v ...any)  { l.put(slog.LevelDebug, f, v...) }
func (l *serverLog) Tracef(string, ...any)      {}
