package decision

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
	"github.com/hansa-io/hansa/placement"
	"github.com/hansa-io/hansa/placement/manifest"
)

// workload is one workload: what the user wants, what was decided, what was
// handed to members and what they report.
type workload struct {
	key    federation.Key
	spec   *federation.Workload // nil: its record is gone
	unread bool                 // its record is there and cannot be read: that spec is nil does not mean that it was deleted
	demand placement.Demand
	secret string // the first of its Secrets; empty when it has none
	fault  string // why the demand cannot be told; shown in its explanation

	kinds       map[federation.GroupKind]bool // of its objects
	rules       []federation.StatusRule       // for these kinds, by name
	rulesDigest string

	record   record[federation.Assignment]
	statuses map[string]federation.WorkStatus // by member
	works    map[string]*work                 // by member
	news     map[string]bool                  // members of which something has come while it is touched; nil: any
	looked   looked

	dwells    map[string]time.Time          // lost member → when its share may move
	released  map[string]string             // lost member → why its share moves now
	operation string                        // that released it
	plan      *plan                         // of an operation that put the workload elsewhere
	rebound   string                        // the failback that has it placed anew
	holder    string                        // who showed it in a hello
	highest   federation.Epoch              // that any member has shown
	leased    bool                          // this hub has granted it
	obeyed    map[string]federation.Holding // member → the newest order that it obeys, by its own word
	rewound   bool                          // the store gives revisions again that it gave before
	granted   Order                         // of the request that it was granted to last
	disowned  map[string]bool               // members that do not hold a Manual lease of an earlier hub
	wished    wish                          // what led to the decision that is being written
	rebalance bool                          // the user changed the Placement
	made      origin                        // what the last decision came from
	stuck     map[string]*stuck             // member → replicas that do not run there
	whole     map[string]wholeness          // member → what was all ready there
	counted   map[string]int64              // member → ready replicas that its facts knew before its last status
	tried     uint64                        // the world in which it was decided last
	roster    uint64                        // the members that could come, when it was decided last
	changedAt time.Time                     // when the user's last change arrived
}

// wish is what somebody asked for that a decision carries out once.
type wish struct {
	plan      *plan
	rebound   string
	rebalance bool
}

// wishAgain: the store has another decision than the one that was to be written.
func (w *workload) wishAgain() {
	if w.plan == nil {
		w.plan = w.wished.plan
	}
	if w.rebound == "" {
		w.rebound = w.wished.rebound
	}
	w.rebalance, w.wished = w.rebalance || w.wished.rebalance, wish{}
}

// reasonDeleted marks the assignment of a workload that was deleted: its members
// still have to prove that nothing is left.
const reasonDeleted = "deleted"

// Deleted says that an assignment only waits for proofs of removal.
func Deleted(a federation.Assignment) bool { return a.Reason == reasonDeleted }

// deleted says that the stored assignment only waits for proofs of removal.
func (w *workload) deleted() bool {
	return w.record.revision != 0 && w.record.stored.Reason == reasonDeleted
}

// placed returns the assignment in force; a deleted workload has none.
func (w *workload) placed() (federation.Assignment, bool) {
	return w.record.stored, w.record.revision != 0 && !w.deleted()
}

// current reports whether the stored assignment is of the user's last version.
func (w *workload) current() bool {
	return w.spec != nil && !w.record.busy() && w.record.revision != 0 && !w.deleted() &&
		w.record.stored.WorkloadRevision == w.spec.Revision
}

// failover returns the failover policy with its defaults.
func (w *workload) failover() federation.FailoverSpec {
	if w.spec == nil {
		return federation.FailoverSpec{}.Defaulted()
	}
	return w.spec.Placement.Failover.Defaulted()
}

// seen is the highest epoch that any member has shown of the workload. It may be
// above the assignment's after the hub lost its memory, and never goes back.
func (w *workload) seen() federation.Epoch { return w.highest }

// deadline is when a write of one of its works is tried again.
func (w *workload) deadline() time.Time {
	var next time.Time
	for _, wk := range w.works {
		if wk.write == 0 && !wk.retryAt.IsZero() {
			next = earlier(next, latest(wk.retryAt, wk.lookAt))
		}
	}
	return next
}

