package decision

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/membership"
	"github.com/hansa-io/hansa/federation/recovery"
)

// operation is one operation under way, or the record of one.
type operation struct {
	id       string
	machine  *recovery.Machine // nil while only the record is known
	record   record[federation.Operation]
	dirty    bool           // the store has not its last state
	wants    recovery.Wants // what is in force
	asked    []uint64       // requests answered when the record is stored
	planned  bool           // the way back was laid out
	covers   map[string]bool
	lookedAt time.Time // when it was shown the federation last
	masked   bool      // its mask was sent to the observers
	fault    string    // a real fault under its mask
	shadow   *shadow
	vouched  map[string]bool // of a fence: members that were lost when a person asked for it
}

// lookEvery is how often an operation looks at the federation at least.
const lookEvery = time.Second

// operationAt is when the operation has something to do by itself.
func (m *Machine) operationAt(o *operation) time.Time {
	if !o.running() {
		return time.Time{}
	}
	next := earlier(o.machine.Deadline(), o.lookedAt.Add(lookEvery))
	if o.shadow != nil && o.wants.Shadow {
		if at, ok := o.shadow.detector.Deadline(); ok {
			next = earlier(next, at)
		}
	}
	return next
}

// running says that the operation has not ended.
func (o *operation) running() bool { return o.machine != nil && !o.machine.Ended() }

// value is the operation's record as it is now.
func (o *operation) value() federation.Operation {
	if o.machine == nil {
		return o.record.stored
	}
	return o.machine.Operation()
}

func (m *Machine) loadOperation(ev OperationLoaded) {
	o := m.operations[ev.ID]
	if o == nil {
		if ev.Revision == 0 {
			return
		}
		o = &operation{id: ev.ID}
		m.operations[ev.ID] = o
	}
	if !o.record.load(ev.Operation, ev.Revision) {
		return
	}
	switch {
	case o.machine != nil && ev.Revision == 0: // the write of which nobody knew did not happen
		o.dirty, m.unstored = true, true
	case o.machine != nil:
		o.dirty = true
		m.stored(o)
	case m.ready: // its leader wrote it, and died, while this one read the records
		m.resume(o)
	}
}

// resumeOperations goes on with what the hub before left.
func (m *Machine) resumeOperations() {
	for _, id := range m.operationIDs() {
		m.resume(m.operations[id])
	}
	m.lookAgain = true
}

func (m *Machine) resume(o *operation) {
	if o.record.stored.State.Ended() || o.record.revision == 0 {
		return
	}
	o.machine = recovery.Resume(m.now, o.record.stored, m.budgets(o.record.stored.Workloads))
	o.covers, o.dirty = setOf(o.record.stored.Members), true
	m.lookAgain, m.unstored = true, true
	for _, r := range o.record.stored.Workloads {
		m.claim(o, r.Workload)
	}
	m.obey(o)
}

// leaveOperations lets no operation stand over the next member of a name: one that
// covers nobody else any more ends.
func (m *Machine) leaveOperations(name string) {
	for _, o := range m.runningOperations() {
		if !o.covers[name] {
			continue
		}
		delete(o.covers, name)
		if len(o.covers) == 0 {
			m.advanceOperation(o, recovery.Aborted{Reason: name + " left", Who: recovery.Hub})
		}
	}
}

