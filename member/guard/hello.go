package guard

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

// Holdings lists what runs, or may run, here, sorted by workload. What must run once
// has stopped when nothing of it runs, and no lease lets it start.
func (m *Machine) Holdings() []federation.Holding {
	var out []federation.Holding
	for _, k := range m.sorted {
		switch it := m.items[k]; it.Phase {
		case holding:
			stopped := it.AtMostOne && !it.stop && !it.lease.running && !it.lease.MayRun(m.now)
			out = append(out, federation.Holding{Workload: k, Epoch: it.Epoch, Revision: it.Revision, Stopped: stopped})
		case removing:
			out = append(out, federation.Holding{Workload: k, Epoch: it.Epoch, Revision: it.Revision})
		}
	}
	return out
}

// stepHello says hello at the start of an incarnation, when the hub challenges,
// and again until the hub has nothing more to ask.
func (m *Machine) stepHello() {
	if m.content || m.now.Before(m.helloAt) {
		return
	}
	m.helloAt = m.now.Add(helloEvery)
	m.said++
	hello := federation.Hello{
		Member: m.opts.Member, Incarnation: m.opts.Incarnation, Sequence: m.said, ClusterID: m.opts.ClusterID,
		Holdings: m.Holdings(), Synced: m.synced, Held: m.held(),
	}
	for _, h := range hello.Holdings {
		if h.Stopped {
			m.items[h.Workload].lease.denied = m.said
		}
	}
	m.out = append(m.out, SendHello{Hello: hello})
}

// heard takes the hub's beat, unless it is older than the last one. A new hub,
// and one that has the member on its way back, get a hello.
func (m *Machine) heard(b federation.HubBeat) {
	if b.Term < m.term || b.Term == m.term && b.Sequence <= m.sequence {
		return
	}
	if b.Term > m.term {
		m.content = false
	}
	m.term, m.sequence, m.heardAt = b.Term, b.Sequence, m.now
	m.masked = m.now
	for _, mask := range b.Masks {
		if slices.Contains(mask.Members, m.opts.Member) {
			m.masked = m.now.Add(min(mask.Lifetime, longestMask))
		}
	}
	for _, line := range b.Members {
		if line.Member == m.opts.Member {
			m.judged(line.Health)
		}
	}
}

// judged notes how the hub sees this member.
func (m *Machine) judged(h federation.Health) {
	challenged := h == federation.Returning || h == federation.Quarantined
	if challenged && h != m.health && m.content {
		m.content, m.helloAt = false, m.now
	}
	m.health = h
}

// replied obeys the answer to a hello: what stays gets its epoch, what must not run
// stops. The hub is content once it has this incarnation's word that its
// caches are synced, and counts the member among its own.
func (m *Machine) replied(r federation.HelloReply) {
	if r.Term < m.term {
		return
	}
	m.health = r.Health
	m.greeted()
	for _, h := range r.Keep {
		m.keep(h)
	}
	for _, h := range r.Stop {
		m.stopHolding(h)
	}
	if belongs(r.Health) {
		m.answered = true
		m.content = r.Synced && len(r.Stop) == 0
	} else if len(r.Stop) > 0 {
		m.answered = true
	}
}

func (m *Machine) keep(h federation.Holding) {
	it := m.items[h.Workload]
	if it == nil || it.Phase != holding || it.Epoch >= h.Epoch {
		return
	}
	it.Epoch, m.dirty = h.Epoch, true
}

// stopHolding stops the pods of a workload that must run once and that an epoch has
// given to others. A waiting order to run it, of that epoch or below, is void. It is
// removed by an order and nothing else, once the member is back; what may run in
// several members at once goes on running until then.
func (m *Machine) stopHolding(h federation.Holding) {
	it := m.items[h.Workload]
	if it == nil || !it.AtMostOne || it.Phase != holding || it.stop && it.Epoch >= h.Epoch && !it.lease.running {
		return // the last one: it is being stopped
	}
	if it.order != nil && !it.done && !it.order.Removed && it.order.Epoch <= h.Epoch {
		m.dropWaiting(it)
		it.order = nil
	}
	it.Epoch, m.dirty = max(it.Epoch, h.Epoch), true
	it.lease = leaseState{askAt: m.now.Add(lease.RenewEvery(0)), denied: it.lease.denied}
	it.stop, it.Endless = true, false
	m.halt(it, "the hub gave it to others while this member was away")
}
