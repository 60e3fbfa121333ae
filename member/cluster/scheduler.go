package cluster

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"github.com/hansa-io/hansa/member/cluster/datadir"
)

// runScheduler runs kube-scheduler until ctx ends.
func runScheduler(ctx context.Context, dir *datadir.Dir) error {
	opts := options.NewOptions()
	arguments := []string{
		"--kubeconfig=" + dir.Path(schedulerKubeconfig),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
	if err := parseFlags("kube-scheduler", *opts.Flags, arguments); err != nil {
		return err
	}
	completed, scheduler, err := app.Setup(ctx, opts)
	if err != nil {
		return fmt.Errorf("complete options: %w", err)
	}
	err = app.Run(ctx, completed, scheduler)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