// covering reports whether an operation under way covers the member.
func (m *Machine) covering(name string) bool {
	return slices.ContainsFunc(m.runningOperations(), func(o *operation) bool { return o.covers[name] })
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

func (m *Machine) operationIDs() []string { return sortedNames(m.operations) }

// runningOperations lists those that have not ended, sorted by ID.
func (m *Machine) runningOperations() []*operation {
	var out []*operation
	for _, id := range m.operationIDs() {
		if o := m.operations[id]; o.running() {
			out = append(out, o)
		}
	}
	return out
}

// stepOperations shows each operation the federation, when something of it may
// have changed or its time has come, and lets it go on.
func (m *Machine) stepOperations() {
	look := m.lookAgain && !m.now.Before(m.lookAt)
	if look {
		m.lookAgain = false
	}
	seen := 0
	for _, o := range m.runningOperations() {
		at := m.operationAt(o)
		due := !at.IsZero() && !m.now.Before(at)
		if due && o.shadow != nil && o.wants.Shadow {
			m.feedShadow(o, membership.Tick{})
		}
		if look || due {
			o.lookedAt = m.now
			seen += m.sharesOf(o)
			m.advanceOperation(o, m.observe(o))
		}
		m.liftMask(o)
	}
	if seen > lookFreely {
		m.lookAt = m.now.Add(time.Duration(seen) * lookCost)
	}
}

// A look at many shares is not repeated at every event of each of them: the hub would do
// nothing else, and hear nobody.
const (
	lookFreely = 300                  // shares that are looked at whenever anything happens
	lookCost   = 7 * time.Microsecond // for each share seen, some ten times what it takes
)

// sharesOf is how many shares a look at an operation sees.
func (m *Machine) sharesOf(o *operation) int {
	n := 0
	for _, r := range o.value().Workloads {
		if w := m.workloads[r.Workload]; w != nil {
			n += len(w.record.stored.Members)
		}
	}
	return n
}

// advanceOperation steps one operation and does what it wants.
func (m *Machine) advanceOperation(o *operation, ev recovery.Event) {
	for _, e := range o.machine.Step(m.now, ev) {
		o.dirty, m.unstored = true, true
		if t, ok := e.(recovery.Entered); ok {
			m.note("Operation", "operation/"+o.id, fmt.Sprintf("%s %s %s: %s → %s: %s", o.value().Request.Verb, o.id, o.value().Request.Scope, t.From, t.To, t.Text))
		}
	}
	m.obey(o)
}

// obey brings into force what the operation wants. What it no longer wants ends
// at once; what it wants anew waits until its record is stored.
func (m *Machine) obey(o *operation) {
	wants := o.machine.Wants()
	if o.record.revision == 0 || o.record.stored.State != o.value().State {
		was := o.wants
		wants.Mask = wants.Mask && was.Mask
		wants.Withdraw = wants.Withdraw && was.Withdraw
		wants.Evacuate = wants.Evacuate && was.Evacuate
		wants.Shadow = wants.Shadow && was.Shadow
		wants.Restore = wants.Restore && was.Restore
		wants.Rebound = wants.Rebound && was.Rebound
		wants.Relocate = wants.Relocate && was.Relocate
		wants.Fence = wants.Fence && was.Fence
	}
	was := o.wants
	if !m.want(o, wants) {
		return
	}
	if wants.Restore && !o.planned {
		m.layOutReturn(o)
	}
	if wants.Evacuate != was.Evacuate || wants.Rebound != was.Rebound || wants.Relocate != was.Relocate {
		m.startMoving(o)
	}
	if wants.Shadow && o.shadow == nil {
		m.startShadow(o)
	}
	if wants.Mask {
		o.masked = true
	}
}

// want notes what the operation wants from now on, and reports whether it is anything
// new. What it kept out of the answers, or empty, can be used again when it ends.
func (m *Machine) want(o *operation, wants recovery.Wants) bool {
	was := o.wants
	if wants == was {
		return false
	}
	o.wants = wants
	m.beatNow, m.checkDwells = true, true
	if was.Withdraw && !wants.Withdraw || was.Evacuate && !wants.Evacuate {
		m.reconsider()
	}
	return true
}

// startMoving lets every workload of the operation be decided again.
func (m *Machine) startMoving(o *operation) {
	m.world++
	for _, r := range o.value().Workloads {
		if w := m.workloads[r.Workload]; w != nil {
			if o.wants.Evacuate {
				w.operation = o.id
			}
			if o.wants.Rebound {
				w.operation, w.rebound = o.id, fmt.Sprintf("failback %s", o.id)
			}
			if o.wants.Relocate {
				w.operation, w.plan = o.id, o.relocation(r)
			}
			m.touch(w.key)
		}
	}
}

// layOutReturn plans every workload back to where the operation found it.
func (m *Machine) layOutReturn(o *operation) {
	o.planned = true
	op := o.value()
	for _, r := range op.Workloads {
		w := m.workloads[r.Workload]
		if w == nil || w.spec == nil || len(r.Before) == 0 {
			continue
		}
		w.plan = &plan{operation: o.id, members: r.Before, reason: fmt.Sprintf("%s %s: back to before", op.Request.Verb, o.id)}
		for name := range o.covers {
			delete(w.dwells, name)
			delete(w.released, name)
		}
		m.touch(w.key)
	}
}

// storeOperations writes the records of operations that changed. One that has
// ended is sealed with the hash of the one that ended before it.
func (m *Machine) storeOperations() {
	for _, id := range m.operationIDs() {
		o := m.operations[id]
		if !o.dirty || o.machine == nil || o.record.busy() {
			continue
		}
		op := o.value()
		if op.State.Ended() {
			if m.sealing != "" && m.sealing != id {
				continue
			}
			op = recovery.Seal(op, m.lastHash())
			m.sealing = id
		}
		o.dirty = false
		w := m.newWrite(writing{source: SourceOperations, name: id})
		o.record.begin(w, op)
		m.emit(PutOperation{ID: w, Operation: op, Expected: o.record.revision})
	}
}

// lastHash is the end of the chain: the hash that no other record names as the
// one before it.
func (m *Machine) lastHash() string {
	named := map[string]bool{}
	for _, o := range m.operations {
		if o.record.stored.Hash != "" {
			named[o.record.stored.PreviousHash] = true
		}
	}
	var ends []string
	for _, id := range m.operationIDs() {
		if h := m.operations[id].record.stored.Hash; h != "" && !named[h] {
			ends = append(ends, h)
		}
	}
	return strings.Join(ends, ",")
}

func (m *Machine) operationDone(wr writing, ev WriteDone) {
	o := m.operations[wr.name]
	if o == nil {
		return
	}
	if m.sealing == o.id {
		m.sealing = ""
	}
	if o.record.done(ev) {
		m.emit(ReadRecord{Source: SourceOperations, Name: wr.name})
		return
	}
	if ev.Outcome == Rejected {
		for _, r := range o.asked {
			m.refuse(r, "Invalid", fmt.Sprintf("store operation %s: %s", o.id, ev.Detail))
		}
		o.asked = nil
		m.advanceOperation(o, recovery.Aborted{Reason: "its record cannot be stored: " + ev.Detail, Who: recovery.Hub})
		return
	}
	m.stored(o)
}

// stored: the record is durable, so what waits for it goes on.
func (m *Machine) stored(o *operation) {
	if o.record.stored.Hash != "" && o.value().State.Ended() {
		o.dirty = false
	}
	for _, r := range o.asked {
		if o.record.stored.State == federation.OperationRefused {
			m.refuse(r, "Refused", o.record.stored.Reason)
		} else {
			m.reply(r, o.record.stored)
		}
	}
	o.asked = nil
	m.lookAgain = true
	if o.record.stored.State.Ended() {
		o.machine = nil
		m.want(o, recovery.Wants{})
		if o.record.stored.Request.Verb == recovery.Freeze {
			m.worldAt = earlier(m.worldAt, m.now.Add(retryEvery)) // see completes
		}
		m.liftMask(o)
		m.unclaim(o)
		return
	}
	m.obey(o)
}
