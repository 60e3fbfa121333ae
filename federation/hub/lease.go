package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
)

// The hub's leadership is a lease in the store, under this key and for this
// long. Package lease says how it is won, kept and lost; this file is its shell.
// A hub that does not lead looks for the lease every leaseLook, and does not wait for what
// it asked before: a store that is electing loses it.
const (
	leaseKey      = "hub"
	leaseLifetime = 5 * time.Second
	leaseLook     = 250 * time.Millisecond
	leaseRetry    = 500 * time.Millisecond
)

// candidate carries out the effects of one lease.Leader and leads while that says
// so. It ends for good when its leadership ends by itself.
type candidate struct {
	hub    *Hub
	leases messaging.KV
	leader *lease.Leader
	events *mailbox.Box[lease.Event]
	asking sync.WaitGroup            // requests that are not answered yet
	until  atomic.Pointer[time.Time] // as the leader says
	term   *reign                    // nil while it does not lead
	idle   *watch                    // nil while it does
}

// reign is one term under way.
type reign struct {
	term uint64
	end  context.CancelFunc
	done chan struct{} // closed when all that the term started has stopped
	err  error         // why it ended by itself; read after done
}

func (h *Hub) newCandidate(leases messaging.KV) *candidate {
	return &candidate{
		hub: h, leases: leases, events: mailbox.New[lease.Event](),
		leader: lease.NewLeader(lease.LeaderOptions{Lifetime: leaseLifetime, Retry: leaseLook, Above: h.above.Load()}),
	}
}

// compete waits for the leadership and leads while it has it, any number of
// times, until ctx ends or a term ends by itself; it gives the lease back then,
// so that the next hub need not wait.
func (c *candidate) compete(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer c.asking.Wait()
	defer stop()
	c.watch(ctx)
	defer c.relieve()
	deadline := time.NewTimer(0)
	defer deadline.Stop()
	for {
		select {
		case <-ctx.Done():
			c.step(ctx, lease.Resign{})
			return
		case <-c.ended():
			c.hub.log.Warn("leadership ended", "term", c.term.term, "reason", c.term.err)
			c.step(ctx, lease.Resign{})
			return
		case <-c.events.Ready():
			for _, ev := range c.events.Take() {
				c.step(ctx, ev)
			}
		case <-deadline.C:
			c.step(ctx, lease.Tick{})
		}
		if at, ok := c.leader.Deadline(); ok {
			deadline.Reset(max(0, time.Until(at)))
		}
	}
}

// ended is closed when the present term has ended by itself.
func (c *candidate) ended() <-chan struct{} {
	if c.term == nil {
		return nil
	}
	return c.term.done
}

func (c *candidate) step(ctx context.Context, ev lease.Event) {
	effects := c.leader.Step(time.Now(), ev)
	until := c.leader.Until()
	c.until.Store(&until)
	for _, effect := range effects {
		switch e := effect.(type) {
		case lease.Acquire:
			c.asking.Go(func() { c.events.Put(c.ask(ctx, e)) })
		case lease.Release:
			c.release(ctx, e.Expected)
		case lease.Lead:
			c.begin(ctx, e.Term)
		case lease.StepDown:
			c.hub.log.Info("leadership given up", "term", c.term.term, "reason", e.Reason)
			c.term.end()
			<-c.term.done
			c.term = nil
			c.watch(ctx)
		default:
			panic(fmt.Sprintf("hub: no rule for effect %T", effect)) // the closed set of lease.Effect
		}
	}
}

// begin leads in a goroutine of its own until the term is ended.
func (c *candidate) begin(ctx context.Context, term uint64) {
	ctx, end := context.WithCancel(ctx)
	r := &reign{term: term, end: end, done: make(chan struct{})}
	c.term = r
	from := c.hub.takesOver(time.Now())
	go func() {
		defer close(r.done)
		outranked := func(above uint64) { c.events.Put(lease.TermHeard{Term: above}) }
		r.err = c.hub.reign(ctx, reigning{term: term, relieve: c.relieve, leads: c.leads, outranked: outranked, takeover: from})
	}()
}

// leads reports whether this hub leads by the clock, whatever it has had time for.
func (c *candidate) leads() bool { return time.Now().Before(*c.until.Load()) }

// ask sends one request for the lease. A lease that an earlier life of this hub
// holds (the same instance, of which one runs at a time) counts as free, and one that
// an earlier request of this life wrote, whose answer was lost, is renewed. For one that
// another hub holds nothing is written: looking is enough, and cheaper.
func (c *candidate) ask(ctx context.Context, e lease.Acquire) lease.Event {
	ctx, cancel := context.WithTimeout(ctx, leaseLifetime)
	defer cancel()
	expected := e.Expected
	if expected == 0 {
		held, own, err := c.held(ctx)
		switch {
		case err != nil:
			return c.unknown(ctx, e, err)
		case held != 0 && !own:
			return lease.Refused{ID: e.ID, Held: held}
		}
		expected = held
	}
	revision, err := c.acquire(ctx, expected)
	if errors.Is(err, messaging.ErrConflict) && e.Expected != 0 {
		if written, own, _ := c.held(ctx); own && written > expected {
			revision, err = c.acquire(ctx, written)
		}
	}
	switch {
	case err == nil:
		return lease.Granted{ID: e.ID, Revision: revision}
	case errors.Is(err, messaging.ErrConflict):
		return lease.Refused{ID: e.ID}
	}
	return c.unknown(ctx, e, err)
}

func (c *candidate) unknown(ctx context.Context, e lease.Acquire, err error) lease.Event {
	if ctx.Err() == nil {
		c.hub.log.Warn("the store does not grant the leadership", "error", err)
	}
	return lease.Unknown{ID: e.ID}
}

func (c *candidate) acquire(ctx context.Context, expected federation.Revision) (federation.Revision, error) {
	return c.hub.opts.Bus.Acquire(ctx, leaseKey, []byte(c.hub.opts.Instance), leaseLifetime, expected)
}

// held returns the revision of the lease, 0 when nobody holds it, and whether this hub has
// written it.
func (c *candidate) held(ctx context.Context) (revision federation.Revision, own bool, err error) {
	entry, err := c.leases.Get(ctx, leaseKey)
	if errors.Is(err, messaging.ErrNotFound) {
		return 0, false, nil
	}
	return entry.Revision, string(entry.Value) == c.hub.opts.Instance, err
}

func (c *candidate) release(ctx context.Context, held federation.Revision) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.hub.opts.Bus.Release(ctx, leaseKey, held) // it ends by itself otherwise
}
