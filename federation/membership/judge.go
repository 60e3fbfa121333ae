package membership

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// judge does what time asks for about one member, and files it under the next
// time at which it wants to be looked at.
func (m *Machine) judge(mem *member) {
	m.runningProbe(mem)
	m.realSilence(mem)
	if m.watched(mem) && (!m.now.Before(m.suspectAt(mem)) || unasked(mem)) {
		m.fallSilent(mem)
	}
	if mem.inquiry != nil {
		m.inquire(mem)
	}
	m.schedule(mem)
}

// unasked: the member was suspect when this machine took over, and a mask came or
// went since; somebody has to find out what it is.
func unasked(mem *member) bool {
	return mem.inquiry == nil && mem.record.Health == federation.Suspect && mem.judged && mem.stream.count > 0
}

// watched reports whether the silence of a member means something.
func (m *Machine) watched(mem *member) bool {
	h := mem.record.Health
	return h != federation.Joining && !lost(h)
}

// tick is the shortest time after which a member is looked at again.
const tick = time.Millisecond

// schedule files the member under the next time at which something is due.
func (m *Machine) schedule(mem *member) {
	if m.members[mem.name] != mem {
		return
	}
	var due time.Time
	switch {
	case mem.inquiry != nil:
		due = m.inquiryDue(mem)
	case m.watched(mem):
		due = m.suspectAt(mem)
	}
	if mem.mask != "" && !mem.flagged && mem.stream.count > 0 {
		due = sooner(due, mem.stream.heard.Add(m.patience(mem)))
	}
	due = sooner(due, mem.nextProbe)
	if !due.IsZero() {
		due = latest(due, m.now.Add(tick))
	}
	m.queue.set(mem, due)
}

// When a hub begins, a thousand members need their time to connect again: an agent that
// has tried in vain waits up to three seconds before the next time.
const (
	stillCome = 500 * time.Millisecond // after the last one that was found others count as on their way
	crowdCome = 3 * time.Second        // the same while more than a crowd are not heard
	crowd     = 10
)

// suspectAt is when a member that stays silent becomes suspect. One that this machine has
// not heard yet stays what it was while others still come, up to Options.Lone.
func (m *Machine) suspectAt(mem *member) time.Time {
	at := mem.heard.Add(m.patience(mem))
	if mem.expected {
		come := m.found.Add(stillCome)
		if m.Crowded() {
			come = m.found.Add(crowdCome)
		}
		at = latest(at, earliest(come, mem.heard.Add(m.opts.Lone)))
	}
	return at
}

// Crowded reports whether many members are to be heard for the first time.
func (m *Machine) Crowded() bool { return m.expected > crowd }

// expect notes whether a member is to be heard for the first time.
func (m *Machine) expect(mem *member, expected bool) {
	switch {
	case expected == mem.expected:
		return
	case expected:
		m.expected++
	default:
		m.expected--
	}
	mem.expected = expected
}

const (
	// lossy is the share of lost beats from which a path counts as bad.
	lossy = 0.03
	// advisedPart of the usual patience is left once the bus saw the connection
	// end.
	advisedPart = 0.5
)

// patience is the silence after which a member is suspect: when phi reaches 8, and
// at the latest after Options.Silence, as much longer as the hub itself is slow.
func (m *Machine) patience(mem *member) time.Duration {
	bound := m.opts.Silence
	if mem.stream.rhythm.loss > lossy {
		bound += bound / 2
	}
	bound = min(bound, mem.stream.rhythm.patience())
	if mem.advised.After(mem.heard) {
		bound = time.Duration(float64(bound) * advisedPart)
	}
	return time.Duration(float64(bound) * m.local.multiplier(m.now))
}

// runningProbe lets the hub look at each member now and then, so that there is evidence
// before it is needed.
func (m *Machine) runningProbe(mem *member) {
	if m.opts.ProbeEvery < 0 || !mem.visible() || lost(mem.record.Health) {
		mem.nextProbe = time.Time{}
		return
	}
	every := m.probeEvery()
	if mem.nextProbe.IsZero() {
		mem.nextProbe = m.now.Add(time.Duration(hash(mem.name) % uint64(every)))
	}
	if mem.nextProbe.After(m.now) {
		return
	}
	mem.nextProbe = m.now.Add(every)
	if mem.inquiry == nil {
		m.askProbe(mem, []string{hubVantage})
	}
}

