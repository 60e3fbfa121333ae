package decision

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// measured bounds how many times to ready are remembered of one workload.
	measured = 20
	// recordEvery and recordAtMost bound how many records are written for what was
	// measured alone; what is decided anyway takes it along.
	recordEvery  = 10 * time.Second
	recordAtMost = 100
)

// measure notes how long a share took from the order until it was ready.
func (m *Machine) measure(w *workload, old, s federation.WorkStatus) {
	m.lookAgain = true
	wk := w.works[s.Member]
	if wk == nil || wk.at.IsZero() || s.State != federation.WorkReady || s.Epoch < wk.order.epoch ||
		old.State == federation.WorkReady && old.Replicas == s.Replicas || s.WorkloadRevision < wk.order.revision {
		return
	}
	list := append(m.startup[w.key], m.now.Sub(wk.at))
	m.startup[w.key] = list[max(0, len(list)-measured):]
	wk.at = time.Time{}
	if m.newlyMeasured(w) {
		m.noteUnrecorded(w)
	}
}

// timeToReady is the 95th percentile of what was measured.
func (m *Machine) timeToReady(k federation.Key) (time.Duration, bool) {
	list := slices.Sorted(slices.Values(m.startup[k]))
	if len(list) == 0 {
		return 0, false
	}
	return list[(len(list)*95-1)/100], true
}

// recall takes over what an earlier hub has measured.
func (m *Machine) recall(w *workload) {
	if known := w.record.stored.ReadyIn; known > 0 && len(m.startup[w.key]) == 0 {
		m.startup[w.key] = []time.Duration{known}
	}
}

// newlyMeasured says that the record does not say what was measured, by a quarter.
func (m *Machine) newlyMeasured(w *workload) bool {
	p95, _ := m.timeToReady(w.key)
	known := w.record.stored.ReadyIn
	return p95 > known+known/4 || p95 < known-known/4
}

// noteUnrecorded has the record of the workload written in a while.
func (m *Machine) noteUnrecorded(w *workload) {
	m.unrecorded[w.key] = true
	m.recordAt = earlier(m.recordAt, m.now.Add(recordEvery))
}

// unrecordedIn says that the record lacks what was measured, or has strays that are none
// any more.
func (m *Machine) unrecordedIn(w *workload) bool {
	return m.newlyMeasured(w) || len(m.strayed(w, w.record.stored.Members)) < len(w.record.stored.Strays)
}

// stepUnrecorded writes what no decision was made of, a few records at a time.
func (m *Machine) stepUnrecorded() {
	if m.recordAt.IsZero() || m.now.Before(m.recordAt) {
		return
	}
	m.recordAt = time.Time{}
	written := 0
	for _, k := range sortedKeys(m.unrecorded) {
		w := m.workloads[k]
		if w != nil && w.current() && m.unrecordedIn(w) {
			if written++; written > recordAtMost {
				m.recordAt = m.now.Add(recordEvery)
				return
			}
			m.write(w, w.record.stored)
		}
		delete(m.unrecorded, k)
	}
}
