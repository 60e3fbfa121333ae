package decision

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement"
)

// snapshot freezes what placement may see.
func (m *Machine) snapshot() (*placement.Snapshot, error) { return m.snapshotWith(nil) }

// snapshotWith is snapshot with members changed by change.
func (m *Machine) snapshotWith(change func(*placement.Member)) (*placement.Snapshot, error) {
	world := placement.World{External: m.external(), RoundTrips: m.roundTrips()}
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		p := placement.Member{Spec: mem.spec.stored, Facts: mem.facts, Health: mem.verdict.Health, Masked: m.evacuating(name)}
		if change != nil {
			change(&p)
		}
		world.Members = append(world.Members, p)
	}
	for _, k := range m.workloadKeys() {
		w := m.workloads[k]
		a, ok := w.placed()
		if !ok {
			continue
		}
		world.Assignments = append(world.Assignments, a)
		for _, s := range a.Members {
			if missing := s.Replicas - m.countedIn(w, s.Member); missing > 0 && w.demand.Replicated {
				world.Reservations = append(world.Reservations, placement.Reservation{
					Workload: k, Member: s.Member, Replicas: missing, PerReplica: w.demand.PerReplica, Tolerations: w.demand.Tolerations,
				})
			}
		}
	}
	return placement.NewSnapshot(world)
}

func (m *Machine) workloadKeys() []federation.Key {
	keys := make([]federation.Key, 0, len(m.workloads))
	for k := range m.workloads {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, federation.Key.Compare)
	return keys
}

func (m *Machine) simulate(ev SimulateRequested) {
	snap, err := m.snapshot()
	if err != nil {
		m.refuse(ev.Request, "Internal", err.Error())
		return
	}
	sim, err := placement.Simulate(snap, m.requests(), ev.Simulation)
	if err != nil {
		m.refuse(ev.Request, "Invalid", err.Error())
		return
	}
	m.reply(ev.Request, sim)
}

// requests has one request for each workload that exists.
func (m *Machine) requests() []placement.Request {
	var reqs []placement.Request
	for _, k := range m.workloadKeys() {
		if w := m.workloads[k]; w.spec != nil && w.fault == "" {
			reqs = append(reqs, m.request(w))
		}
	}
	return reqs
}
