// Command hansa is Hansa in one binary: the roles hub, gateway and agent, and
// the command line that talks to them. This file is the composition root.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/gateway"
	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/gateway/cli/local"
	"github.com/hansa-io/hansa/member/cluster/datadir"
	"github.com/hansa-io/hansa/member/wrap"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/agentbus"
	"github.com/hansa-io/hansa/messaging/hubbus"
	"github.com/hansa-io/hansa/messaging/mirror"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/seal"
	"github.com/hansa-io/hansa/messaging/trace/otlp"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// release is the version, set by the linker.
var release = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Options{
		Version: release, Commands: append(append(roles(), wrap.Command()), local.Commands()...), Restore: prepareRestore, Direct: local.Kubeconfig,
	}))
}

// roles are the commands that need what only this package may link.
func roles() []*cobra.Command {
	runAgent := agentbus.Role(release)
	return []*cobra.Command{
		hubCommand(),
		hubbus.Command(),
		configs.Role("gateway", "Run a gateway in a process of its own", configs.LoadGateway, otlp.Traced("hansa-gateway", runGateway)),
		configs.Role("agent", "Run the agent of a cluster that Hansa did not start", configs.LoadAgent, runAgent),
		configs.Join(cli.HomeDir, runAgent),
	}
}

// hubCommand is the role hub, and what is asked of its keys without it.
func hubCommand() *cobra.Command {
	hub := configs.Role("hub", "Run the bus, the hub and, unless it is configured away, a gateway", configs.LoadHub, otlp.Traced("hansa-hub", runHub))
	hub.AddCommand(hubbus.KeyCommands()...)
	return hub
}

