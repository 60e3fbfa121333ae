package guard

import (
	"cmp"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// Kept names one order in the agent's store of works.
type Kept struct {
	Workload federation.Key
	Revision federation.Revision // of its record
}

// Store is what the agent's store of works held when this life began. The zero value
// is that of an agent that never had one, or lost it.
type Store struct {
	// Works are the orders, of one workload at most the last that was obeyed and a
	// newer one that waits.
	Works []WorkReceived
	// UpTo: every order up to this revision of the member's work bucket was stored,
	// or no restart needs it.
	UpTo federation.Revision
	// Whole: of those, none was lost.
	Whole bool
}

// keeping is what the store of works has to hold.
type keeping struct {
	upTo     federation.Revision
	whole    bool
	answered bool   // a hub has answered a hello of this incarnation
	add      []Kept // in this Step
	drop     []Kept // with the next Keep: the state that is on disk may still need them
	changed  bool
}

// hold takes over what the store has. What runs here and is not in it is wanted from
// the hub again.
func (m *Machine) hold(s Store) {
	m.keeping.upTo, m.keeping.whole = s.UpTo, s.Whole
	works := slices.Clone(s.Works)
	slices.SortStableFunc(works, func(a, b WorkReceived) int { return cmp.Compare(a.Revision, b.Revision) })
	for _, v := range works {
		m.restore(v)
	}
	for _, it := range m.items {
		if it.Phase == holding && !slices.Contains(it.kept, it.Revision) {
			m.keeping.whole = false
		}
	}
}

// restore takes over one order. The one that was obeyed last may go on, and waits to be
// landed once more, as one waits that was not obeyed yet.
func (m *Machine) restore(v WorkReceived) {
	w := v.Work
	it := m.item(w.Workload)
	it.kept = append(it.kept, v.Revision)
	if it.Phase == holding && v.Revision == it.Revision && !w.Removed && w.Epoch <= it.Epoch {
		it.past = &w
	}
	carriedOut := it.Phase != "" && it.Phase != holding && w.Removed && v.Revision <= it.Revision
	if !carriedOut && !it.stale(v) {
		m.dropWaiting(it)
		it.order, it.orderRev, it.done = &w, v.Revision, false
	} else if it.past == nil || v.Revision != it.Revision {
		m.discard(it, v.Revision)
	}
}

// resume lets go on what ran here before a restart, whether the hub is heard or not,
// once the caches tell what is left of it. What must run once needs its lease for that. A
// removal that was proven is told again: the hub may not have heard of it.
func (m *Machine) resume() {
	if !m.synced || m.resumed || m.Masked() {
		return
	}
	m.resumed = true
	for _, k := range m.sorted {
		it := m.items[k]
		switch {
		case it.Phase == removed:
			m.report(it, federation.WorkRemoved, "")
		case it.Phase == holding && it.past != nil && (!it.AtMostOne || it.lease.running && it.lease.MayRun(m.now)):
			m.out = append(m.out, Land{Work: *it.past, Revision: it.Revision, Careful: true})
		}
		it.past = nil
	}
}

// held is what the hub need not send again.
func (m *Machine) held() federation.Revision {
	switch {
	case m.keeping.answered:
		return federation.AllHeld // what it lacked comes again, and nothing is acknowledged before it is stored
	case m.keeping.whole:
		return m.keeping.upTo
	}
	return 0
}

// greeted: the hub has answered a hello, so what was lost comes again.
func (m *Machine) greeted() {
	m.keeping.answered = true
	if !m.keeping.whole {
		m.keeping.whole, m.keeping.changed = true, true
	}
}

// seen notes that a record was received; it is acknowledged after this Step.
func (m *Machine) seen(r federation.Revision) {
	if r > m.keeping.upTo {
		m.keeping.upTo, m.keeping.changed = r, true
	}
}

// keepOrder stores the order that the item has now.
func (m *Machine) keepOrder(it *item) {
	m.keeping.add, m.keeping.changed = append(m.keeping.add, Kept{it.Workload, it.orderRev}), true
	if !slices.Contains(it.kept, it.orderRev) {
		it.kept = append(it.kept, it.orderRev)
	}
}

// dropWaiting lets an order go that was not obeyed and will not be.
func (m *Machine) dropWaiting(it *item) {
	if it.order != nil && !it.done && (it.Phase != holding || it.orderRev != it.Revision) {
		m.discard(it, it.orderRev)
	}
}

// dropPast lets go what no restart needs once the item's order is obeyed.
func (m *Machine) dropPast(it *item) {
	it.past = nil
	for _, r := range slices.Clone(it.kept) {
		if r != it.orderRev || it.order.Removed {
			m.discard(it, r)
		}
	}
}

func (m *Machine) discard(it *item, r federation.Revision) {
	if i := slices.Index(it.kept, r); i >= 0 {
		it.kept = slices.Delete(it.kept, i, i+1)
		m.keeping.drop = append(m.keeping.drop, Kept{it.Workload, r})
	}
}

// storing returns the effect that brings the store up to date, if it is not. earlier
// are the orders that earlier Steps let go.
func (m *Machine) storing(earlier []Kept) (Keep, bool) {
	k := &m.keeping
	if !k.changed {
		k.drop = append(earlier, k.drop...)
		return Keep{}, false
	}
	e := Keep{Add: k.add, UpTo: k.upTo, Whole: k.whole}
	for _, d := range earlier {
		if it := m.items[d.Workload]; it == nil || !slices.Contains(it.kept, d.Revision) { // else it came again
			e.Drop = append(e.Drop, d)
		}
	}
	k.add, k.changed = nil, false
	return e, true
}
