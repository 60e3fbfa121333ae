package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/manifest"
)

// work is what one member was handed of one workload.
type work struct {
	order    order
	write    uint64              // ID of the write under way; 0: the order is durable
	revision federation.Revision // of the order, if this hub wrote it
	drop     bool                // the write under way deletes the record
	retryAt  time.Time           // after a write whose outcome is not known
	lookAt   time.Time           // when it is looked at again, since it could not be retried when due
	failed   string              // why the order can never be written
	variant  variantOf
	at       time.Time // when it was handed over, for the time to ready
}

// order identifies what a work asks for; equal orders need not be written twice.
type order struct {
	epoch    federation.Epoch
	revision federation.Revision
	replicas int64
	removed  bool
	key      string // that its secrets are sealed to; empty when it has none
	rules    string // digest of the status rules that come with it
	variant  string // which overrides count
}

// share is what the member has to run, whatever comes with it.
func (o order) share() order {
	o.key, o.rules = "", ""
	return o
}

// retryWork is how long a work waits whose write has no known outcome.
const retryWork = time.Second

// mostHanded bounds how many works one step makes, so that it does not take long; the
// last workload is handed out whole.
const mostHanded = 4096

// stepWorks hands out what the touched workloads' assignments ask for and
// members do not have yet. What is left over is for the next step, which Deadline asks
// for at once.
func (m *Machine) stepWorks() {
	m.stepTold()
	begun := len(m.out)
	for _, k := range m.byTier(m.touched) {
		if len(m.out)-begun > mostHanded {
			return
		}
		if w := m.workloads[k]; w != nil {
			m.handOut(w)
		}
		delete(m.touched, k)
	}
	for _, k := range sortedKeys(m.timed) {
		w := m.workloads[k]
		if w == nil || w.deadline().IsZero() {
			delete(m.timed, k)
		} else if at := w.deadline(); !at.IsZero() && !m.now.Before(at) {
			w.news = nil
			m.handOut(w)
			w.postpone(m.now)
		}
	}
}

// byTier sorts workloads by tier, then by name.
func (m *Machine) byTier(set map[federation.Key]bool) []federation.Key {
	keys := sortedKeys(set)
	slices.SortStableFunc(keys, func(a, b federation.Key) int { return cmp.Compare(m.tierOf(a), m.tierOf(b)) })
	return keys
}

func (m *Machine) tierOf(k federation.Key) int {
	if w := m.workloads[k]; w != nil {
		return w.failover().Tier
	}
	return 0
}

// handOut brings the works of one workload to where its assignment wants them.
// Nothing is handed out while it is not certain what the store holds.
func (m *Machine) handOut(w *workload) {
	news, last := w.news, w.looked
	w.news, w.looked = nil, looked{}
	if w.record.busy() || w.record.revision == 0 || w.spec == nil && !w.deleted() {
		return
	}
	if w.deleted() {
		m.cleanUp(w)
		return
	}
	if w.current() && !m.handSome(w, last, news) {
		m.handAll(w)
	}
}

// standsReady reports whether the member serves and has its whole share ready.
func (m *Machine) standsReady(w *workload, s federation.AssignedMember) bool {
	return m.serves(s.Member) && w.allReady(s)
}

// allReady reports whether the member has its whole share ready.
func (w *workload) allReady(s federation.AssignedMember) bool {
	st, known := w.statuses[s.Member]
	return known && st.Epoch >= s.Since && running(st) && st.Ready >= s.Replicas && (s.Replicas > 0 || st.State == federation.WorkReady)
}

// running reports whether a status may speak of pods that run.
func running(s federation.WorkStatus) bool {
	return s.State != federation.WorkRemoved && s.State != federation.WorkHeld
}

// handing is one pass over the members of a workload.
type handing struct {
	w        *workload
	keeps    bool                // while a move is under way, what shrinks keeps its size, unless it runs at most once
	rendered []federation.Object // the same for every member; nil until one is made, or when they differ
}

