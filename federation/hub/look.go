package hub

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// ownVantage is the name of the hub's own process as a vantage point.
const ownVantage = "hub"

// look has members looked at, for a hub that leads and for one that only listens.
type look struct {
	hub   *Hub
	group *errgroup.Group
	dir   *directory
}

// from looks at a member from every vantage point that a machine named. seen takes what the
// hub itself sees; what the others see comes as their reports.
func (k look) from(ctx context.Context, vantages []string, request federation.ProbeRequest, seen func(federation.ProbeReply)) {
	data := federationv1.EncodeProbeRequest(request)
	for _, vantage := range vantages {
		if vantage == ownVantage {
			k.group.Go(func() error {
				seen(probe.Do(ctx, request, k.hub.identity))
				return nil
			})
			continue
		}
		if account, ok := k.dir.accountOf(vantage); ok {
			_ = k.hub.opts.Bus.Publish(subject.Down(account, subject.DownProbe), data) // a lost one is asked again
		}
	}
}
