package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
)

// Converge runs the world until every promise holds, for at most limit, and
// returns the first that does not then.
func (w *World) Converge(limit time.Duration) error {
	end := w.now.Add(limit)
	for {
		err := w.Promises()
		if err == nil {
			return nil
		}
		if !w.now.Before(end) {
			return fmt.Errorf("after %v without faults: %w", limit, err)
		}
		if err := w.Advance(500 * time.Millisecond); err != nil {
			return err
		}
	}
}

// Unkept is a promise that does not hold.
type Unkept struct {
	Promise string
	Err     error
}

// Error names the promise and says what is not as it should be.
func (u *Unkept) Error() string { return fmt.Sprintf("promise %s: %v", u.Promise, u.Err) }

func unkept(promise, format string, args ...any) error {
	return &Unkept{Promise: promise, Err: fmt.Errorf(format, args...)}
}

// PromiseNames are the names of what Promises looks at.
var PromiseNames = []string{"leader", "healthy", "workloads", "members", "gateways", "operations"}

// Promises returns the first thing that is not as it should be while nothing is
// wrong:
//
//  1. leader: one hub leads;
//  2. healthy: every member is Healthy to it;
//  3. workloads: every workload has an assignment of its last version, with all its replicas
//     unless the room does not suffice, and its members run them under that
//     epoch, all ready;
//  4. members: each runs nothing else, and nothing of a deleted workload;
//  5. gateways: each answers with every member that runs something;
//  6. operations: none is under way.
func (w *World) Promises() error {
	h, err := w.theLeader()
	if err != nil {
		return err
	}
	for _, name := range w.memberNames() {
		if r := h.m.HealthOf(name); r.Health != federation.Healthy {
			return unkept("healthy", "%s is %v: %s", name, r.Health, r.Reason)
		}
	}
	workloads := w.records(string(decision.SourceWorkloads))
	for _, name := range slices.Sorted(maps.Keys(workloads)) {
		e := workloads[name]
		if v, ok := e.Value.(federation.Workload); ok {
			if err := w.placedWell(key(name), v, e.Revision); err != nil {
				return err
			}
		}
	}
	serving := map[string]bool{}
	for _, name := range w.memberNames() {
		if err := w.runsWell(name, serving); err != nil {
			return err
		}
	}
	if err := w.gatewaysWell(serving); err != nil {
		return err
	}
	for _, op := range h.m.Operations() {
		if !op.State.Ended() {
			return unkept("operations", "%s of %s is %s", op.Request.Verb, op.Request.Scope, op.State)
		}
	}
	return nil
}

func (w *World) theLeader() (*hub, error) {
	var found *hub
	for _, name := range w.hubNames {
		h, ok := w.nodes[name].part.(*hub)
		if !ok || h.m == nil {
			continue
		}
		if found != nil {
			return nil, unkept("leader", "both %s and %s lead", found.name, name)
		}
		found = h
	}
	if found == nil || !found.m.Ready() {
		return nil, unkept("leader", "no hub leads")
	}
	return found, nil
}

// memberNames lists the members, sorted.
func (w *World) memberNames() []string {
	var out []string
	for _, name := range w.names {
		if w.members[name] != nil {
			out = append(out, name)
		}
	}
	return out
}

func (w *World) placedWell(k federation.Key, v federation.Workload, revision federation.Revision) error {
	a, ok := w.records(string(decision.SourceAssignments))[k.String()].Value.(federation.Assignment)
	switch {
	case !ok || a.WorkloadRevision != revision:
		return unkept("workloads", "%s has no assignment of its last version", k)
	case a.Unmet > 0 && w.room(v.Placement.Members) >= replicasOf(v):
		return unkept("workloads", "%s lacks %d replicas, and there is room: %s", k, a.Unmet, a.Explanation.Summary)
	}
	for _, s := range a.Members {
		l := w.members[s.Member].cluster.landed[k]
		switch {
		case l == nil:
			return unkept("workloads", "%s does not run %s", s.Member, k)
		case l.work.Epoch != a.Epoch || l.work.Replicas != s.Replicas:
			return unkept("workloads", "%s runs %d of %s under epoch %d; decided are %d under %d", s.Member, l.work.Replicas, k, l.work.Epoch, s.Replicas, a.Epoch)
		case l.ready != s.Replicas:
			return unkept("workloads", "%d of %d of %s are ready in %s", l.ready, s.Replicas, k, s.Member)
		}
	}
	return nil
}

// room is how many replicas more the members could hold that may take any of a
// workload with those terms.
func (w *World) room(terms federation.MemberSelection) int64 {
	var n int64
	for _, name := range w.memberNames() {
		spec, joined := w.records(string(decision.SourceMembers))[name].Value.(federation.MemberSpec)
		if !joined || spec.Cordoned || slices.Contains(terms.Exclude, name) || len(terms.Names) > 0 && !slices.Contains(terms.Names, name) {
			continue
		}
		n += w.members[name].nodes * 8000 / perReplica
		for _, l := range w.members[name].cluster.landed {
			n -= l.work.Replicas
		}
	}
	return n
}

func (w *World) runsWell(name string, serving map[string]bool) error {
	c := w.members[name].cluster
	for _, k := range c.keys() {
		a, _ := w.records(string(decision.SourceAssignments))[k.String()].Value.(federation.Assignment)
		if _, assigned := a.Replicas(name); !assigned {
			return unkept("members", "%s runs %s, which is not its own", name, k)
		}
		if _, exists := w.records(string(decision.SourceWorkloads))[k.String()].Value.(federation.Workload); !exists {
			return unkept("members", "%s runs %s, which was deleted", name, k)
		}
		serving[name] = serving[name] || c.landed[k].ready > 0
	}
	return nil
}

func (w *World) gatewaysWell(serving map[string]bool) error {
	for _, name := range w.names {
		g, ok := w.nodes[name].part.(*gateway)
		if !ok {
			continue
		}
		answers := g.answers()
		for _, member := range w.memberNames() {
			if serving[member] != slices.Contains(answers, member) {
				return unkept("gateways", "%s answers with %v, and %s serves: %v", name, answers, member, serving[member])
			}
		}
	}
	return nil
}
