package hubbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/messaging/nats"
)

// Command is what is done to the bus itself.
func Command() *cobra.Command {
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
	ca, err := readCA(c)
	if err != nil {
		return err
	}
	external, err := openExternal(ctx, c, nats.ExternalOptions{Keys: keys, CA: ca, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	defer external.Shutdown()
	return do(ctx, external)
}

func lines(out io.Writer) func(string) {
	return func(line string) { fmt.Fprintln(out, line) }
}

// Lost refuses to prepare a hub whose bus has streams for a restore.
func Lost(ctx context.Context, c configs.Hub) error {
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
