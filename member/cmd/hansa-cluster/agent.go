package main

import (
	"context"
	"log/slog"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/member/cluster"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/seal"
	"github.com/hansa-io/hansa/messaging/trace/otlp"
)

// runAgent runs the agent once the cluster is usable, until ctx ends. Without
// an agent section it only waits.
func runAgent(ctx context.Context, cfg config.Config, c *cluster.Cluster, log loggers) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.Ready():
	}
	if cfg.Agent == nil {
		<-ctx.Done()
		return nil
	}
	stop, err := otlp.Export(ctx, "hansa-agent", log.own)
	if err != nil {
		return err
	}
	defer stop()
	agent, err := member.New(member.Options{
		Name: cfg.Name, Labels: cfg.Labels, StateDir: cfg.Agent.StateDir, JoinToken: cfg.Agent.JoinToken,
		Place: federation.Place{
			Region: cfg.Place.Region, Zone: cfg.Place.Zone, Latitude: cfg.Place.Latitude, Longitude: cfg.Place.Longitude,
		},
		Kubeconfig: c.Kubeconfig(cluster.AgentKubeconfig), Version: release, AdmissionListen: "127.0.0.1:0",
		Keys: access.Keys{New: nats.NewUserKey, Sign: nats.Sign, Read: nats.ReadUser}, NewSealKey: seal.NewKey, Unseal: seal.Open, Logger: log.own,
		Dial: func(c member.Connection) (member.Bus, error) { return dial(c, log.own, true) },
		Tunnels: func(control member.Bus, bulk member.Connection) messaging.TunnelServer {
			return nats.NewTunnelServer(control.(*nats.Conn), func() (*nats.Conn, error) { return dial(bulk, log.own, false) })
		},
	})
	if err != nil {
		return err
	}
	return agent.Run(ctx)
}

// dial connects an agent to the bus; patient ones are tried for ever.
func dial(c member.Connection, log *slog.Logger, patient bool) (*nats.Conn, error) {
	return nats.Dial(nats.DialOptions{
		Source: func() (nats.Access, error) {
			now := c.Credentials()
			return nats.Access{URLs: now.BusURLs, CA: now.BusCA, Credentials: nats.Credentials{JWT: now.JWT, Seed: now.Seed}}, nil
		},
		Name: c.Name, Account: c.Account, First: c.First, Refused: c.Refused, Log: log, Patient: patient,
	})
}
