package recovery

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// Budgets bound the phases of an operation. The zero value has the defaults.
type Budgets struct {
	Detect  time.Duration // until the verdict; 0 means 20 s
	Move    time.Duration // from the verdict until capacity is back; 0 means 3 min
	Steady  time.Duration // how long it must stay well to count as steady; 0 means 2 s
	Verify  time.Duration // until it is steady, live or drilled; 0 means 1 min
	Restore time.Duration // until everything is as before; 0 means 3 min
	Live    time.Duration // until a live failover, failback or relocation is given up as failed; 0 means 15 min
}

func (b Budgets) defaulted() Budgets {
	for _, d := range []struct {
		v  *time.Duration
		by time.Duration
	}{
		{&b.Detect, 20 * time.Second},
		{&b.Move, 3 * time.Minute},
		{&b.Steady, 2 * time.Second},
		{&b.Verify, time.Minute},
		{&b.Restore, 3 * time.Minute},
		{&b.Live, 15 * time.Minute},
	} {
		if *d.v == 0 {
			*d.v = d.by
		}
	}
	return b
}

// Scene is what an operation starts from.
type Scene struct {
	Members    []string // that the scope covers, sorted
	Workloads  []federation.WorkloadReport
	Findings   []Finding
	Simulation federation.Simulation
	Budgets    Budgets
	Approval   bool // a person has to let it start
	// Fault is when a live failover's fault happened, as far as is known.
	Fault time.Time
}

// Machine is one operation. One goroutine owns it.
type Machine struct {
	op      federation.Operation
	budgets Budgets
	since   time.Time // when the present state was entered
	steady  time.Time // since when everything has been well; zero: it is not
	verdict time.Time // when the whole scope was unreachable
	failed  string    // why the verdict cannot be PASS
	release bool
	served  bool                         // everything concerned was ready outside the scope
	darkAt  map[federation.Key]time.Time // workloads without a ready replica, and since when
	out     []Effect
}

// New starts an operation: it is Refused, AwaitingApproval or Running when New
// returns, and what led there is in its timeline.
func New(now time.Time, id string, req federation.OperationRequest, scene Scene) *Machine {
	m := &Machine{budgets: scene.Budgets.defaulted(), darkAt: map[federation.Key]time.Time{}, since: now}
	m.op = federation.Operation{
		ID: id, Request: req, State: federation.OperationDraft, Members: slices.Clone(scene.Members),
		SimulationHash: scene.Simulation.SnapshotHash, Marks: map[federation.Mark]time.Time{}, CreatedAt: now.UTC(),
	}
	m.addWorkloads(scene.Workloads)
	m.enter(now, federation.OperationSimulated, simulated(scene.Simulation))
	if refusal := Refusal(scene.Findings); refusal != "" {
		m.op.Reason = refusal
		m.end(now, federation.OperationRefused, federation.Inconclusive)
		return m
	}
	m.enter(now, federation.OperationGated, fmt.Sprintf("%d guardrails pass", len(scene.Findings)))
	switch {
	case req.Mode == federation.DryRun:
		m.op.Plan = &scene.Simulation
		m.op.Reason = "dry run: nothing was done"
		m.end(now, federation.OperationCompleted, federation.Pass)
	case scene.Approval:
		m.enter(now, federation.OperationAwaitingApproval, "waits for: hansa operation approve "+id)
		m.begin(now, scene.Fault)
	case req.Verb == Freeze:
		m.enter(now, federation.OperationHeld, "automation is frozen until: hansa unfreeze")
	default:
		m.begin(now, scene.Fault)
		m.enter(now, federation.OperationRunning, "started by "+req.Initiator)
	}
	return m
}

// begin sets the start of the clock: the fault itself, or now for what is made
// on purpose.
func (m *Machine) begin(now, fault time.Time) {
	if fault.IsZero() {
		fault = now
	}
	m.mark(federation.T0Fault, fault)
}

// Resume goes on with an operation whose hub is gone. A drill that was under way
// is aborted: its fault ended with the hub.
func Resume(now time.Time, op federation.Operation, budgets Budgets) *Machine {
	m := &Machine{op: op, budgets: budgets.defaulted(), since: now, darkAt: map[federation.Key]time.Time{}}
	if m.op.Marks == nil {
		m.op.Marks = map[federation.Mark]time.Time{}
	}
	if op.State.Ended() || !m.drill() {
		return m
	}
	switch op.State {
	case federation.OperationRestoring, federation.OperationRollingBack, federation.OperationAborting:
	default:
		m.abort(now, "the hub was replaced in the middle of it")
	}
	return m
}

// Operation returns the record as it is now.
func (m *Machine) Operation() federation.Operation { return m.op }

// Ended reports whether nothing more will happen.
func (m *Machine) Ended() bool { return m.op.State.Ended() }

func (m *Machine) drill() bool { return m.op.Request.Verb == "drill" }

func (m *Machine) level(l string) bool { return m.drill() && m.op.Request.Level == l }

// active says that the fault, or the withdrawal, is in force.
func (m *Machine) active() bool {
	switch m.op.State {
	case federation.OperationRunning, federation.OperationPaused, federation.OperationVerifying, federation.OperationHeld:
		return true
	}
	return false
}

func (m *Machine) restoring() bool {
	return m.op.State == federation.OperationRestoring || m.op.State == federation.OperationAborting ||
		m.op.State == federation.OperationRollingBack
}

// evacuates says that the operation empties the scope gracefully.
func (m *Machine) evacuates() bool { return m.level("L4") || m.op.Request.Verb == "evacuate" }

