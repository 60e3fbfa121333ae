// Package peer is the agent's own port, and how agents ask each other there: beside the
// bus, and also when no hub answers.
//
// Whoever connects shows a certificate of the federation (package authority), and so does
// the agent: TLS 1.3, both sides, nobody else is heard. There are two questions:
//
//	GET  /v1/alive   who is here, and how long ago it has heard a hub
//	POST /v1/attest  a question of one agent to another; this package carries it and the
//	                 answer, and knows neither
//
// A certificate says who asks, and not that he is still a member: it outlives a member
// that left by up to a week. Who attests something has to know the members himself.
//
// Everything is bounded: connections at a time, the time of a handshake, of a request and
// of its answer, headers and bodies. One connection is one request.
//
// A Server and a Client are safe for concurrent use.
package peer

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/federation/probe"
)

// MaxBody bounds a question and its answer, in bytes.
const MaxBody = 64 << 10

const (
	attestPath = "/v1/attest"

	maxConnections = 128
	maxHeader      = 4 << 10         // bytes; the standard library adds as many
	headerLimit    = 2 * time.Second // of the handshake, and then of the headers
	requestLimit   = 5 * time.Second // with the body
	answerLimit    = 5 * time.Second // of who attests, beside that
	maxReason      = 1 << 10         // bytes of a refusal
)

// Identity tells the certificate to show and the authority to trust; both are zero while
// there are none. It is asked at each connection.
type Identity = probe.Identity

// Options of a Server. Listen, Identity and Alive must be set.
type Options struct {
	// Listen is host:port; with port 0 any free one.
	Listen   string
	Identity Identity
	// Alive says what there is to know of this agent.
	Alive func() federation.Alive
	// Attest answers the question of another: from is the name in its certificate, which
	// is a member's, or authority.Hub. Its error is told to who asks. nil: nothing is
	// attested here.
	Attest func(ctx context.Context, from string, body []byte) ([]byte, error)
	// Log gets the connections that came to nothing; nil: nobody does.
	Log *slog.Logger
}

// Server answers at the agent's port.
type Server struct {
	opts     Options
	listener net.Listener
}

// New takes the port.
func New(opts Options) (*Server, error) {
	if opts.Listen == "" || opts.Identity == nil || opts.Alive == nil {
		return nil, errors.New("new port of the agent: Listen, Identity and Alive must be set")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen at the agent's port: %w", err)
	}
	return &Server{opts: opts, listener: bounded(listener, maxConnections)}, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close gives the port back; for a server that never served.
func (s *Server) Close() { _ = s.listener.Close() }

// Serve answers until ctx ends, and returns nil then.
func (s *Server) Serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+probe.AlivePath, s.alive)
	if s.opts.Attest != nil {
		mux.HandleFunc("POST "+attestPath, s.attest)
	}
	server := &http.Server{
		Handler: mux, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: headerLimit, ReadTimeout: requestLimit, WriteTimeout: requestLimit + answerLimit,
	}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(tls.NewListener(s.listener, authority.Server(s.opts.Identity)))
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve the agent's port: %w", err)
}

func (s *Server) alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.opts.Alive()) // a cut answer counts as none
}

func (s *Server) attest(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		http.Error(w, "the question cannot be read, or is longer than 64 KiB", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerLimit)
	defer cancel()
	answer, err := s.opts.Attest(ctx, authority.Caller(r.TLS), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(answer) // likewise
}
