package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// keysWithin bounds the question for the keys.
const keysWithin = 3 * time.Second

// seal makes workloads what may lie in the store: their Secrets are sealed to the hubs.
func (g *Gateway) seal(ctx context.Context, workloads []federation.Workload) error {
	if !slices.ContainsFunc(workloads, func(w federation.Workload) bool {
		return slices.ContainsFunc(w.Objects, federation.Object.IsSecret)
	}) {
		return nil
	}
	keys, err := g.keys(ctx)
	if err != nil {
		return err
	}
	for i, w := range workloads {
		if workloads[i], err = sealed.SealRecord(w, keys, g.opts.Seal); err != nil {
			return messaging.Errorf(messaging.InternalKind, "workload %s: %v", w.Key, err)
		}
	}
	return nil
}

// keys asks the hub how records are sealed. While it does not answer, its last answer
// holds.
func (g *Gateway) keys(ctx context.Context) (federation.SealKeys, error) {
	ctx, cancel := context.WithTimeout(ctx, keysWithin)
	defer cancel()
	b, err := g.opts.Bus.Request(ctx, subject.Hub(subject.HubSealKeys), federationv1.EncodeSealKeysRequest(struct{}{}))
	var keys federation.SealKeys
	if err == nil {
		keys, err = federationv1.DecodeSealKeys(b)
	}
	if err == nil {
		g.sealKeys.Store(&keys)
		return keys, nil
	}
	if last := g.sealKeys.Load(); last != nil {
		return *last, nil
	}
	return keys, messaging.Errorf(messaging.Unavailable, "Secrets are sealed with a key of the hub, which does not answer (%v): try again", err)
}
