// Command hansa is Hansa in one binary: the roles hub, gateway and agent, and
// the command line that talks to them. This file is the composition root.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/configs"
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/gateway"
	"github.com/hansa-io/hansa/gateway/cli"
	"github.com/hansa-io/hansa/gateway/cli/local"
	"github.com/hansa-io/hansa/member"
	"github.com/hansa-io/hansa/messaging/nats"
)

// release is the version, set by the linker.
var release = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	roles := []*cobra.Command{
		configs.Role("hub", "Run the bus, the hub and, unless it is configured away, a gateway", configs.LoadHub, runHub),
		configs.Role("agent", "Run the agent of a cluster that Hansa did not start", configs.LoadAgent, runAgent),
	}
	os.Exit(cli.Main(ctx, os.Args[1:], cli.Options{Version: release, Commands: append(local.Commands(), roles...)}))
}

// runHub runs bus, hub and gateway in one process until ctx ends.
func runHub(ctx context.Context, c configs.Hub) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	bus, err := nats.StartServer(nats.ServerOptions{
		Dir: c.DataDir, Listen: c.Bus.Listen, CertFile: c.Bus.CertFile, KeyFile: c.Bus.KeyFile, Log: log,
	})
	if err != nil {
		return err
	}
	defer bus.Shutdown()
	conn, err := bus.Dial(nats.HubRole)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.EnsureBuckets(ctx); err != nil {
		return err
	}
	ca, err := os.ReadFile(c.Bus.CAFile)
	if err != nil {
		return fmt.Errorf("read the bus's CA: %w", err)
	}
	metrics := gateway.NewRegistry()
	decides, err := hub.New(hub.Options{
		Bus: conn, Accounts: bus.Accounts, Works: conn, BusURLs: bus.Advertised(c.Bus.Advertise), BusCA: ca, Stabilise: c.Stabilise, Metrics: metrics, Log: log,
	})
	if err != nil {
		return err
	}
	roles, ctx := errgroup.WithContext(ctx)
	roles.Go(func() error { return decides.Run(ctx) })
	if c.Gateway.Listen != "" {
		answers, err := bus.Dial(nats.GatewayRole)
		if err != nil {
			return err
		}
		defer answers.Close()
		front, err := gateway.New(gateway.Options{
			Bus: answers, Connected: answers.Connected, Listen: c.Gateway.Listen, MetricsListen: c.Gateway.MetricsListen,
			CertFile: c.Gateway.CertFile, KeyFile: c.Gateway.KeyFile, TokensFile: c.Gateway.TokensFile,
			Place: federation.Place(c.Gateway.Place), Version: release, Metrics: metrics, Log: log,
		})
		if err != nil {
			return err
		}
		roles.Go(func() error { return front.Run(ctx) })
	}
	if err := roles.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// runAgent runs the agent of one attached cluster until ctx ends.
func runAgent(ctx context.Context, c configs.Agent) error {
	var ca []byte
	if c.ProbeCAFile != "" {
		var err error
		if ca, err = os.ReadFile(c.ProbeCAFile); err != nil {
			return fmt.Errorf("read probeCAFile: %w", err)
		}
	}
	agent, err := member.New(member.Options{
		Name: c.Name, Place: federation.Place(c.Place), Labels: c.Labels, StateDir: c.StateDir, JoinToken: c.JoinToken,
		Kubeconfig: c.Kubeconfig, Context: c.Context, ProbeURL: c.ProbeURL, ProbeCA: ca, NoProbe: c.NoProbe, Version: release,
		NewKey: nats.NewUserKey, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Dial: func(c member.Credentials, name string) (member.Bus, error) {
			return nats.Dial(nats.DialOptions{
				URLs: c.BusURLs, CA: c.BusCA, Credentials: nats.Credentials{JWT: c.JWT, Seed: c.Seed}, Name: name, Account: c.Account,
			})
		},
	})
	if err != nil {
		return err
	}
	return agent.Run(ctx)
}
