package guard

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// isolatedAfter is how long the hub may be silent before the member judges
	// itself isolated.
	isolatedAfter = 2 * time.Second
	// helloEvery is how often the hello is repeated until the hub is content.
	helloEvery = time.Second
	// removeEvery is how often a removal is asked for until it is proven.
	removeEvery = 5 * time.Second
	// longestMask bounds a mask, whatever the hub says.
	longestMask = 15 * time.Minute
)

// Options identify the member.
type Options struct {
	Member      string
	ClusterID   string
	Incarnation federation.Incarnation
	// Store is what earlier lives kept of their orders.
	Store Store
	// Held is what an earlier life held when it ended, as the last KeepLeases told it;
	// nothing when its clock cannot be told by this life's.
	Held Held
}

// Machine is the guard. It is not safe for concurrent use.
type Machine struct {
	opts   Options
	items  map[federation.Key]*item
	sorted []federation.Key // of items

	term     uint64 // of the hub's leadership
	sequence uint64 // of its last beat
	heardAt  time.Time
	health   federation.Health // of this member, as the hub sees it
	masked   time.Time         // until when a mask is in force
	answered bool              // the hub has answered a hello of this incarnation
	content  bool              // the hub has all that it asks a hello for
	helloAt  time.Time         // when the next one is due
	synced   bool
	resumed  bool   // what ran before a restart goes on
	said     uint64 // sequence of the last hello or renewal
	keeping  keeping
	kept     Held // as the last KeepLeases told it
	peers    federation.Peers
	asking   round
	began    time.Time // at the first Step

	now   time.Time
	out   []Effect
	dirty bool
}

// item is one workload in this member.
type item struct {
	memory
	order    *federation.Work      // the last order; nil after a restart without it in the store
	orderRev federation.Revision   // of its record
	done     bool                  // the order is obeyed
	kept     []federation.Revision // of its orders in the store
	past     *federation.Work      // the order that an earlier life obeyed, until it goes on
	removeAt time.Time             // when Remove is asked for again
	stop     bool                  // its pods must not run, and that is not proven
	lease    leaseState
}

// New returns the guard of a member that has no state yet.
func New(opts Options) *Machine {
	m := empty(opts)
	m.hold(opts.Store)
	return m
}

func empty(opts Options) *Machine {
	return &Machine{opts: opts, items: map[federation.Key]*item{}, kept: opts.Held, peers: opts.Held.Peers}
}

// Step applies events that came together and returns what must be done about them,
// in order: the state is written at most once for all of them. It never blocks and
// reads no clock. now must not go back.
func (m *Machine) Step(now time.Time, events ...Event) []Effect {
	m.now, m.out, m.dirty = now, nil, false
	if m.began.IsZero() {
		m.began = now
	}
	earlier := m.keeping.drop
	m.keeping.drop = nil
	for _, ev := range events {
		m.apply(ev)
	}
	m.resume()
	m.pursueAll()
	m.stepLeases()
	m.stepPeers()
	m.stepHello()
	var first []Effect
	if held := (Held{Leases: m.running(), Peers: m.peers}); !held.equal(m.kept) {
		m.kept = held
		first = append(first, KeepLeases{Held: held})
	}
	if keep, ok := m.storing(earlier); ok {
		first = append(first, keep)
	}
	if m.dirty {
		first = append(first, Persist{State: m.encode()})
	}
	return append(first, m.out...)
}

// Deadline says when Step wants to be called with Tick if nothing comes before.
func (m *Machine) Deadline() (time.Time, bool) {
	var next time.Time
	if !m.content {
		next = earlier(next, m.helloAt)
	}
	if m.masked.After(m.now) {
		next = earlier(next, m.masked)
	}
	next = earlier(next, m.peersAt())
	for _, it := range m.items {
		if it.Phase == removing {
			next = earlier(next, it.removeAt)
		}
		next = earlier(next, it.leaseAt())
	}
	return next, !next.IsZero()
}

func (m *Machine) apply(ev Event) {
	switch ev := ev.(type) {
	case WorkReceived:
		m.received(ev)
	case WorkGone:
		m.seen(ev.Revision)
		m.gone(ev.Workload)
	case HubBeatHeard:
		m.heard(ev.Beat)
	case HelloReplied:
		m.replied(ev.Reply)
	case HelloFailed:
	case Landed:
	case RemovedProven:
		m.provenRemoved(ev)
	case StoppedProven:
		m.provenStopped(ev.Workload)
	case RenewAnswered:
		m.renewed(ev)
	case PeerAnswered:
		m.peerAnswered(ev)
	case AttestAsked:
		m.attest(ev)
	case CachesSynced:
		m.synced = true
		if !m.content {
			m.helloAt = m.now
		}
	case Tick:
	}
}

// received notes an order unless it is older than one that is known.
func (m *Machine) received(ev WorkReceived) {
	m.seen(ev.Revision)
	it := m.item(ev.Work.Workload)
	if it.stale(ev) || it.repeated(ev) {
		return
	}
	m.dropWaiting(it)
	w := ev.Work
	it.order, it.orderRev, it.done = &w, ev.Revision, false
	m.keepOrder(it)
}

// stale: the order is older than what was obeyed, or than one that waits.
func (it *item) stale(ev WorkReceived) bool {
	if it.order != nil && !it.done && older(ev.Work.Epoch, ev.Revision, it.order.Epoch, it.orderRev) && ev.Work.WorkloadRevision <= it.order.WorkloadRevision {
		return true
	}
	switch {
	case it.Phase == "":
		return false
	case it.Phase != holding && !ev.Work.Removed && ev.Work.WorkloadRevision > it.Life:
		return it.Phase == removing && ev.Work.Epoch < it.Epoch // a new life begins after the proof
	case it.Phase != holding && !ev.Work.Removed:
		return ev.Work.Epoch <= it.Epoch
	}
	return older(ev.Work.Epoch, ev.Revision, it.Epoch, it.Revision)
}