// prepareRestore makes the directory of a hub that has lost everything, and does not
// run, ready to restore a backup.
func prepareRestore(ctx context.Context, config, file string) error {
	c, err := configs.LoadHub(config)
	if err != nil {
		return err
	}
	dir, err := datadir.Open(c.DataDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := hubbus.Lost(ctx, c); err != nil {
		return err
	}
	return hub.Prepare(c.DataDir, nats.KeyFiles(c.Bus.KeysDir), file)
}

// hubFormat is the newest layout of a hub's data directory that this program knows.
const hubFormat = 1

// runHub runs bus, hub and gateway in one process until ctx ends.
func runHub(ctx context.Context, c configs.Hub) error {
	if err := catalogue.Extend(c.Places); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	dir, err := openHubDir(c.DataDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	instance, err := instanceOf(dir, c.Name)
	if err != nil {
		return err
	}
	metrics := gateway.NewRegistry()
	anew, err := hub.Prepared(c.DataDir, nats.KeyFiles(c.Bus.KeysDir))
	if err != nil {
		return err
	}
	bus, err := hubbus.Open(ctx, hubbus.Options{Config: c, Anew: anew, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	defer bus.Close()
	sealing, certifies, err := fromKeys(bus.Keys)
	if err != nil {
		return err
	}
	records, err := mirror.Open(ctx, bus.Conn, mirror.Options{Buckets: hubFollows(c), Dir: filepath.Join(c.DataDir, "snapshots"), Log: log})
	if err != nil {
		return err
	}
	decides, err := hub.New(hub.Options{
		Name: c.Name, Instance: instance, Bus: mirroredBus{bus.Conn, records}, Ears: bus.Ears, Accounts: bus.Accounts, Works: bus.Conn, Sealing: sealing, Authority: certifies,
		Inspector: bus.Inspector(), Gather: bus.Gather, Suspend: bus.Accounts.Suspend, Disconnects: bus.Accounts.Disconnects, BusURLs: bus.URLs(), BusCA: bus.CA, Federation: bus.Keys.Federation(), Stabilise: c.Stabilise, Metrics: metrics, Log: log,
		Brake: limits(c), Full: bus.Full, Version: release, Keys: nats.KeyFiles(c.Bus.KeysDir), DataDir: c.DataDir,
	})
	if err != nil {
		return err
	}
	roles := []func(context.Context) error{bus.KeepDisk, bus.ServeGateways, records.Run, decides.Run}
	if c.Gateway.Listen != "" {
		answers, err := bus.Dial(nats.GatewayRole)
		if err != nil {
			return err
		}
		defer answers.Close()
		reach, stop, err := newReach(func() (*nats.Conn, error) { return bus.Dial(nats.GatewayRole) })
		if err != nil {
			return err
		}
		defer stop()
		front, err := newGateway(c.Gateway, mirroredBus{answers, records}, gateway.Options{Name: c.Name, Tunnels: reach, Metrics: metrics, Log: log})
		if err != nil {
			return err
		}
		roles = append(roles, front.Run)
	}
	return runAll(ctx, roles)
}

// limits are those of the hub's brake.
func limits(c configs.Hub) recovery.BrakeLimits {
	return recovery.BrakeLimits{
		Most: c.Safety.Most, Unexplained: c.Safety.Unexplained, Reversals: c.Safety.Reversals, Headroom: c.Safety.Headroom, Places: c.Safety.Places,
	}
}

// fromKeys opens what gateways seal, and certifies agents, with what follows from the keys
// of the bus.
func fromKeys(keys *nats.Keys) (hub.Sealing, *authority.Authority, error) {
	sealed, seed, err := keys.RecordKeys()
	if err != nil {
		return hub.Sealing{}, nil, err
	}
	sealing := hub.Sealing{
		Seal: seal.Seal, Keys: sealed, Open: func(s federation.Sealed) ([]byte, error) { return seal.Open(s, seed) },
	}
	certifying, err := keys.AuthoritySeed()
	if err != nil {
		return hub.Sealing{}, nil, err
	}
	certifies, err := authority.New(keys.Federation(), certifying)
	return sealing, certifies, err
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

// openHubDir opens a hub's data directory, which no other process has open.
func openHubDir(path string) (*datadir.Dir, error) {
	dir, err := datadir.Open(path)
	if err != nil {
		return nil, err
	}
	if err := dir.Stamp("hansa-hub", hubFormat); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// runAll runs the roles until ctx ends or one of them fails.
func runAll(ctx context.Context, roles []func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range roles {
		group.Go(func() error { return run(ctx) })
	}
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// mirroredBus is a connection whose buckets are followed in mirrors.
type mirroredBus struct {
	*nats.Conn
	records *mirror.Set
}

// Bucket opens a bucket.
func (b mirroredBus) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	return b.records.Over(b.Conn).Bucket(ctx, name)
}

// hubFollows lists what is mirrored in a hub's process: hub and gateway share it, and
// a hub that does not lead yet holds what it will need.
func hubFollows(c configs.Hub) []string {
	names := hub.Followed()
	if c.Gateway.Listen != "" {
		names = append(names, gateway.Followed()...)
	}
	return names
}

// newGateway completes the options from the configuration.
func newGateway(c configs.Gateway, bus mirroredBus, o gateway.Options) (*gateway.Gateway, error) {
	o.Bus, o.Seal, o.Connected, o.Version = bus, seal.Seal, bus.Connected, release
	o.Listen, o.MetricsListen, o.CertFile, o.KeyFile, o.TokensFile = c.Listen, c.MetricsListen, c.CertFile, c.KeyFile, c.TokensFile
	o.Place = catalogue.Resolve(federation.Place(c.Place))
	return gateway.New(o)
}

// newReach opens tunnels over a connection that carries nothing else.
func newReach(dial func() (*nats.Conn, error)) (messaging.Tunnels, func(), error) {
	conn, err := dial()
	if err != nil {
		return nil, nil, err
	}
	tunnels, err := nats.NewTunnels(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return tunnels, func() {
		tunnels.Close()
		conn.Close()
	}, nil
}

// runGateway runs a gateway until ctx ends.
func runGateway(ctx context.Context, c configs.GatewayRole) error {
	if err := catalogue.Extend(c.Places); err != nil {
		return err
	}
	log, metrics := slog.New(slog.NewTextHandler(os.Stderr, nil)), gateway.NewRegistry()
	files := &nats.Files{URLs: c.Bus.URLs, CAFile: c.Bus.CAFile, CredentialsFile: c.Bus.CredentialsFile, Log: log}
	bus, err := nats.Dial(nats.DialOptions{Source: files.Source, Name: c.Name, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	defer bus.Close()
	records, err := mirror.Open(ctx, bus, mirror.Options{Buckets: gateway.Followed(), Dir: c.SnapshotDir, Log: log})
	if err != nil {
		return err
	}
	reach, stop, err := newReach(func() (*nats.Conn, error) {
		return nats.Dial(nats.DialOptions{Source: files.Source, Name: c.Name + " tunnels", Log: log})
	})
	if err != nil {
		return err
	}
	defer stop()
	front, err := newGateway(c.Gateway, mirroredBus{bus, records}, gateway.Options{Name: c.Name, Tunnels: reach, Metrics: metrics, Log: log})
	if err != nil {
		return err
	}
	return runAll(ctx, []func(context.Context) error{records.Run, front.Run, func(ctx context.Context) error { return files.Follow(ctx, bus) }})
}
