package main

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/member/cluster"
	"github.com/hansa-io/hansa/member/cluster/config"
)

// run composes the member and blocks until ctx ends or a role fails. The agent
// runs while the cluster is usable; it stops first, so that it can still say
// goodbye.
func run(ctx context.Context, cfg config.Config, log loggers) error {
	member, err := cluster.New(cluster.Options{Config: cfg, Logger: log.own, ComponentLogger: log.components})
	if err != nil {
		return err
	}
	roles, ctx := errgroup.WithContext(ctx)
	clusterCtx, stopCluster := context.WithCancel(context.WithoutCancel(ctx))
	roles.Go(func() error { return member.Run(clusterCtx) })
	roles.Go(func() error {
		defer stopCluster()
		return runAgent(ctx, cfg, member, log)
	})
	return roles.Wait()
}
