package membership

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// comeback is how far the return of a member has come.
type comeback struct {
	synced bool
	well   time.Time // since when it is well without interruption; zero: it is not
}

// longestStabilise bounds how long a member that fell often has to be well.
const longestStabilise = 5 * time.Minute

// stabilise is how long the member has to be well this time.
func (m *Machine) stabilise(mem *member) time.Duration {
	d := m.opts.Stabilise
	for range mem.reversals(m.now) - 1 {
		d = min(2*d, longestStabilise)
	}
	return d
}

// comeBack begins a return, or begins it again.
func (m *Machine) comeBack(mem *member, why string) {
	mem.back = comeback{}
	mem.row = row{settled: NameHealthy}
	m.move(mem, Transition{To: federation.Returning}, "", why+": challenged to say what it runs")
	m.runningProbe(mem)
}

// returnStep takes the next phase of a return.
func (m *Machine) returnStep(ev ReturnStep) {
	mem, ok := m.members[ev.Member]
	if !ok || ev.Incarnation != mem.record.Incarnation {
		return
	}
	switch h := mem.record.Health; {
	case ev.Phase == Answered && h == federation.Returning:
		m.move(mem, Transition{To: federation.Quarantined}, "", "answered; has to prove that what it may not run has stopped")
	case ev.Phase == Stopped && h == federation.Quarantined:
		mem.back = comeback{well: m.now}
		m.move(mem, Transition{To: federation.Reconciling}, "", fmt.Sprintf("proved that nothing of an old epoch runs; healthy once synced and well for %s", seconds(m.stabilise(mem))))
	case ev.Phase == Synced && h == federation.Reconciling:
		mem.back.synced = true
	}
	m.judge(mem)
}

// proceed looks, with each beat of a returning member, whether it is back.
func (m *Machine) proceed(mem *member, seen string, interrupted bool) {
	if mem.record.Health != federation.Reconciling {
		return
	}
	if interrupted || seen != NameHealthy || mem.back.well.IsZero() {
		mem.back.well = m.now
		return
	}
	if d := m.stabilise(mem); mem.back.synced && m.now.Sub(mem.back.well) >= d {
		m.move(mem, Transition{To: federation.Healthy}, NameHealthy, "back: synced, and well for "+seconds(d))
	}
}