// hand gives a member its share.
func (m *Machine) hand(h *handing, s federation.AssignedMember) {
	w := h.w
	mem, ok := m.members[s.Member]
	if !ok || m.maskOf(s.Member) != "" {
		return
	}
	a := &w.record.stored
	want := order{epoch: a.Epoch, revision: a.WorkloadRevision, replicas: s.Replicas, key: w.keyIn(mem.spec.stored.SealKey), rules: w.rulesDigest}
	if h.keeps {
		want.replicas = max(want.replicas, w.had(s.Member))
	}
	wk := w.works[s.Member]
	if wk == nil {
		st, known := w.statuses[s.Member]
		if !known && m.tells(w, mem) {
			return
		}
		wk = &work{}
		w.works[s.Member] = wk
		if known && running(st) {
			wk.order = order{epoch: st.Epoch, revision: st.WorkloadRevision, replicas: st.Replicas, key: w.keyIn(mem.spec.stored.SealedTo), rules: st.RulesDigest, variant: st.Variant}
		}
	}
	want.variant = m.variant(w, mem, want)
	if wk.order == want && wk.retryAt.IsZero() || !wk.free(m.now) {
		return
	}
	m.putWork(h, wk, mem, want)
}

// free reports whether another write of the work may start.
func (wk *work) free(now time.Time) bool { return wk.write == 0 && !now.Before(wk.retryAt) }

// had is how many replicas the member was asked for, −1 when none.
func (w *workload) had(member string) int64 {
	if wk, ok := w.works[member]; ok {
		if wk.order.removed || wk.order == (order{}) {
			return -1
		}
		return wk.order.replicas
	}
	if st, ok := w.statuses[member]; ok && running(st) {
		return st.Replicas
	}
	return -1
}

func (m *Machine) putWork(h *handing, wk *work, mem *member, want order) {
	w, a := h.w, &h.w.record.stored
	same, at := wk.order.share() == want.share(), wk.at
	wk.order = want
	why := w.unsealable(mem)
	if why == "" {
		if err := m.render(h, mem, want.replicas); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		m.fail(w, wk, mem.name, why)
		return
	}
	p := w.spec.Placement.Defaulted()
	m.sendWork(wk, mem, federation.Work{
		Workload: w.key, Member: mem.name, Epoch: a.Epoch, WorkloadRevision: a.WorkloadRevision, Replicas: want.replicas,
		Landing: p.Landing, Continuity: p.Failover.Continuity, Tier: p.Failover.Tier, Objects: h.rendered, StatusRules: w.rules, Variant: want.variant,
	})
	if same {
		wk.at = at // nothing starts anew
	}
}

// render makes the objects for a member, unless those of the one before are the same.
func (m *Machine) render(h *handing, mem *member, replicas int64) error {
	if h.rendered != nil && manifest.Alike(h.w.spec) {
		return nil
	}
	var err error
	h.rendered, err = manifest.Render(*h.w.spec, m.target(h.w, mem, replicas))
	return err
}

func (m *Machine) sendWork(wk *work, mem *member, v federation.Work) {
	wk.retryAt, wk.failed, wk.drop, wk.at, wk.revision = time.Time{}, "", false, m.now, 0
	wk.write = m.newWrite(writing{source: sourceWorks, key: v.Workload, name: mem.name})
	m.emit(PutWork{ID: wk.write, Account: mem.spec.stored.Account, Work: v, SealKey: wk.order.key})
}

// fail notes that an order cannot be given; it is tried again when it changes.
func (m *Machine) fail(w *workload, wk *work, member, why string) {
	wk.failed, wk.retryAt = why, time.Time{}
	m.note("Landing", "workload/"+w.key.String(), fmt.Sprintf("%s cannot be handed to %s: %s", w.key, member, why))
}

