package decision

import "github.com/hansa-io/hansa/federation"

// What a member reports of a workload, and what becomes of its work, is no matter of the
// other members unless a move waits for it. So of a thousand only those are looked at of
// which there is news.

// looked is what the last look at all shares of a workload found. The zero value: there
// was none.
type looked struct {
	served  uint64 // Machine.served then, from 1
	awaited string // a member that a move waits for; empty: everything has moved
}

// newsOfMany is the part of the members, as its inverse, from which news is a reason to
// look at all of them.
const newsOfMany = 8

// touchWorks marks a workload: a work may be due in any member.
func (m *Machine) touchWorks(k federation.Key) {
	m.touched[k] = true
	if w := m.workloads[k]; w != nil {
		w.news = nil
	}
}

// touchWork marks a workload: a work may be due in the member.
func (m *Machine) touchWork(w *workload, member string) {
	if !m.touched[w.key] {
		m.touched[w.key], w.news = true, map[string]bool{}
	}
	if w.news != nil {
		w.news[member] = true
	}
}

// handSome hands out what is due in the members of which there is news, and reports
// whether nothing else can be due. Operations say of any member what counts there.
func (m *Machine) handSome(w *workload, l looked, news map[string]bool) bool {
	if news == nil || l.served != m.served || len(news) > 1+len(w.record.stored.Members)/newsOfMany || m.operating() {
		return false
	}
	var shares []federation.AssignedMember
	for _, name := range sortedNames(news) {
		s, assigned := w.record.stored.Share(name)
		if !assigned || l.awaited == "" && m.awaits(w, s) {
			return false
		}
		shares = append(shares, s)
	}
	if news[l.awaited] {
		if l.awaited = m.awaited(w); l.awaited == "" {
			return false
		}
	}
	h := &handing{w: w, keeps: l.awaited != "" && !w.once()}
	for _, s := range shares {
		m.hand(h, s)
	}
	w.looked = l
	return true
}

// handAll hands out what is due in any member.
func (m *Machine) handAll(w *workload) {
	awaited := m.awaited(w)
	h := &handing{w: w, keeps: awaited != "" && !w.once()}
	for _, s := range w.record.stored.Members {
		m.hand(h, s)
	}
	for _, name := range m.strays(w) {
		if m.mayTakeBack(w, name, awaited == "") {
			m.takeBack(w, name)
		}
	}
	if !m.operating() {
		w.looked = looked{served: m.served, awaited: awaited}
	}
}

// operating reports whether any operation is under way.
func (m *Machine) operating() bool {
	for _, o := range m.operations {
		if o.running() {
			return true
		}
	}
	return false
}

// awaited is the first member whose share grew and is not ready there, so that what the
// assignment takes away has to stay; empty when there is none. Shares that did not grow do
// not count: an old fault of a workload does not hold up its moves.
func (m *Machine) awaited(w *workload) string {
	for _, s := range w.record.stored.Members {
		if m.awaits(w, s) {
			return s.Member
		}
	}
	return ""
}

func (m *Machine) awaits(w *workload, s federation.AssignedMember) bool {
	return w.grew(s) && !m.standsReady(w, s)
}

// moved reports whether every share that grew is ready where it grew.
func (m *Machine) moved(w *workload) bool { return m.awaited(w) == "" }
