package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/configs/certfile"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/httpserver"
	"github.com/hansa-io/hansa/gateway/kubeproxy"
	"github.com/hansa-io/hansa/gateway/route"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bus is what a gateway asks of the bus.
type Bus interface {
	messaging.Publisher
	messaging.Subscriber
	messaging.Requester
	messaging.Buckets
}

// Options says how a gateway runs. Bus, Seal, Listen, CertFile, KeyFile and TokensFile
// must be set.
type Options struct {
	Bus    Bus
	Name   string // among gateways; "gateway" by default
	Listen string // host:port of gRPC and HTTP, with TLS
	// MetricsListen is host:port of /metrics, without TLS; empty means none.
	MetricsListen     string
	CertFile, KeyFile string           // read again when they change
	TokensFile        string           // who may call; see grpcserver.LoadTokens
	Place             federation.Place // of callers that do not name theirs
	// Tunnels reach the members' APIs; nil: this gateway leads to none.
	Tunnels messaging.Tunnels
	Version string
	// Seal seals the Secrets of a workload to a curve key of the hub.
	Seal sealed.Sealer
	// Connected reports whether the bus is reachable; nil means always.
	Connected func() bool
	// Metrics is what MetricsListen serves; the gateway adds its own. NewRegistry
	// by default.
	Metrics *prometheus.Registry
	Log     *slog.Logger
}

// Gateway answers clients. Make one with New and call Run once.
type Gateway struct {
	opts Options
	log  *slog.Logger
	auth *grpcserver.Tokens
	web  *httpserver.Server

	queries *queries // since the hub was told last

	mu      sync.Mutex
	builder *route.Builder
	missing map[string]bool // buckets whose snapshot is not complete
	dirty   chan struct{}   // holds one token while the builder is ahead of the table

	table   atomic.Pointer[route.Table]
	changed atomic.Pointer[chan struct{}] // closed when the next table is there

	sealKeys atomic.Pointer[federation.SealKeys] // the hub's last answer; nil: none yet
}

// New checks the options, reads certificate and tokens and takes the ports, so
// that a taken one is told before anything runs. It starts nothing.
func New(opts Options) (*Gateway, error) {
	if opts.Bus == nil {
		return nil, errors.New("new gateway: Bus must be set")
	}
	if opts.Seal == nil {
		return nil, errors.New("new gateway: Seal must be set")
	}
	if opts.Name == "" {
		opts.Name = "gateway"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Connected == nil {
		opts.Connected = func() bool { return true }
	}
	if opts.Metrics == nil {
		opts.Metrics = NewRegistry()
	}
	certificate, err := certfile.Open(opts.CertFile, opts.KeyFile, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("read the gateway's certificate: %w", err)
	}
	auth, err := grpcserver.LoadTokens(opts.TokensFile)
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		opts: opts, log: opts.Log, auth: auth, builder: route.NewBuilder(), missing: map[string]bool{}, dirty: make(chan struct{}, 1),
	}
	g.table.Store(g.builder.Table())
	changed := make(chan struct{})
	g.changed.Store(&changed)
	if err := g.listen(certificate); err != nil {
		return nil, err
	}
	return g, nil
}

// listen makes the front ends and takes their ports.
func (g *Gateway) listen(certificate *certfile.File) error {
	counted, err := newMetrics(g.opts.Metrics, g.Table)
	if err != nil {
		return fmt.Errorf("new gateway: %w", err)
	}
	g.queries = counted.queries
	grpc, err := grpcserver.New(grpcserver.Options{
		Tables: g, Desired: g, Hub: g.opts.Bus, Tokens: g.auth, Place: g.opts.Place,
		Certificate: certificate, Version: g.opts.Version, Connected: g.opts.Connected, Measure: counted,
	})
	if err != nil {
		return err
	}
	members, err := g.newReach()
	if err != nil {
		return err
	}
	g.web, err = httpserver.New(httpserver.Options{
		Members: members,
		Listen:  g.opts.Listen, MetricsListen: g.opts.MetricsListen, Metrics: g.opts.Metrics, Certificate: certificate,
		GRPC: grpc, Tables: g, Log: g.log,
	})
	return err
}