// postpone lets what could not be retried, because something else has to happen
// first, be looked at again in a while. When that has happened it is retried at once.
func (w *workload) postpone(now time.Time) {
	for _, wk := range w.works {
		if wk.write == 0 && !wk.retryAt.IsZero() && !now.Before(wk.retryAt) {
			wk.lookAt = now.Add(retryWork)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// workload returns the workload under k, made when it is new.
func (m *Machine) workload(k federation.Key) *workload {
	w, ok := m.workloads[k]
	if !ok {
		w = &workload{
			key: k, statuses: map[string]federation.WorkStatus{}, works: map[string]*work{},
			dwells: map[string]time.Time{}, released: map[string]string{}, stuck: map[string]*stuck{}, whole: map[string]wholeness{}, counted: map[string]int64{},
			obeyed: map[string]federation.Holding{},
		}
		m.workloads[k] = w
	}
	return w
}

func (m *Machine) applyWorkload(ev Event) {
	switch ev := ev.(type) {
	case WorkloadChanged:
		m.workloadChanged(ev.Workload)
	case WorkloadDeleted:
		if w, ok := m.workloads[ev.Key]; ok {
			w.spec, w.rebalance, w.unread = nil, false, false
			m.touch(ev.Key)
		}
	case WorkloadUnreadable:
		m.workload(ev.Key).unread = true
		m.note("Landing", "workload/"+ev.Key.String(), fmt.Sprintf("the record of %s cannot be read, and what runs of it stays as it is: %s", ev.Key, ev.Reason))
	case AssignmentLoaded:
		m.assignmentLoaded(ev)
	case StatusChanged:
		m.statusChanged(ev.Status)
	}
}

func (m *Machine) workloadChanged(spec federation.Workload) {
	w := m.workload(spec.Key)
	if w.spec != nil && spec.Revision < w.spec.Revision {
		return
	}
	if w.spec != nil && spec.Revision > w.spec.Revision {
		w.rebalance = w.rebalance || !samePlacement(w.spec.Placement, spec.Placement)
	}
	w.spec, w.unread, w.fault, w.secret = &spec, false, "", secretOf(spec)
	demand, err := manifest.DemandOf(spec.Objects)
	if err != nil {
		w.fault = err.Error()
	}
	w.demand, w.changedAt, w.kinds = demand, m.now, kindsOf(spec.Objects)
	m.rule(w)
	m.wait()
	m.touch(spec.Key)
}

// statusChanged takes a report unless a newer one of the same member is known.
func (m *Machine) statusChanged(s federation.WorkStatus) {
	if m.left(s.Member) {
		return
	}
	w := m.workload(s.Workload)
	old, known := w.statuses[s.Member]
	if known && (s.Incarnation < old.Incarnation || s.Incarnation == old.Incarnation && s.Sequence < old.Sequence) {
		return
	}
	if !known && w.record.stored.DecidedAt.Before(m.began) {
		m.toldAt = m.now // of an earlier hub
	}
	w.counted[s.Member] = m.countedIn(w, s.Member)
	w.statuses[s.Member] = s
	if s.State == federation.WorkRemoved && w.once() {
		m.grants.Prove(lease.Claim{Workload: s.Workload, Member: s.Member, Epoch: s.Epoch})
	}
	m.measure(w, old, s)
	m.noteStuck(w, s)
	m.touchWork(w, s.Member)
	w.highest = max(w.highest, s.Epoch)
	if s.Epoch > w.record.stored.Epoch {
		m.consider(s.Workload)
	}
	if m.ready && w.current() && s.Epoch == w.record.stored.Epoch && s.WorkloadRevision > w.spec.Revision {
		w.rewound = true // it runs a version that the store has forgotten
		m.consider(s.Workload)
	}
}

// countedIn is how many of the workload's replicas the member's facts are sure to
// count: those that were ready in a status older than the facts.
func (m *Machine) countedIn(w *workload, member string) int64 {
	st, known := w.statuses[member]
	mem := m.members[member]
	switch {
	case !known || mem == nil:
		return 0
	case mem.facts.Incarnation > st.Incarnation || mem.facts.Incarnation == st.Incarnation && mem.facts.Sequence > st.Sequence:
		return st.Ready
	}
	return min(st.Ready, w.counted[member])
}

// assignmentLoaded takes what the store has. That may be what this hub has written,
// when its answer is late or lost.
func (m *Machine) assignmentLoaded(ev AssignmentLoaded) {
	w := m.workload(ev.Key)
	before, old := w.record.stored, w.record.revision
	if w.record.load(ev.Assignment, ev.Revision) {
		m.recall(w)
		if own := w.record.attempt.DecidedAt; !own.IsZero() && own.Equal(w.record.stored.DecidedAt) {
			m.adopted(w, before, old)
		} else {
			w.wishAgain()
		}
	}
	m.touch(ev.Key)
}

func (m *Machine) assignmentDone(wr writing, ev WriteDone) {
	w, ok := m.workloads[wr.key]
	if !ok || w.record.write != ev.ID {
		return // another one has the key by now
	}
	m.consider(wr.key)
	before, old := w.record.stored, w.record.revision
	if w.record.done(ev) {
		m.emit(ReadRecord{Source: SourceAssignments, Name: wr.key.String()})
		return
	}
	if ev.Outcome == Rejected {
		m.note("Assignment", "workload/"+wr.key.String(), "the store refuses the decision: "+ev.Detail)
		return
	}
	m.touch(wr.key)
	if wr.gone {
		m.forget(w)
		return
	}
	m.adopted(w, before, old)
}

// adopted: a decision of this hub is stored, where the one before had the revision.
func (m *Machine) adopted(w *workload, before federation.Assignment, old federation.Revision) {
	if old != 0 && before.DecidedAt.Equal(w.record.stored.DecidedAt) {
		return // the same decision, with what was measured since
	}
	w.rewound, w.wished = false, wish{}
	m.committed(w)
}

// forget drops a workload that is gone everywhere. If it was applied again in
// the meantime, it starts a new life.
func (m *Machine) forget(w *workload) {
	if w.spec == nil {
		m.remove(w.key)
		return
	}
	w.record = record[federation.Assignment]{}
	w.works, w.statuses = map[string]*work{}, map[string]federation.WorkStatus{}
}

func (m *Machine) remove(k federation.Key) {
	delete(m.workloads, k)
	delete(m.dirty, k)
	delete(m.touched, k)
	delete(m.timed, k)
	delete(m.startup, k)
	delete(m.claims, k)
	m.grants.Forget(k)
}
