package cluster

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"

	"github.com/hansa-io/hansa/member/cluster/datadir"
)

// withoutUse lists the controllers that have nothing to do in an embedded
// member: no node bootstraps by token, no volume is attached, and no pod range
// is divided among nodes.
const withoutUse = "-bootstrap-signer-controller,-token-cleaner-controller,-node-ipam-controller," +
	"-ttl-controller,-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller," +
	"-legacy-serviceaccount-token-cleaner-controller,-selinux-warning-controller," +
	"-certificatesigningrequest-cleaner-controller,-podcertificaterequest-cleaner-controller"

// runManager runs kube-controller-manager, with more flags, until ctx ends.
func runManager(ctx context.Context, dir *datadir.Dir, more []string) error {
	opts, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("create options: %w", err)
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	arguments := []string{
		"--kubeconfig=" + dir.Path(managerKubeconfig),
		"--leader-elect=false",
		"--secure-port=0",
		"--controllers=*," + withoutUse,
		"--service-account-private-key-file=" + dir.Path(tokenFiles.key),
		"--root-ca-file=" + dir.Path(CAFile),
		"--cluster-signing-cert-file=" + dir.Path(CAFile),
		"--cluster-signing-key-file=" + dir.Path(caFiles.key),
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
	arguments = append(arguments, more...)
	if err := parseFlags("kube-controller-manager", opts.Flags(known, disabled, aliases), arguments); err != nil {
		return err
	}
	cfg, err := opts.Config(ctx, known, disabled, aliases)
	if err != nil {
		return fmt.Errorf("complete options: %w", err)
	}
	return app.Run(ctx, cfg.Complete())
}