// newReach makes what leads to the members' APIs; nil without tunnels.
func (g *Gateway) newReach() (http.Handler, error) {
	if g.opts.Tunnels == nil {
		return nil, nil
	}
	return kubeproxy.New(kubeproxy.Options{
		Name: g.opts.Name, Tunnels: g.opts.Tunnels, Tables: g, Tokens: g.auth, Metrics: g.opts.Metrics, Log: g.log,
	})
}

// Addr is where the gateway listens.
func (g *Gateway) Addr() string { return g.web.Addr() }

// MetricsAddr is where metrics are served; empty without them.
func (g *Gateway) MetricsAddr() string { return g.web.MetricsAddr() }

// Table returns the present table.
func (g *Gateway) Table() *route.Table { return g.table.Load() }

// Changed returns a channel that is closed when a table after the present one
// is there. Ask for it before loading the table.
func (g *Gateway) Changed() <-chan struct{} { return *g.changed.Load() }

// What bounds how often a new table is made under a storm of changes: a wait, and the
// longer one the more of the last table had to be copied for it.
const (
	swapEvery  = 5 * time.Millisecond
	swapCost   = 500 * time.Nanosecond  // for each entry copied, some ten times what that takes
	swapSeldom = 100 * time.Millisecond // and no longer
)

// Run follows the bus and answers clients until ctx ends. It returns nil then,
// and only after all that it started has stopped.
func (g *Gateway) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.swap(ctx) })
	g.follow(ctx, group)
	group.Go(func() error { return g.beat(ctx) })
	group.Go(func() error { return g.tellQueries(ctx) })
	group.Go(func() error { return g.web.Run(ctx) })
	g.log.Info("gateway listening", "address", g.Addr())
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// update changes the builder and asks for a new table.
func (g *Gateway) update(change func(*route.Builder)) {
	g.mu.Lock()
	change(g.builder)
	g.mu.Unlock()
	g.ask()
}

// ask asks for a new table.
func (g *Gateway) ask() {
	select {
	case g.dirty <- struct{}{}:
	default:
	}
}

// swap publishes a new table after each change.
func (g *Gateway) swap(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-g.dirty:
		}
		copied := g.publish()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(swapEvery+time.Duration(copied)*swapCost, swapSeldom)):
		}
	}
}

// publish shows the next table, and returns how many entries were copied for it.
func (g *Gateway) publish() int {
	g.mu.Lock()
	g.builder.SetSynced(len(g.missing) == 0)
	copied := g.builder.Copied()
	table := g.builder.Table()
	g.mu.Unlock()
	next := make(chan struct{})
	g.table.Store(table)
	close(*g.changed.Swap(&next))
	return copied
}

// beatEvery is how often a gateway says which hub beat its table has.
const beatEvery = 250 * time.Millisecond

// beat tells the hub what this gateway has applied: at once when the set of
// withdrawn members changed, and regularly, so that the hub knows when traffic
// has really shifted.
func (g *Gateway) beat(ctx context.Context) error {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	last := ""
	for {
		changed := g.Changed()
		table := g.Table()
		if withdrawn := fmt.Sprint(table.Withdrawn); withdrawn != last {
			last = withdrawn
			g.sayBeat(table)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			g.sayBeat(g.Table())
		case <-changed:
		}
	}
}

func (g *Gateway) sayBeat(t *route.Table) {
	_ = g.opts.Bus.Publish(subject.GatewayBeat(), encodeBeat(federation.GatewayBeat{
		Gateway: g.opts.Name, Term: t.Term, Sequence: t.Sequence, Withdrawn: t.Withdrawn,
	})) // the next one repairs a lost one
}
