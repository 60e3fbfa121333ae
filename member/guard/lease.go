package guard

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

// leaseState is the right to run one at-most-one workload. The zero value is
// none.
type leaseState struct {
	lease.Hold
	askAt   time.Time // when it is renewed
	running bool      // it was landed under this lease
	denied  uint64    // sequence of the last hello that said that it does not run
}

// Lease is the right to run one at-most-one workload under an epoch: of a grant of TTL,
// and until Stop.
type Lease struct {
	Workload federation.Key
	Epoch    federation.Epoch
	TTL      time.Duration
	Stop     time.Time
}

// Held is what a restart has to know to go on with what it may run.
type Held struct {
	Leases []Lease // sorted by workload
	Peers  federation.Peers
}

func (h Held) equal(o Held) bool {
	return h.Peers.Version == o.Peers.Version && slices.Equal(h.Leases, o.Leases)
}

// running lists the leases under which something runs, sorted by workload. A Manual one is
// part of the state.
func (m *Machine) running() []Lease {
	var out []Lease
	for _, k := range m.sorted {
		if it := m.items[k]; it.Phase == holding && it.lease.running && !it.lease.Endless() && it.lease.MayRun(m.now) {
			out = append(out, Lease{Workload: k, Epoch: it.Epoch, TTL: it.lease.TTL(), Stop: it.lease.StopAt()})
		}
	}
	return out
}

// resumeLease takes over the right of an earlier life, by which the workload runs still.
func (it *item) resumeLease(leases []Lease) {
	if !it.AtMostOne || it.Phase != holding {
		return
	}
	it.stop = true
	if it.Endless {
		it.lease, it.stop = leaseState{Hold: lease.Resumed(lease.Forever, time.Time{}), running: true}, false
	}
	for _, l := range leases {
		if l.Workload == it.Workload && l.Epoch == it.Epoch {
			it.lease, it.stop = leaseState{Hold: lease.Resumed(l.TTL, l.Stop), running: true}, false
		}
	}
}

// leaseAt is when the workload's lease needs attention; zero when it has none.
func (it *item) leaseAt() time.Time {
	if !it.AtMostOne || it.Phase != holding {
		return time.Time{}
	}
	next := it.lease.askAt
	if it.lease.running {
		next = earlier(next, it.lease.StopAt())
	}
	return next
}

// stepLeases renews leases and stops what has none. What a restart finds running
// has none.
func (m *Machine) stepLeases() {
	for _, k := range m.sorted {
		it := m.items[k]
		if !it.AtMostOne || it.Phase != holding {
			continue
		}
		if it.lease.running && !it.lease.MayRun(m.now) {
			it.lease.running = false
			it.stop = true
			m.halt(it, "its lease ended")
		} else if it.stop && it.lease.askAt.IsZero() {
			m.halt(it, "this agent restarted and has no lease")
		}
		if !m.now.Before(it.lease.askAt) {
			it.lease.askAt = m.now.Add(it.lease.RenewEvery())
			m.said++
			m.out = append(m.out, RenewLease{
				Workload: k, Epoch: it.Epoch, Sequence: m.said, Held: it.lease.running && it.lease.MayRun(m.now), Peers: m.peers.Version,
			})
		}
	}
}

// Leases lists the at-most-one workloads that may run here, and until when; now is that of
// the last Step, or of the first one to come.
func (m *Machine) Leases(now time.Time) map[federation.Key]time.Time {
	out := map[federation.Key]time.Time{}
	for k, it := range m.items {
		if it.AtMostOne && it.Phase == holding && it.lease.running {
			out[k] = it.lease.StopAt()
			if it.lease.Endless() {
				out[k] = now.Add(lease.Forever)
			}
		}
	}
	return out
}

func (m *Machine) halt(it *item, why string) {
	m.out = append(m.out, Stop{Workload: it.Workload, Epoch: it.Epoch, Reason: why})
	m.report(it, federation.WorkHeld, why)
}

// renewed takes a lease, and starts what waited for it.
func (m *Machine) renewed(ev RenewAnswered) {
	it := m.items[ev.Workload]
	if it == nil || it.Phase != holding || ev.Epoch != it.Epoch {
		return
	}
	if ev.Sequence < it.lease.denied {
		// The hub has been told since that it does not run, and may have given it away.
		it.lease.askAt = m.now
		return
	}
	it.lease.Answered(ev.SentAt, ev.Grant)
	m.learnPeers(ev.Grant.Peers)
	if endless := it.lease.Endless(); endless != it.Endless {
		it.Endless, m.dirty = endless, true
	}
	if ev.Grant.Denied != "" {
		if !it.lease.running {
			m.report(it, federation.WorkHeld, ev.Grant.Denied)
		}
		return
	}
	if it.lease.MayRun(m.now) && !it.lease.running && it.order != nil && it.done && !it.order.Removed && m.allowedToStart() {
		m.land(it, false)
	}
}

// allowedToStart: a lease alone starts nothing in a member that the hub does not
// count among its own.
func (m *Machine) allowedToStart() bool {
	return m.answered && belongs(m.health) && !m.Masked()
}