// Wants follows from the state alone, but for the withdrawal of an evacuation, which
// waits until everything is served elsewhere.
func (m *Machine) Wants() Wants {
	verb, on := m.op.Request.Verb, m.active()
	moved := m.level("L4") || m.level("L5b")
	return Wants{
		Mask:     on && m.level("L5b"),
		Shadow:   on && m.level("L5a"),
		Withdraw: on && (m.level("L3") || verb == "shift" || verb == Fence || m.evacuates() && m.served),
		Evacuate: on && (m.evacuates() || verb == Fence),
		Restore:  m.restoring() && moved,
		Release:  m.release || on && verb == "failover" && m.op.Request.Initiator != Hub,
		Rebound:  on && verb == "failback",
		Relocate: on && verb == Relocate,
		Fence:    on && verb == Fence,
	}
}

// Verbs that the hub has to know by name.
const (
	// Freeze stops automation. It stands until it is aborted.
	Freeze = "freeze"
	// Fence is a person's word that a lost scope runs nothing that must run once, or
	// order that one that is there shall not. It stands until it is aborted.
	Fence = "fence"
	// Relocate moves workloads from where they are well.
	Relocate = "relocate"
)

// standing says that an operation of the verb keeps the traffic away until somebody
// ends it.
func standing(verb string) bool { return verb == "shift" || verb == "evacuate" || verb == Fence }

// Hub is the initiator of what automation starts.
const Hub = "hub"

// Step applies one event and returns what came of it, in order.
func (m *Machine) Step(now time.Time, ev Event) []Effect {
	m.out = nil
	if m.Ended() {
		return nil
	}
	switch ev := ev.(type) {
	case Observed:
		m.observe(now, ev)
	case Aborted:
		m.abort(now, ev.Reason)
	case Approved:
		m.approve(now, ev.Who)
	case Tick:
	}
	return m.out
}

// Deadline is when Step wants to be called if nothing is observed before; the
// zero time when never.
func (m *Machine) Deadline() time.Time {
	if m.Ended() {
		return time.Time{}
	}
	next := m.overAt()
	if !m.steady.IsZero() && m.op.State == federation.OperationVerifying {
		next = sooner(next, m.steady.Add(m.budgets.Steady))
	}
	if m.op.State == federation.OperationHeld && m.drill() {
		next = sooner(next, m.since.Add(m.op.Request.Hold))
	}
	return next
}

// overAt is when the present phase is over its budget; zero when it has none.
func (m *Machine) overAt() time.Time {
	switch {
	case m.restoring():
		return m.since.Add(m.budgets.Restore)
	case !m.drill() && (standing(m.op.Request.Verb) || m.op.Request.Verb == Freeze):
	case !m.drill() && m.op.State == federation.OperationRunning:
		return m.since.Add(m.budgets.Live)
	case !m.drill() && m.op.State != federation.OperationVerifying:
	case m.op.State == federation.OperationRunning && m.verdict.IsZero():
		return m.since.Add(m.budgets.Detect)
	case m.op.State == federation.OperationRunning, m.op.State == federation.OperationPaused:
		return m.verdict.Add(m.budgets.Move)
	case m.op.State == federation.OperationVerifying:
		return m.since.Add(m.budgets.Verify)
	}
	return time.Time{}
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// enter goes to another state and tells so.
func (m *Machine) enter(now time.Time, to federation.OperationState, text string) {
	from := m.op.State
	m.op.State, m.since, m.steady = to, now, time.Time{}
	m.note(now, fmt.Sprintf("%s: %s", to, text))
	m.out = append(m.out, Entered{From: from, To: to, Text: text})
}

func (m *Machine) note(now time.Time, text string) {
	m.op.Timeline = append(slices.Clone(m.op.Timeline), federation.TimelineEntry{At: now.UTC(), Text: text})
}

// mark sets a point of the clock once.
func (m *Machine) mark(mark federation.Mark, at time.Time) {
	if _, set := m.op.Marks[mark]; set || at.IsZero() {
		return
	}
	marks := make(map[federation.Mark]time.Time, len(m.op.Marks)+1)
	for k, v := range m.op.Marks {
		marks[k] = v
	}
	marks[mark] = at.UTC()
	m.op.Marks = marks
	m.out = append(m.out, Marked{Mark: mark, At: at.UTC()})
}

func (m *Machine) end(now time.Time, state federation.OperationState, v federation.Verdict) {
	m.op.Verdict = v
	text := string(v)
	if m.op.Reason != "" {
		text += ": " + m.op.Reason
	}
	m.enter(now, state, text)
}

// abort ends an operation before its time: what it changed goes back.
func (m *Machine) abort(now time.Time, reason string) {
	if m.restoring() || m.Ended() {
		return
	}
	m.op.Reason = reason
	if v := m.op.Request.Verb; v == Freeze || v == Fence {
		m.end(now, federation.OperationCompleted, federation.Pass)
		return
	}
	if m.op.State == federation.OperationAwaitingApproval || !m.drill() && m.op.Request.Verb != "shift" && m.op.Request.Verb != "evacuate" {
		m.op.Reason = reason + "; what was decided already stays"
		m.end(now, federation.OperationCompleted, federation.Inconclusive)
		return
	}
	m.enter(now, federation.OperationAborting, reason)
	m.enter(now, federation.OperationRollingBack, "everything goes back to where it was")
}

func (m *Machine) approve(now time.Time, who string) {
	switch m.op.State {
	case federation.OperationAwaitingApproval, federation.OperationPaused:
		m.release = true
		m.enter(now, federation.OperationRunning, "approved by "+who)
	}
}

// Released reports whether a person let it go on against the brake.
func (m *Machine) Released() bool { return m.release }

func simulated(s federation.Simulation) string {
	if s.Fits {
		return fmt.Sprintf("%d moves, everything fits", len(s.Moves))
	}
	return fmt.Sprintf("%d moves, %d workloads find no place", len(s.Moves), len(s.Unmet))
}
