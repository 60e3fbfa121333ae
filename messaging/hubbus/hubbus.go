package hubbus

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/nats"
)

// Options say which bus is opened, and for whom.
type Options struct {
	Config  configs.Hub
	Anew    bool // the store is made from a backup: its revisions must be above all that anybody has seen
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// carrier is what a hub runs on: a *nats.Server of its own, or a *nats.External.
type carrier interface {
	Dial(nats.Role) (*nats.Conn, error)
	Advertised(addresses []string) []string
	Gather(ctx context.Context, hub *nats.Conn) error
	Inspector(hub *nats.Conn) *nats.Inspector
	Shutdown()
}

// Bus is the bus of a hub that runs. Close it once.
type Bus struct {
	Keys     *nats.Keys
	Accounts *nats.Accounts
	Conn     *nats.Conn // with the hub's rights
	Ears     *nats.Conn // the same, for what members send
	CA       []byte     // PEM; what agents check the servers' certificates with

	o       Options
	carrier carrier
	own     *nats.Server // nil when others run the bus
}

// Open starts the bus, or connects to the external one, and makes its buckets.
func Open(ctx context.Context, o Options) (*Bus, error) {
	b, err := start(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := b.connect(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func start(ctx context.Context, o Options) (*Bus, error) {
	keys, err := openKeys(o.Config)
	if err != nil {
		return nil, err
	}
	ca, err := readCA(o.Config)
	if err != nil {
		return nil, err
	}
	b := &Bus{Keys: keys, CA: ca, o: o}
	if o.Config.Bus.Outside() {
		external, err := openExternal(ctx, o.Config, nats.ExternalOptions{Keys: keys, CA: ca, Log: o.Log, Metrics: o.Metrics})
		if err != nil {
			return nil, err
		}
		b.carrier, b.Accounts = external, external.Accounts
		return b, nil
	}
	b.own, err = startServer(o, keys, ca)
	if err != nil {
		return nil, err
	}
	b.carrier, b.Accounts = b.own, b.own.Accounts
	return b, nil
}

// startServer starts the embedded server, alone or as one of a cluster.
func startServer(o Options, keys *nats.Keys, ca []byte) (*nats.Server, error) {
	c := o.Config
	server := nats.ServerOptions{
		Dir: c.DataDir, Keys: keys, Name: c.Name, Listen: c.Bus.Listen, CertFile: c.Bus.CertFile, KeyFile: c.Bus.KeyFile, Log: o.Log, Metrics: o.Metrics,
	}
	if c.Bus.Cluster.Listen != "" {
		server.Cluster = &nats.Cluster{Listen: c.Bus.Cluster.Listen, Routes: c.Bus.Cluster.Routes, CA: ca}
	}
	return nats.StartServer(server)
}

// connect dials the bus for the hub, and waits until its buckets are there.
func (b *Bus) connect(ctx context.Context) error {
	var err error
	if b.Conn, err = b.Dial(nats.HubRole); err != nil {
		return err
	}
	if b.o.Anew {
		b.Conn.MadeAnew(federation.Revision(time.Now().UnixMicro())) // more than any store has written
	}
	if err := b.Conn.AwaitBuckets(ctx, b.o.Log); err != nil {
		return err
	}
	b.Ears, err = b.Dial(nats.HubRole)
	return err
}

// Dial connects somebody else in the hub's process.
func (b *Bus) Dial(role nats.Role) (*nats.Conn, error) { return b.carrier.Dial(role) }

// URLs are where agents that join reach the bus.
func (b *Bus) URLs() []string { return b.carrier.Advertised(b.o.Config.Bus.Advertise) }

// Gather brings what the hub writes near to it.
func (b *Bus) Gather(ctx context.Context) error { return b.carrier.Gather(ctx, b.Conn) }

// Inspector looks at the bus with the hub's rights.
func (b *Bus) Inspector() *nats.Inspector { return b.carrier.Inspector(b.Conn) }

// Full says why nothing new is wanted, or "". The disks of others are theirs to watch.
func (b *Bus) Full() string {
	if b.own == nil {
		return ""
	}
	return b.own.Full()
}

// ServeGateways does for gateways what their rights do not let them do, until ctx ends.
func (b *Bus) ServeGateways(ctx context.Context) error { return b.Conn.ServeGateways(ctx) }

// KeepDisk looks after the disk of a bus of the hub's own until ctx ends.
func (b *Bus) KeepDisk(ctx context.Context) error {
	if b.own == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return b.own.KeepDisk(ctx, nats.DiskOptions{
		MinFree: int64(b.o.Config.Bus.MinFree), Metrics: b.o.Metrics, Log: b.o.Log,
		Restored: func(ctx context.Context) error { return b.Conn.AwaitBuckets(ctx, b.o.Log) },
	})
}

// Close ends the connections, and the server if it is the hub's own.
func (b *Bus) Close() {
	for _, conn := range []*nats.Conn{b.Ears, b.Conn} {
		if conn != nil {
			conn.Close()
		}
	}
	b.carrier.Shutdown()
}

// readCA reads what agents check the bus's certificate with.
func readCA(c configs.Hub) ([]byte, error) {
	ca, err := os.ReadFile(c.Bus.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the bus's CA: %w", err)
	}
	return ca, nil
}

// openExternal connects to the bus that others run. The options say who connects.
func openExternal(ctx context.Context, c configs.Hub, o nats.ExternalOptions) (*nats.External, error) {
	o.URLs, o.Replicas, o.Placement = c.Bus.External.URLs, c.Bus.Replicas, nats.Placement(c.Bus.Placement)
	if c.Bus.External.SystemCredentials != "" {
		system, err := nats.ReadCredentials(c.Bus.External.SystemCredentials)
		if err != nil {
			return nil, err
		}
		o.System = &system
	}
	return nats.OpenExternal(ctx, o)
}
