package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"

	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/cluster/logbridge"
	"github.com/hansa-io/hansa/member/cluster/supervise"
	"github.com/hansa-io/hansa/member/cluster/volumes"
)

// errStartLimit tells why a start was given up.
var errStartLimit = fmt.Errorf("the cluster was not usable within %s", startLimit)

// stopLimit is how long Run waits for its parts to stop. Past it, what is left
// ends with the process; etcd has everything on disk at any time.
const stopLimit = 4 * time.Second

// Options of a Cluster.
type Options struct {
	// Config of the member. Missing fields are completed.
	Config config.Config
	// Logger for this package's own few lines. Nil discards them.
	Logger *slog.Logger
	// ComponentLogger for what etcd, Kubernetes and kwok log. Nil means Logger.
	ComponentLogger *slog.Logger
}

// Cluster is one embedded member. Its methods are safe for concurrent use.
type Cluster struct {
	opts  Options
	ready chan struct{}
}

// New checks the options. It touches nothing and starts nothing.
func New(opts Options) (*Cluster, error) {
	opts.Config = opts.Config.Complete()
	if err := opts.Config.Validate(); err != nil {
		return nil, fmt.Errorf("configure cluster: %w", err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.ComponentLogger == nil {
		opts.ComponentLogger = opts.Logger
	}
	return &Cluster{opts: opts, ready: make(chan struct{})}, nil
}

// Ready is closed when the API server is ready, every node is Ready, and pods
// can be created in the default namespace. It stays open when Run fails before.
func (c *Cluster) Ready() <-chan struct{} { return c.ready }

// Kubeconfig returns the path of a kubeconfig in the data directory:
// AdminKubeconfig or AgentKubeconfig. The file exists when Ready is closed.
func (c *Cluster) Kubeconfig(name string) string {
	return filepath.Join(c.opts.Config.DataDir, name)
}

// Run starts the cluster and blocks until ctx ends, which is no error, or a
// part fails. It returns when everything has stopped or stopLimit has passed;
// when ctx ends or a part fails while the cluster still starts, it returns at
// once, as half-started components cannot be stopped in order and lose nothing
// when they end with the process. It may be called once in a process. Errors
// that a user can do something about are one line: a data directory in use, of
// another member or of a newer format, a taken port.
func (c *Cluster) Run(ctx context.Context) error {
	dir, err := datadir.Open(c.opts.Config.DataDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	record, err := dir.Adopt(datadir.Record{
		Member:      c.opts.Config.Name,
		ServiceCIDR: c.opts.Config.ServiceCIDR,
		PodCIDR:     c.opts.Config.PodCIDR,
	})
	if err != nil {
		return err
	}
	listener, err := dir.Listen(record, c.opts.Config.API())
	if err != nil {
		return err
	}
	nodes, err := c.newNodes(dir)
	if err != nil {
		listener.Close()
		return err
	}
	defer nodes.Close()
	if listener, err = nodes.listen(listener); err != nil {
		return err
	}
	at, err := c.prepare(ctx, dir, listener, nodes)
	if err != nil {
		listener.Close()
		return err
	}
	return c.supervise(ctx, at)
}

// place is where the parts of one cluster find each other.
type place struct {
	dir      *datadir.Dir
	listener net.Listener // the API server closes it
	admin    kubernetes.Interface
	config   *rest.Config    // of the administrator
	logs     *logbridge.Gate // for the components
	nodes    nodeSet
	volumes  *volumes.Volumes
}

// prepare does what comes before the first part.
func (c *Cluster) prepare(ctx context.Context, dir *datadir.Dir, listener net.Listener, nodes nodeSet) (place, error) {
	logs := logbridge.NewGate(c.opts.ComponentLogger.Handler())
	if err := logbridge.Capture(slog.New(logs)); err != nil {
		return place{}, err
	}
	cfg, err := writeIdentities(dir, c.opts.Config.Name, served{
		address: listener.Addr().String(), serviceCIDR: c.opts.Config.ServiceCIDR, gateway: nodes.gateway(),
	})
	if err != nil {
		return place{}, err
	}
	cfg.QPS, cfg.Burst = -1, -1
	binary := rest.CopyConfig(cfg) // lists of many nodes cost half as much
	binary.ContentType = runtime.ContentTypeProtobuf
	binary.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	admin, err := kubernetes.NewForConfig(binary)
	if err != nil {
		return place{}, fmt.Errorf("create administrator's client: %w", err)
	}
	provided, err := newVolumes(ctx, dir, nodes)
	if err != nil {
		return place{}, err
	}
	return place{dir: dir, listener: listener, admin: admin, config: cfg, logs: logs, nodes: nodes, volumes: provided}, nil
}

// supervise starts the parts, waits for the end of ctx or of a part, and stops
// them.
func (c *Cluster) supervise(ctx context.Context, at place) error {
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	parts := supervise.New(c.opts.Logger, fail)
	if err := c.start(running, parts, at); err != nil {
		at.logs.End(ctx.Err() == nil)
		return unlessEnded(ctx, err)
	}
	at.logs.Pass()
	close(c.ready)
	<-running.Done()
	at.logs.End(false)
	parts.Stop(stopLimit)
	return unlessEnded(ctx, context.Cause(running))
}

// unlessEnded returns nil when ctx has ended, as that explains every error.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// start starts the parts in order and returns when the cluster is usable.
func (c *Cluster) start(ctx context.Context, parts *supervise.Parts, at place) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errStartLimit)
	defer cancel()
	began := time.Now()
	if err := c.startServing(ctx, parts, at); err != nil {
		return err
	}
	serving := time.Since(began)
	if err := c.startControllers(ctx, parts, at); err != nil {
		return err
	}
	c.opts.Logger.Info("control plane ready",
		"member", c.opts.Config.Name, "address", at.listener.Addr().String(), "version", version.Get().GitVersion,
		"nodes", c.opts.Config.Nodes.Total(), "api", serving.Round(time.Millisecond), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// startServing starts etcd and the API server and returns when that is ready.
func (c *Cluster) startServing(ctx context.Context, parts *supervise.Parts, at place) error {
	etcd, err := startEtcd(ctx, at.dir, slog.New(at.logs))
	if err != nil {
		return err
	}
	parts.Start(ctx, "etcd", etcd.run)
	server := apiServer{dir: at.dir, listener: at.listener, etcd: etcd.endpoint, serviceCIDR: c.opts.Config.ServiceCIDR, emulated: c.opts.Config.EmulatedVersion}
	if gateway := at.nodes.gateway(); gateway.IsValid() {
		server.advertised = gateway.String()
	}
	parts.Start(ctx, "kube-apiserver", server.run)
	if err := awaitServing(ctx, at.admin, "/readyz"); err != nil {
		return err
	}
	return grantAccess(ctx, at.admin)
}

// startControllers starts what works through the API server and returns when
// pods can run.
func (c *Cluster) startControllers(ctx context.Context, parts *supervise.Parts, at place) error {
	if err := at.nodes.prepare(ctx, at); err != nil {
		return err
	}
	parts.Start(ctx, "nodes", at.nodes.Run)
	parts.Start(ctx, "kube-controller-manager", func(ctx context.Context) error {
		return runManager(ctx, at.dir, at.nodes.managerFlags())
	})
	parts.Start(ctx, "volumes", at.volumes.Run)
	parts.Start(ctx, "kube-scheduler", func(ctx context.Context) error { return runScheduler(ctx, at.dir) })
	return awaitUsable(ctx, at.admin, c.opts.Config.Nodes.Total())
}
