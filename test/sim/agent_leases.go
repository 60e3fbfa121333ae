package sim

import (
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

// leases are those of at-most-one workloads, by the clock of one boot of the member.
type leases struct {
	guard.Held
	offset time.Duration
	drift  float64
}

// kept are the leases that the next life may go on with.
func (on *member) kept() guard.Held {
	if on.leases.offset != on.offset || on.leases.drift != on.drift {
		return guard.Held{} // it counts by another clock
	}
	return on.leases.Held
}

// stopped: pods that run once go on without the agent, each for as long as its lease holds.
func (a *agent) stopped() {
	for k, until := range a.guard.Leases(a.clock()) {
		a.on.cluster.expire(k, a.worldTime(until))
	}
}

// attest is what one agent asks another beside the bus.
type attest struct{ federation.AttestRequest }

func (a *agent) askPeers(e guard.AskPeers) {
	for _, p := range e.Peers {
		if a.w.nodes[p.At] == nil {
			continue
		}
		a.w.Call(Link{a.name, p.At}, attest{federation.AttestRequest{Member: a.name, Claims: e.Claims}}, askTimeout, func(answer any, ok bool) {
			if r, replied := answer.(federation.AttestReply); ok && replied {
				a.step(guard.PeerAnswered{Sequence: e.Sequence, Peer: p.Member, Reply: r})
			}
		})
	}
}

func (a *agent) renew(e guard.RenewLease) {
	sent := a.clock()
	r := federation.RenewRequest{Member: a.name, Incarnation: a.on.incarnation, Sequence: e.Sequence, Workload: e.Workload, Epoch: e.Epoch, Held: e.Held, Peers: e.Peers}
	a.w.Call(Link{a.name, a.w.leading()}, renew{r}, writeTimeout, func(answer any, ok bool) {
		if g, granted := answer.(federation.Grant); ok && granted {
			a.step(guard.RenewAnswered{Workload: e.Workload, Epoch: e.Epoch, Sequence: e.Sequence, SentAt: sent, Grant: g})
		}
	})
}
