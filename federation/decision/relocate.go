package decision

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/placement"
)

// sources lists the members that a relocation empties: those of the scope, or those
// that run the workload, but never one that it goes to.
func (m *Machine) sources(req federation.OperationRequest) []string {
	names := m.covered(req.Scope)
	if req.Scope.By == "workload" {
		for _, w := range m.relocated(req, nil) {
			for _, s := range w.record.stored.Members {
				names = append(names, s.Member)
			}
		}
		slices.Sort(names)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		mem := m.members[name]
		return mem == nil || req.To.Covers(name, mem.spec.stored.Place)
	})
}

// relocated lists the workloads of a relocation: that of the scope, or all that run in
// the members.
func (m *Machine) relocated(req federation.OperationRequest, members []string) []*workload {
	var out []*workload
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		a, ok := w.placed()
		if !ok || w.spec == nil || req.Scope.By == "workload" && req.Scope.Value != k.String() {
			continue
		}
		if req.Scope.By == "workload" || slices.ContainsFunc(a.Members, func(s federation.AssignedMember) bool { return slices.Contains(members, s.Member) }) {
			out = append(out, w)
		}
	}
	return out
}

// relocating finds what a relocation moves, and where it goes: every workload is placed
// with the sources refused and, if the request says where to, nothing new elsewhere.
func (m *Machine) relocating(req federation.OperationRequest, scene *recovery.Scene) error {
	snap, err := m.snapshot()
	if err != nil {
		return err
	}
	scene.Simulation = federation.Simulation{Fits: true, Moves: []federation.Move{}, Unmet: []federation.Unmet{}, SnapshotHash: snap.Hash()}
	var reqs []placement.Request
	for _, w := range m.relocated(req, scene.Members) {
		reqs = append(reqs, m.relocationRequest(w, req, scene.Members))
	}
	for _, d := range placement.PlaceAll(reqs, snap) {
		w := m.workloads[d.Workload]
		old, report := w.record.stored, w.report()
		report.After = d.Members
		scene.Workloads = append(scene.Workloads, report)
		scene.Simulation.Moves = append(scene.Simulation.Moves, movesBetween(d.Workload, old.Members, d.Members)...)
		if d.Err != nil || d.Unmet > old.Unmet {
			u := federation.Unmet{Workload: d.Workload, Replicas: max(1, d.Unmet-old.Unmet), Reason: d.Binding}
			if d.Err != nil {
				u.Reason = d.Err.Error()
			}
			scene.Simulation.Fits, scene.Simulation.Unmet = false, append(scene.Simulation.Unmet, u)
		}
	}
	return nil
}

// relocationRequest asks for the workload's place outside of the sources. Shares
// elsewhere stay.
func (m *Machine) relocationRequest(w *workload, req federation.OperationRequest, sources []string) placement.Request {
	r := m.request(w)
	r.Whole = false
	if r.Excluded = maps.Clone(r.Excluded); r.Excluded == nil {
		r.Excluded = map[string]string{}
	}
	for name, mem := range m.members {
		_, runs := w.record.stored.Replicas(name)
		switch {
		case slices.Contains(sources, name):
			r.Excluded[name] = "it is relocated from here"
		case req.To != (federation.Scope{}) && !runs && !req.To.Covers(name, mem.spec.stored.Place):
			r.Excluded[name] = fmt.Sprintf("it is relocated to %s", req.To)
		}
	}
	return r
}

// lapse ends the relocations whose plan for the workload is not in force any more, and
// would be carried out by nobody.
func (m *Machine) lapse(w *workload) {
	for _, id := range sortedNames(m.claims[w.key]) {
		o := m.operations[id]
		if o == nil || !o.running() || !o.wants.Relocate || w.plan != nil {
			continue
		}
		if slices.ContainsFunc(w.record.stored.Members, func(s federation.AssignedMember) bool { return o.covers[s.Member] }) {
			m.advanceOperation(o, recovery.Aborted{Reason: fmt.Sprintf("%s was placed anew meanwhile", w.key), Who: recovery.Hub})
		}
	}
}

// relocation is where the operation puts a workload; nil when it leaves it where it is.
func (o *operation) relocation(r federation.WorkloadReport) *plan {
	op := o.value()
	if len(r.After) == 0 || sameShares(r.Before, r.After) {
		return nil
	}
	return &plan{operation: o.id, members: r.After, reason: fmt.Sprintf("%s %s of %s", op.Request.Verb, o.id, op.Request.Scope)}
}
