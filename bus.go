package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/messaging/nats"
)

// bus is what a hub runs on: a *nats.Server of its own, or a *nats.External.
type bus interface {
	Dial(nats.Role) (*nats.Conn, error)
	Advertised(addresses []string) []string
	Gather(ctx context.Context, hub *nats.Conn) error
	Inspector(hub *nats.Conn) *nats.Inspector
	Shutdown()
}

// running is the bus of a hub that runs.
type running struct {
	bus
	keys     *nats.Keys
	accounts *nats.Accounts
	conn     *nats.Conn   // with the hub's rights
	ears     *nats.Conn   // the same, for what members send
	own      *nats.Server // nil when others run the bus
}

// openBus starts the bus, or connects to the external one, and makes its buckets.
func openBus(ctx context.Context, c configs.Hub, log *slog.Logger, metrics prometheus.Registerer) (running, error) {
	anew, err := hub.Prepared(c.DataDir, nats.KeyFiles(c.Bus.KeysDir))
	if err != nil {
		return running{}, err
	}
	r, err := startBus(ctx, c, log, metrics)
	if err != nil {
		return running{}, err
	}
	if r.conn, err = r.Dial(nats.HubRole); err != nil {
		r.Shutdown()
		return running{}, err
	}
	if anew {
		r.conn.MadeAnew(federation.Revision(time.Now().UnixMicro())) // more than any store has written
	}
	err = r.conn.AwaitBuckets(ctx, log)
	if err == nil {
		r.ears, err = r.Dial(nats.HubRole)
	}
	if err != nil {
		r.close()
		return running{}, err
	}
	return r, nil
}

func startBus(ctx context.Context, c configs.Hub, log *slog.Logger, metrics prometheus.Registerer) (running, error) {
	keys, err := openKeys(c)
	if err != nil {
		return running{}, err
	}
	if c.Bus.Outside() {
		external, err := openExternal(ctx, c, nats.ExternalOptions{Keys: keys, Log: log, Metrics: metrics})
		if err != nil {
			return running{}, err
		}
		return running{bus: external, keys: keys, accounts: external.Accounts}, nil
	}
	server, err := startServer(c, keys, log, metrics)
	if err != nil {
		return running{}, err
	}
	return running{bus: server, keys: keys, accounts: server.Accounts, own: server}, nil
}

func (r running) close() {
	if r.ears != nil {
		r.ears.Close()
	}
	r.conn.Close()
	r.Shutdown()
}

// full says why nothing new is wanted. The disks of others are theirs to watch.
func (r running) full() string {
	if r.own == nil {
		return ""
	}
	return r.own.Full()
}

// watch is what looks after the disk of the bus.
func (r running) watch(c configs.Hub, metrics prometheus.Registerer, log *slog.Logger) []func(context.Context) error {
	if r.own == nil {
		return nil
	}
	return []func(context.Context) error{func(ctx context.Context) error {
		return r.own.KeepDisk(ctx, nats.DiskOptions{
			MinFree: int64(c.Bus.MinFree), Metrics: metrics, Log: log,
			Restored: func(ctx context.Context) error { return r.conn.AwaitBuckets(ctx, log) },
		})
	}}
}

// lostStore refuses to prepare a hub whose bus has streams for a restore.
func lostStore(ctx context.Context, c configs.Hub) error {
	if !c.Bus.Outside() {
		if nats.HasStore(c.DataDir) {
			return fmt.Errorf("%s has a store: the hub has not lost its state: start it, and restore without --config", c.DataDir)
		}
		return nil
	}
	if lost, err := nats.KeyFiles(c.Bus.KeysDir).Missing(); lost || err != nil {
		return err // without keys nobody can ask; the backup has them
	}
	return onServers(ctx, c, func(ctx context.Context, e *nats.External) error {
		has, err := e.HasStreams(ctx)
		if err == nil && has {
			err = fmt.Errorf("the bus at %s has streams: the hub has not lost its state: start it, and restore without --config", strings.Join(c.Bus.External.URLs, " "))
		}
		return err
	})
}

