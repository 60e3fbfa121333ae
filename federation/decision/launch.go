package decision

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/placement"
)

// newID names an operation; hash and clock make it unlike any other.
func (m *Machine) newID(scope string) string {
	for n := 0; ; n++ {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%d/%d/%s/%d", m.opts.Term, m.now.UnixNano(), scope, n)))
		id := hex.EncodeToString(sum[:])[:8]
		if m.operations[id] == nil {
			return id
		}
	}
}

// launch starts an operation; its record is written before anything is done.
func (m *Machine) launch(req federation.OperationRequest, scene recovery.Scene) *operation {
	id := m.newID(req.Scope.String())
	o := &operation{id: id, machine: recovery.New(m.now, id, req, scene), dirty: true, covers: setOf(scene.Members)}
	m.operations[id] = o
	op := o.value()
	m.note("Operation", "operation/"+id, fmt.Sprintf("%s %s %s by %s: %s %s", op.Request.Verb, id, req.Scope, req.Initiator, op.State, op.Reason))
	m.lookAgain, m.unstored = true, true
	return o
}

// requestOperation starts what a person asked for, if the guardrails pass.
func (m *Machine) requestOperation(ev OperationRequested) {
	req := ev.Operation
	if req.Mode == "" {
		req.Mode = federation.Live
		if req.Verb == "drill" {
			req.Mode = federation.Drill
		}
	}
	if req.Verb == "drill" && req.Mode == federation.Live || req.Verb != "drill" && req.Mode == federation.Drill {
		m.refuse(ev.Request, "Invalid", fmt.Sprintf("verb %s does not go with mode %s", req.Verb, req.Mode))
		return
	}
	req.Initiator = cmp.Or(req.Initiator, "somebody")
	if m.takeOver(ev) {
		return
	}
	scene, err := m.scene(req)
	if err != nil {
		m.refuse(ev.Request, "Invalid", err.Error())
		return
	}
	o := m.launch(req, scene)
	o.asked = append(o.asked, ev.Request)
	if !o.running() {
		return
	}
	if req.Verb == recovery.Fence {
		o.vouched = setOf(m.lostOf(scene.Members))
	}
	m.endStanding(o, req)
	if w := o.value(); slices.Contains(claiming, w.Request.Verb) {
		for _, r := range w.Workloads {
			m.claim(o, r.Workload)
		}
	}
}

// claiming verbs move workloads that no other operation may move meanwhile.
var claiming = []string{"drill", "failback", "failover", recovery.Relocate}

// endStanding ends the shifts and evacuations of a scope that fails back.
func (m *Machine) endStanding(o *operation, req federation.OperationRequest) {
	if req.Verb != "failback" {
		return
	}
	for _, other := range m.runningOperations() {
		v := other.value().Request.Verb
		if other != o && (v == "shift" || v == "evacuate") && overlaps(other.covers, o.covers) {
			m.advanceOperation(other, recovery.Aborted{Reason: "failback " + o.id, Who: req.Initiator})
		}
	}
}

func overlaps(a, b map[string]bool) bool {
	for n := range a {
		if b[n] {
			return true
		}
	}
	return false
}

// scene gathers what an operation starts from, guardrails included.
func (m *Machine) scene(req federation.OperationRequest) (recovery.Scene, error) {
	scene := recovery.Scene{Members: m.covered(req.Scope)}
	if req.Verb == recovery.Relocate {
		scene.Members = m.sources(req)
	}
	if len(scene.Members) > 0 {
		fill := m.leaving
		switch req.Verb {
		case "failback":
			fill = m.returning
		case recovery.Relocate:
			fill = m.relocating
		}
		if err := fill(req, &scene); err != nil {
			return scene, err
		}
	}
	scene.Budgets = m.budgets(scene.Workloads)
	in := recovery.GateInput{
		Request: req, Members: scene.Members, Total: len(m.members), Health: map[string]federation.Health{},
		Simulation: scene.Simulation, Frozen: m.Frozen(), Alone: m.alone(scene.Workloads),
		Limits: m.opts.Brake, Left: m.placesLeft(scene),
	}
	for name, mem := range m.members {
		in.Health[name] = mem.verdict.Health
	}
	for _, o := range m.runningOperations() {
		if hinders(o.value().Request.Verb, req.Verb) {
			in.Running = append(in.Running, o.id)
		}
	}
	scene.Findings = recovery.Gates(in)
	if req.Level == "L5a" || req.Level == "L5b" {
		scene.Findings = append(scene.Findings, recovery.Brake(m.brakeInput(scene.Members))...)
	}
	return scene, nil
}

