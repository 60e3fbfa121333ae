package member

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
)

const (
	// onlookEvery is how often each ingress is looked at, and onlookLimit how long a look
	// waits.
	onlookEvery = time.Second
	onlookLimit = 900 * time.Millisecond
	// mostLooks bounds at how many ingresses one agent looks, whatever a hub says.
	mostLooks = 256
)

// lookout knows the ingresses that an agent is to look at, and what it saw there last.
type lookout struct {
	mu    sync.Mutex
	own   ownIngress
	looks []federation.Look
	seen  map[federation.Look]sighting
}

// sighting is what was seen, and when.
type sighting struct {
	probe.Sight
	at time.Time
}

// ownIngress is that of the agent's own member. That it does not answer says something only
// once it has answered: the way from inside may be closed.
type ownIngress struct {
	at      string // as in a Beat
	reached bool
	signal  federation.Signal
}

// order takes what the hub wants looked at.
func (l *lookout) order(looks []federation.Look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.looks = looks[:min(len(looks), mostLooks)]
}

// announce takes where the own ingress is.
func (l *lookout) announce(at string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at != l.own.at {
		l.own = ownIngress{at: at}
	}
}

// all returns everything to look at; the own ingress has no member's name.
func (l *lookout) all() []federation.Look {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(slices.Clone(l.looks), federation.Look{IngressAt: l.own.at})
}

// note keeps what a look saw.
func (l *lookout) note(at federation.Look, s sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case at.Member == "" && at.IngressAt == l.own.at:
		l.own.reached = l.own.reached || s.Signal == federation.Green
		if l.own.reached {
			l.own.signal = s.Signal
		}
	case slices.Contains(l.looks, at):
		if l.seen == nil {
			l.seen = map[federation.Look]sighting{}
		}
		l.seen[at] = s
	}
}

// tell writes into a beat what was seen last of those that are still to be looked at.
func (l *lookout) tell(now time.Time, b *federation.Beat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b.IngressAt, b.Layers.Ingress = l.own.at, l.own.signal
	for at := range l.seen {
		if !slices.Contains(l.looks, at) {
			delete(l.seen, at)
		}
	}
	for _, at := range l.looks {
		if s, ok := l.seen[at]; ok {
			b.Peers = append(b.Peers, federation.PeerObservation{Member: at.Member, Ingress: s.Signal, Age: now.Sub(s.at), Detail: s.Detail})
		}
	}
}

// onlook looks at the ingresses of others, and at the own one, over and over.
func (a *Agent) onlook(ctx context.Context) error {
	ticks := time.NewTicker(onlookEvery)
	defer ticks.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		if a.facts.filled.Load() {
			a.lookout.announce(a.watch.Ingress())
		}
		for _, at := range a.lookout.all() {
			under.Go(func() {
				seen := probe.Ingress(ctx, at.IngressAt, onlookLimit)
				if ctx.Err() == nil {
					a.lookout.note(at, sighting{Sight: seen, at: time.Now()})
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}