// mayTakeBack: a move takes away only once the replacement stands; what must run at
// most once goes first; a member under a mask keeps everything, and one that leaves
// with it. The order to a member that is lost waits for it, and is not obeyed before it
// is back.
func (m *Machine) mayTakeBack(w *workload, name string, moved bool) bool {
	return m.maskOf(name) == "" && (moved || w.once()) && !m.retains(w, name)
}

// takeBack asks a member to remove what it holds, and drops the record once it
// has proven that it did.
func (m *Machine) takeBack(w *workload, name string) {
	mem := m.members[name]
	wk := w.works[name]
	if wk == nil {
		wk = &work{}
		w.works[name] = wk
	}
	st, known := w.statuses[name]
	want := order{epoch: w.record.stored.Epoch, revision: w.record.stored.WorkloadRevision, removed: true}
	switch {
	case !wk.free(m.now):
	case known && st.State == federation.WorkRemoved && wk.order.removed && st.Epoch >= wk.order.epoch:
		wk.drop = true
		wk.write = m.newWrite(writing{source: sourceWorks, key: w.key, name: name})
		m.emit(DropWork{ID: wk.write, Account: mem.spec.stored.Account, Member: name, Key: w.key})
	case wk.order.removed && wk.retryAt.IsZero() && (!known || st.Epoch <= wk.order.epoch):
	default:
		wk.order = want
		m.sendWork(wk, mem, federation.Work{
			Workload: w.key, Member: name, Epoch: want.epoch, WorkloadRevision: want.revision, Removed: true,
			Landing: w.landing(), Continuity: w.failover().Continuity,
		})
	}
}

func (w *workload) landing() federation.LandingSpec {
	if w.spec == nil {
		return federation.PlacementSpec{}.Defaulted().Landing
	}
	return w.spec.Placement.Defaulted().Landing
}

// cleanUp removes a deleted workload from everywhere, and its assignment after
// the last member has proven that nothing is left. A silent member keeps the
// assignment; its removal waits in its work bucket.
func (m *Machine) cleanUp(w *workload) {
	if w.spec != nil {
		return // applied again: the next decision goes on from this epoch
	}
	left := m.strays(w)
	for _, s := range w.record.stored.Members {
		if _, ok := m.members[s.Member]; ok && !w.gone(s.Member) {
			left = append(left, s.Member)
		}
	}
	for _, name := range left {
		m.takeBack(w, name)
	}
	if len(left) == 0 {
		id := m.newWrite(writing{source: SourceAssignments, key: w.key, gone: true})
		w.record.begin(id, federation.Assignment{})
		m.emit(DeleteAssignment{ID: id, Key: w.key, Expected: w.record.revision})
	}
}

func (m *Machine) workDone(wr writing, ev WriteDone) {
	w := m.workloads[wr.key]
	if w == nil || w.works[wr.name] == nil {
		return
	}
	wk := w.works[wr.name]
	wk.write, m.lookAgain = 0, true
	m.touchWork(w, wr.name)
	switch {
	case ev.Outcome == Rejected:
		m.fail(w, wk, wr.name, ev.Detail)
	case ev.Outcome != Written:
		wk.retryAt, wk.drop, m.timed[wr.key] = m.now.Add(retryWork), false, true
	case wk.drop:
		wk.order = order{}
		m.noteSealed(wr.key, wr.name, "")
		m.noteProven(w, wr.name)
		if w.statuses[wr.name].State == federation.WorkRemoved {
			delete(w.statuses, wr.name)
		}
	default:
		wk.revision = ev.Revision
		m.noteSealed(wr.key, wr.name, wk.order.key)
		m.noteRewound(w, wr.name)
	}
}

// noteRewound: an order that was written is, to its member, an older version of the one
// that it obeys. So the store has been put back to an older copy, and only a new epoch
// is obeyed.
func (m *Machine) noteRewound(w *workload, member string) {
	wk, known := w.works[member]
	if held := w.obeyed[member]; known && wk.write == 0 && wk.revision != 0 && wk.order.epoch == held.Epoch && wk.revision <= held.Revision {
		w.rewound = true
		m.consider(w.key)
	}
}