func older(epoch federation.Epoch, revision federation.Revision, than federation.Epoch, thanRevision federation.Revision) bool {
	return epoch < than || epoch == than && revision < thanRevision
}

// repeated: the very order that is obeyed or waits already.
func (it *item) repeated(ev WorkReceived) bool {
	return it.order != nil && ev.Revision == it.orderRev && ev.Work.Epoch == it.order.Epoch && ev.Work.Removed == it.order.Removed &&
		ev.Work.WorkloadRevision == it.order.WorkloadRevision && ev.Work.Replicas == it.order.Replicas
}

// gone forgets a workload whose removal was proven and known to the hub.
func (m *Machine) gone(k federation.Key) {
	it := m.items[k]
	if it == nil {
		return
	}
	if it.Phase == removed && (it.order == nil || it.done) {
		m.forget(k)
		m.dirty = true
	}
}

// pursueAll obeys every order that waits and may be obeyed now.
func (m *Machine) pursueAll() {
	for _, k := range m.sorted {
		it := m.items[k]
		if it.order != nil && !it.done && m.allowed(it) {
			m.obey(it)
		}
		if it.Phase == removing && m.answered && !m.now.Before(it.removeAt) {
			m.remove(it, "removed by the hub")
		}
	}
}

// allowed: orders wait until the hub has answered this incarnation and counts
// the member among its own, and while a mask is in force. Whatever changes what
// runs waits also for the hub to be heard and for the caches.
func (m *Machine) allowed(it *item) bool {
	if !m.answered || !belongs(m.health) || m.Masked() {
		return false
	}
	fresh := !it.order.Removed && it.Phase != holding && it.Phase != removing
	return fresh || !m.Isolated() && m.synced
}

// belongs reports whether the hub orders a member of that health around; all
// others are lost, or on their way back.
func belongs(h federation.Health) bool {
	switch h {
	case federation.Unreachable, federation.Fenced, federation.Returning, federation.Quarantined:
		return false
	}
	return true
}

// obey carries out an order.
func (m *Machine) obey(it *item) {
	w := it.order
	it.done, m.dirty = true, true
	m.dropPast(it)
	it.Epoch, it.Revision, it.Life = w.Epoch, it.orderRev, max(it.Life, w.WorkloadRevision)
	it.Landing = w.Landing
	if w.Removed {
		it.Phase = removing
		m.remove(it, "removed by the hub")
		return
	}
	fresh := it.Phase != holding
	it.Phase, it.AtMostOne, it.removeAt = holding, w.Continuity == federation.AtMostOne, time.Time{}
	if it.AtMostOne && !it.lease.MayRun(m.now) {
		it.lease.askAt = m.now
		m.report(it, federation.WorkPending, "waits for its lease")
		return
	}
	m.land(it, !fresh)
}

func (m *Machine) land(it *item, prune bool) {
	it.lease.running = it.AtMostOne
	it.stop = false
	m.out = append(m.out, Land{Work: *it.order, Revision: it.orderRev, Prune: prune || !m.Isolated() && m.synced})
}

func (m *Machine) remove(it *item, why string) {
	it.removeAt = m.now.Add(removeEvery)
	it.lease, it.Endless = leaseState{}, false
	m.out = append(m.out, Remove{Workload: it.Workload, Epoch: it.Epoch, Landing: it.Landing, Reason: why})
	m.report(it, federation.WorkRemoving, why)
}

func (m *Machine) provenStopped(k federation.Key) {
	if it := m.items[k]; it != nil {
		it.stop = false
	}
	if !m.content {
		m.helloAt = m.now
	}
}

func (m *Machine) provenRemoved(ev RemovedProven) {
	it := m.items[ev.Workload]
	if it == nil || it.Phase != removing || ev.Epoch < it.Epoch {
		return
	}
	it.Phase, it.stop, m.dirty = removed, false, true
	m.report(it, federation.WorkRemoved, "")
	if !m.content {
		m.helloAt = m.now
	}
}

func (m *Machine) report(it *item, s federation.WorkState, why string) {
	m.out = append(m.out, Report{Workload: it.Workload, Epoch: it.Epoch, WorkloadRevision: it.Life, State: s, Message: why})
}

// Desired returns the epoch under which the workload may run here, and whether
// it may at all: drift is corrected only of what is desired.
func (m *Machine) Desired(k federation.Key) (federation.Epoch, bool) {
	it := m.items[k]
	if it == nil || it.Phase != holding || it.AtMostOne && !it.lease.MayRun(m.now) {
		return 0, false
	}
	return it.Epoch, true
}

// Knows reports whether anything is remembered of the workload.
func (m *Machine) Knows(k federation.Key) bool { return m.items[k] != nil }

// Careful reports whether nothing that runs here may be taken away, not even to correct
// drift: the hub is not heard, has not answered this incarnation, or does not count the
// member among its own.
func (m *Machine) Careful() bool { return !m.answered || !belongs(m.health) || m.Isolated() }

// Isolated reports whether the hub has not been heard for longer than 2 s.
func (m *Machine) Isolated() bool {
	return m.heardAt.IsZero() || m.now.Sub(m.heardAt) > isolatedAfter
}

// Masked reports whether a drill's fault mask is in force here.
func (m *Machine) Masked() bool { return m.now.Before(m.masked) }

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
