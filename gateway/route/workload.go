package route

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
)

// Keys lists the workloads, and what is still being removed, sorted.
func (t *Table) Keys() []federation.Key {
	keys := slices.Collect(maps.Keys(t.Workloads))
	for k := range t.Assignments {
		if _, ok := t.Workloads[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, federation.Key.Compare)
	return keys
}

// State aggregates a workload's status over its members; see decision.Aggregate.
func (t *Table) State(k federation.Key) decision.WorkloadState {
	r := decision.Reported{Health: t.health}
	w, wanted := t.Workloads[k]
	if wanted {
		r.Statuses = t.statuses[k] // what they say of a deleted one is about its removal
	}
	return decision.Aggregate(w, t.Assignments[k], r)
}

// health is the latest that is known of a member.
func (t *Table) health(member string) federation.HealthRecord {
	m := t.Members[member]
	record := m.Record
	record.Health = m.Health()
	return record
}

// Status returns what a member reported last about a workload.
func (t *Table) Status(k federation.Key, member string) (federation.WorkStatus, bool) {
	s, ok := t.statuses[k][member]
	if !ok {
		return federation.WorkStatus{}, false
	}
	return *s, true
}

// On counts the workloads that are assigned to the member.
func (t *Table) On(member string) int {
	n := 0
	for _, a := range t.Assignments {
		if _, ok := a.Replicas(member); ok {
			n++
		}
	}
	return n
}

// SetWorkload takes a record of bucket "workloads".
func (b *Builder) SetWorkload(w federation.Workload) {
	own(b, &b.next.Workloads, &b.shared.workloads)[w.Key] = w
}

// RemoveWorkload forgets a workload that was deleted.
func (b *Builder) RemoveWorkload(k federation.Key) {
	delete(own(b, &b.next.Workloads, &b.shared.workloads), k)
}

// SetAssignment takes a record of bucket "assignments", and what it was read from. What it
// explains of every member is larger than all the rest, and is not kept: who wants it reads
// it again.
func (b *Builder) SetAssignment(a federation.Assignment, from []byte) {
	a.Explanation.Members, a.Explanation.Changes = nil, nil
	own(b, &b.next.Assignments, &b.shared.assignments)[a.Workload] = a
	own(b, &b.next.decided, &b.shared.decided)[a.Workload] = from
}

// Decided is what the assignment of the workload was read from; nil when there is none.
func (t *Table) Decided(k federation.Key) []byte { return t.decided[k] }

// RemoveAssignment forgets an assignment that ended.
func (b *Builder) RemoveAssignment(k federation.Key) {
	delete(own(b, &b.next.Assignments, &b.shared.assignments), k)
	delete(own(b, &b.next.decided, &b.shared.decided), k)
}

// SetStatus takes a record of bucket "status".
func (b *Builder) SetStatus(s federation.WorkStatus) {
	b.statuses(s.Workload)[s.Member] = &s
}

// RemoveStatus forgets what a member reported about a workload.
func (b *Builder) RemoveStatus(member string, k federation.Key) {
	statuses := b.statuses(k)
	delete(statuses, member)
	if len(statuses) == 0 {
		delete(b.next.statuses, k)
	}
}

func (b *Builder) statuses(k federation.Key) map[string]*federation.WorkStatus {
	all := own(b, &b.next.statuses, &b.shared.statuses)
	if !b.reported[k] || all[k] == nil {
		copied := maps.Clone(all[k])
		b.copied += len(copied)
		if copied == nil {
			copied = map[string]*federation.WorkStatus{}
		}
		all[k] = copied
		b.reported[k] = true
	}
	return all[k]
}

// SetOperation takes a record of bucket "operations".
func (b *Builder) SetOperation(o federation.Operation) {
	own(b, &b.next.Operations, &b.shared.operations)[o.ID] = o
}

// SetScore takes a record of bucket "scores".
func (b *Builder) SetScore(f federation.Feed) {
	own(b, &b.next.Scores, &b.shared.scores)[f.Name] = f
}

// RemoveScore forgets a score from outside.
func (b *Builder) RemoveScore(name string) {
	delete(own(b, &b.next.Scores, &b.shared.scores), name)
}

// SetStatusRule takes a record of bucket "statusrules".
func (b *Builder) SetStatusRule(r federation.StatusRule) {
	own(b, &b.next.StatusRules, &b.shared.rules)[r.Name] = r
}

// RemoveStatusRule forgets a rule.
func (b *Builder) RemoveStatusRule(name string) {
	delete(own(b, &b.next.StatusRules, &b.shared.rules), name)
}

// AddEvent takes a record of bucket "events". Records that arrive twice or out
// of order are put where they belong. What comes last is appended behind what earlier
// tables see.
func (b *Builder) AddEvent(e federation.Event) {
	i, found := slices.BinarySearchFunc(b.next.Events, e, func(x, y federation.Event) int {
		return cmp.Or(x.At.Compare(y.At), cmp.Compare(x.Revision, y.Revision))
	})
	if found {
		return
	}
	events := b.next.Events
	if i < len(events) {
		events = slices.Clone(events)
	}
	events = slices.Insert(events, i, e)
	b.next.Events = events[max(0, len(events)-MaxEvents):]
}
