package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hansa-io/hansa/configs/certfile"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/kubeproxy"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/trace"
)

// Options says where and what to serve. All but MetricsListen must be set.
type Options struct {
	Listen        string // host:port, TLS
	MetricsListen string // host:port, no TLS; empty means none
	Metrics       prometheus.Gatherer
	Certificate   *certfile.File
	GRPC          *grpcserver.Server
	Members       http.Handler // of everything below kubeproxy.Prefix; nil: nothing is there
	Tables        grpcserver.Tables
	Log           *slog.Logger
}

// Server serves a gateway. Make one with New and call Run once.
type Server struct {
	opts Options
	grpc *grpc.Server
	rest http.Handler
	main net.Listener
	side net.Listener // nil without metrics
}

// New takes the ports, so that a taken one is told before anything runs.
func New(opts Options) (*Server, error) {
	main, err := listen(opts.Listen)
	if err != nil {
		return nil, err
	}
	var side net.Listener
	if opts.MetricsListen != "" {
		if side, err = listen(opts.MetricsListen); err != nil {
			main.Close()
			return nil, err
		}
	}
	return &Server{opts: opts, grpc: opts.GRPC.Build(), main: main, side: side}, nil
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the gateway cannot listen on %s: %w: stop what uses the port, or choose another", address, errors.Unwrap(err))
	}
	return l, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.main.Addr().String() }

// MetricsAddr is where metrics are served; empty without them.
func (s *Server) MetricsAddr() string {
	if s.side == nil {
		return ""
	}
	return s.side.Addr().String()
}

// Time-outs of the server. Streams have none: they end with their caller.
const (
	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeader       = 64 << 10
	shutdownTimeout = 3 * time.Second
)

// Run serves until ctx ends and every request was answered or cut off.
func (s *Server) Run(ctx context.Context) error {
	rest, err := s.buildREST(ctx)
	if err != nil {
		return err
	}
	s.rest = rest
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.opts.GRPC.KeepHealth(ctx) })
	group.Go(func() error {
		server := &http.Server{
			Handler: http.HandlerFunc(s.route), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
			TLSConfig: &tls.Config{GetCertificate: s.opts.Certificate.Serve, MinVersion: tls.VersionTLS13},
			ErrorLog:  slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
		}
		return serve(ctx, server, func() error { return server.ServeTLS(s.main, "", "") })
	})
	if s.side != nil {
		group.Go(func() error {
			mux := http.NewServeMux()
			mux.Handle("GET /metrics", promhttp.HandlerFor(s.opts.Metrics, promhttp.HandlerOpts{}))
			server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
			return serve(ctx, server, func() error { return server.Serve(s.side) })
		})
	}
	return group.Wait()
}

// serve runs a server until ctx ends, then lets requests finish for a while.
func serve(ctx context.Context, server *http.Server, run func() error) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if server.Shutdown(limit) != nil {
			_ = server.Close() // streams that do not end by themselves
		}
	})
	err := run()
	if stop() {
		return err // it failed by itself
	}
	<-stopped
	return ctx.Err()
}

// route tells gRPC from everything else.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		s.grpc.ServeHTTP(w, r)
		return
	}
	if s.opts.Members != nil && strings.HasPrefix(r.URL.Path, kubeproxy.Prefix) { // no mux, which would clean the path first
		s.opts.Members.ServeHTTP(w, r)
		return
	}
	s.rest.ServeHTTP(w, r)
}

// maxBody bounds a JSON request, in bytes.
const maxBody = 64 << 20

// buildREST makes the JSON side. Calls to the services go through the same check
// of the caller as gRPC's.
func (s *Server) buildREST(ctx context.Context) (http.Handler, error) {
	api := runtime.NewServeMux(
		runtime.WithMetadata(func(_ context.Context, r *http.Request) metadata.MD {
			return metadata.Pairs(trace.Header, r.Header.Get(trace.Header))
		}),
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: false},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
		}),
	)
	conn := &inProcess{server: s.opts.GRPC, desc: services()}
	for _, register := range []func(context.Context, *runtime.ServeMux) error{
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterDiscoveryServiceHandlerClient(ctx, m, gatewayv1.NewDiscoveryServiceClient(conn))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterWorkloadsServiceHandlerClient(ctx, m, gatewayv1.NewWorkloadsServiceClient(conn))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterMembersServiceHandlerClient(ctx, m, gatewayv1.NewMembersServiceClient(conn))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterRecoveryServiceHandlerClient(ctx, m, gatewayv1.NewRecoveryServiceClient(conn))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterEventsServiceHandlerClient(ctx, m, gatewayv1.NewEventsServiceClient(conn))
		},
		func(ctx context.Context, m *runtime.ServeMux) error {
			return gatewayv1.RegisterBackupServiceHandlerClient(ctx, m, gatewayv1.NewBackupServiceClient(conn))
		},
	} {
		if err := register(ctx, api); err != nil {
			return nil, fmt.Errorf("register the JSON API: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", http.MaxBytesHandler(api, maxBody))
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(gatewayv1.OpenAPI) // the caller may be gone
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.ready)
	return mux, nil
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if why := grpcserver.Unready(s.opts.Tables.Table(), time.Now()); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// unknownMethod is the answer to a method that no service has.
func unknownMethod(method string) error {
	return status.Errorf(codes.Unimplemented, "method %s is not known", method)
}
