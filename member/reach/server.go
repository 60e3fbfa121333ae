package reach

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bounds of what gateways may ask for.
const (
	maxConns      = 256
	maxHeader     = 64 << 10
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
)

// Options of a Server. All must be set.
type Options struct {
	Tunnels messaging.TunnelServer
	// API is the cluster's API server, and Transport reaches it with the rights of the
	// agent, by HTTP/1.1 so that upgrades pass.
	API       *url.URL
	Transport http.RoundTripper
	Log       *slog.Logger
}

// Server serves the cluster's API on tunnels.
type Server struct {
	opts  Options
	slots chan struct{} // one for each connection
}

// New makes a Server. It starts nothing.
func New(o Options) *Server { return &Server{opts: o, slots: make(chan struct{}, maxConns)} }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	alive, stop := context.WithCancel(ctx)
	defer stop()
	l := listener{ctx: alive, conns: make(chan net.Conn)}
	server := &http.Server{
		Handler: s.handler(), MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:    slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends with the listener
	err := s.opts.Tunnels.Serve(ctx, func(ctx context.Context, service string) (func(messaging.Stream), error) {
		return s.answer(ctx, l, service)
	})
	stop()
	_ = server.Close() // all streams have ended
	serving.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve the cluster's API on the bus: %w", err)
}

// answer decides about one connection.
func (s *Server) answer(ctx context.Context, l listener, service string) (func(messaging.Stream), error) {
	if service != subject.TunnelAPI {
		return nil, messaging.Errorf(messaging.NotFound, "the member serves no %q", service)
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, messaging.Errorf(messaging.Unavailable, "the member has %d connections to its API open already: end some, or try again", maxConns)
	}
	return func(stream messaging.Stream) {
		defer func() { <-s.slots }()
		l.give(ctx, stream)
	}, nil
}

// handler passes requests on to the API server.
func (s *Server) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = s.opts.API.Scheme, s.opts.API.Host, s.opts.API.Host
			strip(r.Out.Header)
			identify(r.Out.Header, r.In.Header)
		},
		Transport: s.opts.Transport, FlushInterval: -1, ModifyResponse: upgrade,
		ErrorLog: slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil || errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler) // nobody listens
			}
			kube.WriteStatus(w, http.StatusServiceUnavailable, fmt.Sprintf("the member's agent cannot reach its API server: %v", err))
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := check(r.Header); err != nil {
			s.opts.Log.Warn("a gateway's request is refused", "reason", err)
			kube.WriteStatus(w, http.StatusForbidden, fmt.Sprintf("the member's agent refuses to act for %v", err))
			return
		}
		proxy.ServeHTTP(w, r)
	})
}