// hinders says that an operation of the verb running keeps one of the verb asked
// from starting.
func hinders(running, asked string) bool {
	switch {
	case running == recovery.Freeze, asked == recovery.Fence:
		return false
	case running == recovery.Fence:
		return asked == "failback" || asked == "drill"
	case asked == "failback":
		return running != "shift" && running != "evacuate"
	}
	return true
}

func (m *Machine) alone(reports []federation.WorkloadReport) []string {
	var out []string
	for _, r := range reports {
		if m.workloads[r.Workload].failover().Continuity == federation.AtMostOne {
			out = append(out, r.Workload.String())
		}
	}
	return out
}

// placesLeft counts, for each workload of the scene that has a Service, the members
// outside of the scope in which it is ready.
func (m *Machine) placesLeft(scene recovery.Scene) map[federation.Key]int {
	left := map[federation.Key]int{}
	for _, r := range scene.Workloads {
		w := m.workloads[r.Workload]
		if !slices.ContainsFunc(w.spec.Objects, func(o federation.Object) bool { return o.Kind == "Service" }) {
			continue
		}
		left[w.key] = 0
		for _, s := range w.record.stored.Members {
			if st := w.statuses[s.Member]; !slices.Contains(scene.Members, s.Member) && m.serves(s.Member) && running(st) && st.Ready > 0 {
				left[w.key]++
			}
		}
	}
	return left
}

// covered lists the members of a scope, sorted.
func (m *Machine) covered(s federation.Scope) []string {
	var out []string
	for _, name := range sortedNames(m.members) {
		if s.Covers(name, m.members[name].spec.stored.Place) {
			out = append(out, name)
		}
	}
	return out
}

// leaving finds what is in the scope, and where it would go without it.
func (m *Machine) leaving(req federation.OperationRequest, scene *recovery.Scene) error {
	snap, err := m.snapshot()
	if err != nil {
		return err
	}
	scene.Workloads = m.concerned(scene.Members, func(*workload) bool { return true })
	scene.Simulation, err = placement.Simulate(snap, m.requests(), federation.SimulationRequest{Lose: []federation.Scope{req.Scope}})
	return err
}

// returning finds what a failback moves: the workloads that, placed anew, would have
// more in the scope than now, the smallest moves first, as far as the budget goes.
func (m *Machine) returning(req federation.OperationRequest, scene *recovery.Scene) error {
	snap, err := m.snapshotWith(func(p *placement.Member) {
		if slices.Contains(scene.Members, p.Spec.Name) {
			p.Masked = "" // a failback ends what empties them
		}
	})
	if err != nil {
		return err
	}
	candidates, _ := m.rebalanceable(federation.Key{})
	in := func(shares []federation.AssignedMember) (n int64) {
		for _, name := range scene.Members {
			n += replicasIn(shares, name)
		}
		return n
	}
	scene.Simulation = federation.Simulation{Fits: true, Moves: []federation.Move{}, Unmet: []federation.Unmet{}, SnapshotHash: snap.Hash()}
	bounds := rebalancing{budget: req.Budget, only: func(before, after []federation.AssignedMember) bool { return in(after) > in(before) }}
	for _, c := range m.better(snap, candidates, bounds) {
		scene.Workloads = append(scene.Workloads, c.w.report())
		scene.Simulation.Moves = append(scene.Simulation.Moves, c.moves...)
	}
	slices.SortFunc(scene.Workloads, func(a, b federation.WorkloadReport) int { return a.Workload.Compare(b.Workload) })
	return nil
}

// concerned lists the workloads that have a share in one of the members and
// pass the test, with where they are.
func (m *Machine) concerned(members []string, pick func(*workload) bool) []federation.WorkloadReport {
	var out []federation.WorkloadReport
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		a, ok := w.placed()
		if !ok || w.spec == nil || !pick(w) || !slices.ContainsFunc(a.Members, func(s federation.AssignedMember) bool { return slices.Contains(members, s.Member) }) {
			continue
		}
		out = append(out, w.report())
	}
	return out
}

// report begins the workload's part of an operation: where it is.
func (w *workload) report() federation.WorkloadReport {
	members := w.record.stored.Members
	return federation.WorkloadReport{Workload: w.key, Objective: w.failover().Objective, From: names(members), Before: slices.Clone(members)}
}

func names(shares []federation.AssignedMember) []string {
	out := make([]string, len(shares))
	for i, s := range shares {
		out[i] = s.Member
	}
	return out
}

// budgets gives the move of the workloads the longest of their dwells on top.
func (m *Machine) budgets(reports []federation.WorkloadReport) recovery.Budgets {
	var longest time.Duration
	for _, r := range reports {
		if w := m.workloads[r.Workload]; w != nil {
			longest = max(longest, m.dwell(w, &member{factor: 1}))
		}
	}
	return recovery.Budgets{Move: longest + 3*time.Minute}
}