// instanceOf tells a hub from others that have its name, which nothing prevents on an
// external bus. It is that of the data directory, which one process has open.
func instanceOf(dir *datadir.Dir, name string) (string, error) {
	id, err := dir.ReadOrWrite("instance", func() ([]byte, error) { return []byte(rand.Text()), nil })
	if err != nil {
		return "", fmt.Errorf("read what tells this hub from others: %w", err)
	}
	return name + "/" + string(id), nil
}

// openExternal connects to the bus that others run. The options say who connects.
func openExternal(ctx context.Context, c configs.Hub, o nats.ExternalOptions) (*nats.External, error) {
	var err error
	if o.CA, err = readCA(c); err != nil {
		return nil, err
	}
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

// busCommand is what is done to the bus itself.
func busCommand() *cobra.Command {
	group := &cobra.Command{Use: "bus", Short: "Prepare a bus of nats-servers, and look at it"}
	var apply, check bool
	var cluster string
	var bootstrap *cobra.Command
	bootstrap = keysCommand("bootstrap", "Print the configuration that the servers of an external bus need, or make its streams", func(out io.Writer, c configs.Hub) error {
		if !c.Bus.Outside() {
			return errors.New("bus.external.urls is empty: the bus is embedded, and needs no preparation")
		}
		switch {
		case apply:
			return onServers(bootstrap.Context(), c, func(ctx context.Context, e *nats.External) error { return e.Apply(ctx, lines(out)) })
		case check:
			return onServers(bootstrap.Context(), c, func(ctx context.Context, e *nats.External) error { return e.Check(ctx, lines(out)) })
		}
		return printServer(out, c, cluster)
	})
	bootstrap.Long = `Print the configuration that a nats-server needs to be a server of the bus that
bus.external in the hub's configuration names. Each server has the same, but for
the lines that say CHANGE. It holds a password: keep it from others.

With --check, ask the servers that run whether they can carry a hub, and give them
the federation's own accounts. With --apply, make the streams as well, or bring them
up to date. What is there already stays. A hub does the same when it starts.

Example:
  hansa bus bootstrap --config hub.yaml > nats.conf
  hansa bus bootstrap --config hub.yaml --check`
	bootstrap.Flags().BoolVar(&apply, "apply", false, "make the streams on the servers that run, or bring them up to date")
	bootstrap.Flags().BoolVar(&check, "check", false, "ask the servers that run whether they can carry a hub")
	bootstrap.Flags().StringVar(&cluster, "cluster", "", "print it for another cluster than bus.placement.cluster, linked to it by gateways")
	bootstrap.MarkFlagsMutuallyExclusive("apply", "check", "cluster")
	group.AddCommand(bootstrap)
	return group
}

func printServer(out io.Writer, c configs.Hub, cluster string) error {
	if cluster != "" && c.Bus.Placement.Cluster == "" {
		return errors.New("--cluster is for a bus of several clusters: bus.placement.cluster must name the one that keeps the streams")
	}
	keys, err := openKeys(c)
	if err != nil {
		return err
	}
	text, err := keys.ServerConfig(nats.Site{
		URLs: c.Bus.External.URLs, Home: c.Bus.Placement.Cluster, Cluster: cluster, Foreign: c.Bus.External.SystemCredentials != "",
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

// serversWithin bounds what "hansa bus bootstrap" does on servers.
const serversWithin = 2 * time.Minute

func onServers(ctx context.Context, c configs.Hub, do func(context.Context, *nats.External) error) error {
	ctx, cancel := context.WithTimeout(ctx, serversWithin)
	defer cancel()
	keys, err := openKeys(c)
	if err != nil {
		return err
	}
	external, err := openExternal(ctx, c, nats.ExternalOptions{Keys: keys, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer external.Shutdown()
	return do(ctx, external)
}

func lines(out io.Writer) func(string) {
	return func(line string) { fmt.Fprintln(out, line) }
}
