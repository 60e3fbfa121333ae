package membership

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// beat takes a heartbeat: refuses what is late, double or replayed, notes what it
// says of others, and, unless a mask covers the member, acts on it.
func (m *Machine) beat(b federation.Beat) {
	mem, ok := m.members[b.Member]
	if !ok || m.echo.age(m.now, b) > replayAge {
		return
	}
	found := mem.stream.count == 0
	if !mem.stream.take(m.now, b) {
		return
	}
	if found {
		m.found = m.now
		m.expect(mem, false)
	}
	mem.stream.deaf = m.deaf(mem, b)
	mem.flagged = false
	m.announce(mem, b.IngressAt)
	if mem.mask == "" {
		m.peers(mem, b)
	}
	switch {
	case b.Goodbye:
		m.sayGoodbye(mem)
	case mem.mask == "":
		mem.heard = m.now
		m.alive(mem)
	case unasked(mem):
		m.fallSilent(mem)
	}
	m.schedule(mem)
}

// deaf reports whether a member that beats has heard nothing of a hub that spoke.
func (m *Machine) deaf(mem *member, b federation.Beat) bool {
	e := &m.echo
	if e.began.IsZero() || b.HubSequence != 0 && b.HubAge < deafAge {
		return false
	}
	since := latest(latest(e.began, mem.added), latest(m.local.ended, mem.stream.began))
	spoke := e.sent[e.last%echoes].at
	return m.now.Sub(since) >= deafGrace && m.now.Sub(spoke) < deafAge/2
}

// alive acts on a beat that counts.
func (m *Machine) alive(mem *member) {
	silent := mem.inquiry != nil
	m.endInquiry(mem)
	fresh := mem.record.Incarnation != mem.stream.incarnation
	mem.record.Incarnation = mem.stream.incarnation
	seen := m.rowOf(mem)
	switch h := mem.record.Health; {
	case h == federation.Joining:
		m.join(mem, seen)
	case lost(h):
		m.comeBack(mem, "beats again")
	case returning(h) && fresh && h != federation.Returning:
		m.comeBack(mem, fmt.Sprintf("started again as incarnation %d", mem.record.Incarnation))
	case returning(h):
		m.proceed(mem, seen, silent)
	default:
		m.settleRow(mem, seen)
	}
	if fresh && mem.record.Health != federation.Joining && !m.told(mem) {
		m.update(mem)
	}
}

// join makes a joining member healthy with its second beat, once its API server
// is seen to answer; a site that cannot tell has to beat for two seconds.
func (m *Machine) join(mem *member, seen string) {
	api := m.apiOf(mem)
	if seen == NameHealthy && (api == federation.Green && mem.stream.count >= 2 || m.now.Sub(mem.stream.began) >= rowHolds) {
		m.move(mem, Transition{To: federation.Healthy}, NameHealthy, "joined: beats, and its API server answers")
	}
}

// settleRow follows the truth table while a member beats. What was silent is back
// in the row it had before.
func (m *Machine) settleRow(mem *member, seen string) {
	changed := mem.row.see(m.now, seen)
	name := mem.row.settled
	to := healthOfBeating(name)
	switch {
	case mem.record.Health == federation.Suspect:
		m.move(mem, Transition{To: to}, name, "beats again before a verdict")
	case to != mem.record.Health:
		m.move(mem, Transition{To: to}, name, m.reasonOfRow(mem, name))
	case changed || mem.record.Verdict != name:
		mem.record.Verdict, mem.record.Reason = name, m.reasonOfRow(mem, name)
		m.update(mem)
	}
}

func (m *Machine) reasonOfRow(mem *member, name string) string {
	switch name {
	case NameAPIDown:
		return fmt.Sprintf("beats, but its API server did not answer for %s", seconds(rowHolds))
	case NameIngressDown:
		return fmt.Sprintf("beats, but its ingress was not reached for %s", seconds(rowHolds))
	case NameDegraded:
		return fmt.Sprintf("beats, but neither API server nor ingress answered for %s", seconds(rowHolds))
	case NameCommandLost:
		return fmt.Sprintf("beats, but hears nothing of the hub for %s", seconds(deafAge))
	}
	return "beats, and its API server answers"
}

// rowOf is the row of the truth table that a beating member shows now.
func (m *Machine) rowOf(mem *member) string {
	return nameOfBeating(m.apiOf(mem), m.ingressOf(mem), mem.stream.deaf)
}

// apiOf is what is known of the API server of a member that beats: its own agent
// is nearest; where it cannot tell, those who looked.
func (m *Machine) apiOf(mem *member) federation.Signal {
	l := mem.stream.layers
	switch {
	case l.API == federation.Red || l.Etcd == federation.Red:
		return federation.Red
	case l.API == federation.Green:
		return federation.Green
	}
	result := federation.Absent
	for _, s := range mem.api {
		switch {
		case m.now.Sub(s.at) > 3*m.probeEvery():
		case s.signal == federation.Green:
			return federation.Green
		case s.signal == federation.Red:
			result = federation.Red
		}
	}
	return result
}

// quorum reports whether at least four fifths agree.
func quorum(agree, all int) bool { return all > 0 && 5*agree >= 4*all }

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