func (m *Machine) probeEvery() time.Duration {
	return max(m.opts.ProbeEvery, time.Duration(len(m.names))*10*time.Millisecond)
}

// realSilence says once that a masked member is silent underneath its mask.
func (m *Machine) realSilence(mem *member) {
	if mem.mask == "" || mem.flagged || mem.stream.count == 0 {
		return
	}
	if silence := m.now.Sub(mem.stream.heard); silence >= m.patience(mem) {
		m.realFault(mem, fmt.Sprintf("silent %s underneath the mask", seconds(silence)))
	}
}

func (m *Machine) realFault(mem *member, reason string) {
	mem.flagged = true
	m.emit(RealFault{Member: mem.name, Operation: mem.mask, Reason: reason})
}

// move changes a member's health and says so. t brings To and what the caller
// knows of the group; the rest is filled in.
func (m *Machine) move(mem *member, t Transition, name, reason string) {
	t.Member, t.From = mem.name, mem.record.Health
	if !MayFollow(t.From, t.To) {
		m.broken = fmt.Errorf("member %s: no edge from %v to %v", mem.name, t.From, t.To)
	}
	mem.judged, m.looks = true, nil
	mem.record.Health, mem.record.Verdict, mem.record.Reason = t.To, name, reason
	mem.record.Since = m.now.UTC().Round(0)
	t.Record, t.Withdrawn = mem.record, Withdrawn(mem.record)
	t.DwellFactor, _ = m.dwellFactor(mem)
	t.Evidence = m.Evidence(m.now, mem.name)
	m.emit(t)
}

func (m *Machine) update(mem *member) {
	mem.judged = true
	m.emit(Updated{Record: mem.record, Withdrawn: Withdrawn(mem.record)})
}

// told reports whether an effect of this Step already carries the record.
func (m *Machine) told(mem *member) bool {
	for _, e := range m.out {
		switch e := e.(type) {
		case Transition:
			if e.Record == mem.record {
				return true
			}
		case Updated:
			if e.Record == mem.record {
				return true
			}
		}
	}
	return false
}

// advisedEvery bounds how often a member that connects over and over is looked at for it.
const advisedEvery = time.Second

// disconnected halves the patience with a member until it beats again, and looks at once.
func (m *Machine) disconnected(name string) {
	mem, ok := m.members[name]
	if !ok || mem.mask != "" || !m.watched(mem) {
		return
	}
	again := m.now.Sub(mem.advised) < advisedEvery
	mem.advised = m.now
	if mem.visible() && mem.inquiry == nil && !again {
		m.askProbe(mem, []string{hubVantage})
	}
	m.judge(mem)
}

// goodbye takes the member's own word that it stops.
func (m *Machine) goodbye(name string, incarnation federation.Incarnation) {
	mem, ok := m.members[name]
	if !ok || incarnation < mem.stream.incarnation || incarnation == mem.stream.incarnation && mem.stream.gone {
		return
	}
	mem.stream.incarnation = incarnation
	m.sayGoodbye(mem)
	m.schedule(mem)
}

func (m *Machine) sayGoodbye(mem *member) {
	mem.stream.gone = true
	if mem.mask != "" {
		m.realFault(mem, "said goodbye underneath the mask")
		return
	}
	if !m.watched(mem) {
		return
	}
	m.endInquiry(mem)
	mem.record.Incarnation = mem.stream.incarnation
	mem.factor, mem.absent = 1, nil
	m.move(mem, Transition{To: federation.Unreachable, Goodbye: true, Domain: "member=" + mem.name}, NameUnreachable, "said goodbye")
}

// fence notes that a lost member runs nothing that must run once.
func (m *Machine) fence(ev FenceProven) {
	mem, ok := m.members[ev.Member]
	if ok && mem.record.Health == federation.Unreachable {
		m.move(mem, Transition{To: federation.Fenced}, NameUnreachable, ev.Reason)
	}
}

// seconds writes a duration for people: "1.3 s".
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
