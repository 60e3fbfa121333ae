package node

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
)

// runProxy runs kube-proxy, which ends with the process only.
func runProxy(ctx context.Context, c Config) error {
	opts := app.NewOptions()
	flags := pflag.NewFlagSet("kube-proxy", pflag.ContinueOnError)
	opts.AddFlags(flags)
	arguments := []string{
		"--kubeconfig=" + c.file(FileProxy),
		"--hostname-override=" + c.Name,
		"--proxy-mode=iptables",
		"--cluster-cidr=" + c.MemberPods.String(),
		"--healthz-bind-address=" + c.Address.Addr().String() + ":10256",
		"--metrics-bind-address=127.0.0.1:10249",
		// The machine's limits of connections are not the node's to change.
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
		"--iptables-min-sync-period=100ms",
	}
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("parse flags of kube-proxy: %w", err)
	}
	if err := opts.Complete(flags); err != nil {
		return fmt.Errorf("complete options of kube-proxy: %w", err)
	}
	if err := opts.Validate(); err != nil {
		return fmt.Errorf("validate options of kube-proxy: %w", err)
	}
	return opts.Run(ctx)
}
