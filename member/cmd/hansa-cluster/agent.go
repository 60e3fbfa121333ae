package main

import (
	"context"
	"net"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member"
	"github.com/hansa-io/hansa/member/cluster"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/messaging/agentbus"
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
	agent, err := member.New(agentbus.Complete(member.Options{
		Name: cfg.Name, Labels: cfg.Labels, StateDir: cfg.Agent.StateDir, JoinToken: cfg.Agent.JoinToken,
		Place: federation.Place{
			Region: cfg.Place.Region, Zone: cfg.Place.Zone, Latitude: cfg.Place.Latitude, Longitude: cfg.Place.Longitude,
		},
		Kubeconfig: c.Kubeconfig(cluster.AgentKubeconfig), Version: release, AdmissionListen: "127.0.0.1:0",
		PeerListen: net.JoinHostPort(cfg.APIAddress, "0"),
	}, log.own))
	if err != nil {
		return err
	}
	if err := agent.Run(ctx); err != nil {
		return err
	}
	<-ctx.Done() // the cluster of a member that has left goes on
	return nil
}
