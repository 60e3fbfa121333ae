package grpcserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/hansa-io/hansa/configs/certfile"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
)

// Tables gives the picture that queries are answered from.
type Tables interface {
	// Table returns the present table.
	Table() *route.Table
	// Changed is closed when a later table is there; ask for it first.
	Changed() <-chan struct{}
}

// Apply asks for desired state.
type Apply struct {
	Files  []document.File
	Source string
	DryRun bool
	Prune  bool
	// Confirmed: whoever asks knows that much is taken away.
	Confirmed bool
	Who       string
}

// Delete asks to remove one record, or those of the files.
type Delete struct {
	Kind   string         // Workload, or StatusRule
	Key    federation.Key // a StatusRule's has no namespace
	Files  []document.File
	DryRun bool
	// Confirmed: whoever asks knows that much is taken away.
	Confirmed bool
}

// Applied says what was done to one record: created, configured, unchanged or pruned.
type Applied struct {
	Kind     string // Workload, or StatusRule
	Key      federation.Key
	Action   string
	Objects  int
	Revision federation.Revision
}

// Desired writes desired state.
type Desired interface {
	Apply(ctx context.Context, r Apply) ([]Applied, error)
	Delete(ctx context.Context, r Delete) ([]Applied, error)
	// SetScore writes a score from outside; one without values removes it.
	SetScore(ctx context.Context, f federation.Feed) error
}

// Measure counts what the server does.
type Measure interface {
	// Request takes a request that has ended; took is 0 for a stream.
	Request(method string, code codes.Code, took time.Duration)
	// Answer takes whether an answer about a service came from the cache.
	Answer(cached bool)
	// Asked takes that a caller, who says where he is, or "", was told about a
	// service: once for each watch.
	Asked(service federation.Key, from string)
}

// Options says what a Server answers from. All but Place and Version must be
// set.
type Options struct {
	Tables      Tables
	Desired     Desired
	Hub         messaging.Requester
	Tokens      *Tokens
	Place       federation.Place // of callers that do not name theirs
	Certificate *certfile.File   // its key is pinned in join tokens
	Version     string
	Connected   func() bool // whether the bus is reachable
	Measure     Measure
}

// Server implements the services of hansa.gateway.v1.
type Server struct {
	gatewayv1.UnimplementedDiscoveryServiceServer
	gatewayv1.UnimplementedWorkloadsServiceServer
	gatewayv1.UnimplementedMembersServiceServer
	gatewayv1.UnimplementedJoinServiceServer
	gatewayv1.UnimplementedRecoveryServiceServer
	gatewayv1.UnimplementedEventsServiceServer
	gatewayv1.UnimplementedBackupServiceServer

	opts    Options
	answers *lru.Cache[answerKey, *gatewayv1.ResolveResponse]
	health  *health.Server
}

// Limits of what a caller may send and hold open.
const (
	maxRequest = 64 << 20 // bytes; an apply of many files
	maxStreams = 1000     // of one connection
	cacheSize  = 4096     // answers
)

// New checks the options. It starts nothing.
func New(opts Options) (*Server, error) {
	if opts.Tables == nil || opts.Desired == nil || opts.Hub == nil || opts.Tokens == nil || opts.Connected == nil || opts.Measure == nil {
		return nil, errors.New("new gRPC server: Tables, Desired, Hub, Tokens, Connected and Measure must be set")
	}
	answers, err := lru.New[answerKey, *gatewayv1.ResolveResponse](cacheSize)
	if err != nil {
		return nil, fmt.Errorf("new gRPC server: %w", err)
	}
	return &Server{opts: opts, answers: answers, health: health.NewServer()}, nil
}

// Build makes a grpc.Server with all services registered. The caller serves and
// stops it.
func (s *Server) Build() *grpc.Server {
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxRequest), grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		// Everything is counted, also what is refused. Who calls is settled before
		// anything else is done for the call.
		grpc.ChainUnaryInterceptor(s.countUnary, s.authorizeUnary, mapUnary, traceUnary),
		grpc.ChainStreamInterceptor(s.countStream, s.authorizeStream, mapStream),
	)
	gatewayv1.RegisterDiscoveryServiceServer(server, s)
	gatewayv1.RegisterWorkloadsServiceServer(server, s)
	gatewayv1.RegisterMembersServiceServer(server, s)
	gatewayv1.RegisterJoinServiceServer(server, s)
	gatewayv1.RegisterRecoveryServiceServer(server, s)
	gatewayv1.RegisterEventsServiceServer(server, s)
	gatewayv1.RegisterBackupServiceServer(server, s)
	healthpb.RegisterHealthServer(server, s.health)
	reflection.Register(server)
	return server
}

// healthEvery is how often health is looked at when nothing changes.
const healthEvery = time.Second

// KeepHealth tells the standard health service whether the gateway may answer,
// until ctx ends.
func (s *Server) KeepHealth(ctx context.Context) error {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for {
		changed := s.opts.Tables.Changed()
		status := healthpb.HealthCheckResponse_NOT_SERVING
		if Unready(s.opts.Tables.Table(), time.Now()) == "" {
			status = healthpb.HealthCheckResponse_SERVING
		}
		s.health.SetServingStatus("", status)
		select {
		case <-ctx.Done():
			s.health.Shutdown()
			return ctx.Err()
		case <-changed:
		case <-ticker.C:
		}
	}
}

// Unready says why others should answer rather than this gateway; empty when it may.
// That the hub is silent is no reason: no gateway hears it then.
func Unready(t *route.Table, now time.Time) string {
	switch {
	case !t.Synced:
		return "not every record was read yet"
	case t.Late(now):
		return fmt.Sprintf("records that the hub has had for %.1f s were not read yet: %s", t.Behind(now).Seconds(), lacking(t, now))
	}
	return ""
}

// lacking lists what a table lacks.
func lacking(t *route.Table, now time.Time) string {
	var out []string
	for _, l := range t.Lacks {
		out = append(out, fmt.Sprintf("%d of %s for %.1f s", l.Records, l.Bucket, now.Sub(l.Since).Seconds()))
	}
	return strings.Join(out, ", ")
}

// table returns a table that may be answered from.
func (s *Server) table() (*route.Table, error) {
	t := s.opts.Tables.Table()
	if !t.Synced {
		return nil, messaging.Errorf(messaging.Unavailable, "the gateway has not read all records yet: try again in a moment")
	}
	return t, nil
}
