package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// The hub's leadership is a lease in the store. The holder counts from when it
// sent the last renewal that was granted, by its own monotonic clock, and stops
// well before the store can give the lease to another.
const (
	leaseKey      = "hub"
	leaseLifetime = 5 * time.Second
	leaseRenew    = 1 * time.Second
	leaseStop     = leaseLifetime * 4 / 5
	leaseRetry    = 500 * time.Millisecond
)

// lease is a leadership that was won. Its term is the revision of the winning
// write: the store's revisions only grow, so terms do.
type lease struct {
	term     uint64
	revision federation.Revision
	sent     time.Time // of the last granted request
	name     string
}

// acquire waits until the lease is free and takes it. A lease that an earlier
// life of this hub holds (the same name; its store admits one process only) is
// taken over at once.
func (h *Hub) acquire(ctx context.Context, leases messaging.KV) (*lease, error) {
	for {
		held, err := h.tryAcquire(ctx, leases)
		if err == nil {
			return held, nil
		}
		if !errors.Is(err, messaging.ErrConflict) {
			h.log.Warn("leadership not acquired yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(leaseRetry):
		}
	}
}

func (h *Hub) tryAcquire(ctx context.Context, leases messaging.KV) (*lease, error) {
	var expected federation.Revision
	if entry, err := leases.Get(ctx, leaseKey); err == nil && string(entry.Value) == h.opts.Name {
		expected = entry.Revision
	}
	sent := time.Now()
	revision, err := h.opts.Bus.Acquire(ctx, leaseKey, []byte(h.opts.Name), leaseLifetime, expected)
	if err != nil {
		return nil, fmt.Errorf("acquire the leadership: %w", err)
	}
	return &lease{term: uint64(revision), revision: revision, sent: sent, name: h.opts.Name}, nil
}

// keep renews the lease until ctx ends or it can no longer be trusted.
func (l *lease) keep(ctx context.Context, leaser messaging.Leaser) error {
	ticker := time.NewTicker(leaseRenew)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := l.renew(ctx, leaser); err != nil {
			return err
		}
	}
}

// renew sends one renewal. A refusal ends the term at once; no answer ends it
// when the lease is about to run out.
func (l *lease) renew(ctx context.Context, leaser messaging.Leaser) error {
	sent := time.Now()
	ask, cancel := context.WithDeadline(ctx, l.sent.Add(leaseStop))
	defer cancel()
	revision, err := leaser.Acquire(ask, leaseKey, []byte(l.name), leaseLifetime, l.revision)
	switch {
	case err == nil:
		l.revision, l.sent = revision, sent
		return nil
	case errors.Is(err, messaging.ErrConflict):
		return fmt.Errorf("leadership lost to another hub: %w", err)
	case time.Since(l.sent) >= leaseStop:
		return fmt.Errorf("leadership ran out %v after the last renewal: %w", time.Since(l.sent).Round(time.Millisecond), err)
	}
	return nil
}

// release gives the lease back, so that the next hub need not wait.
func (l *lease) release(ctx context.Context, leaser messaging.Leaser) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = leaser.Release(ctx, leaseKey, l.revision) // it ends by itself otherwise
}
