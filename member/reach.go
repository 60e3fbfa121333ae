package member

import (
	"context"

	"github.com/hansa-io/hansa/member/reach"
)

// reach serves the cluster's API to gateways, over a connection of its own.
func (a *Agent) reach(ctx context.Context) error {
	if a.opts.Tunnels == nil {
		return nil
	}
	api, transport, err := a.cluster.Reach()
	if err != nil {
		return err
	}
	bulk := a.connection(" tunnels", 0)
	return reach.New(reach.Options{Tunnels: a.opts.Tunnels(a.control, bulk), API: api, Transport: transport, Log: a.log}).Run(ctx)
}
