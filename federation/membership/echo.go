package membership

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// echoes is how many of the hub's beats are remembered.
	echoes = 64
	// replayAge is the age from which a beat is a replay of the past.
	replayAge = 2 * time.Second
	// deafAge is for how long a member that beats may have heard nothing of the
	// hub before it counts as deaf.
	deafAge = 2 * time.Second
	// deafGrace is for how long hub and member must have talked before silence
	// of the hub can be held against the path.
	deafGrace = 3 * time.Second
)

// echo remembers when the hub's own beats went out. A member's beat says which
// one it heard last and how long ago, both clocks only measuring durations; so
// its age is known without comparing clocks. The zero value knows nothing.
type echo struct {
	sent  [echoes]sent
	last  uint64
	began time.Time
}

type sent struct {
	sequence uint64
	at       time.Time
}

func (e *echo) send(now time.Time, sequence uint64) {
	if sequence <= e.last {
		return
	}
	if e.began.IsZero() {
		e.began = now
	}
	e.last = sequence
	e.sent[sequence%echoes] = sent{sequence: sequence, at: now}
}

// age is how old a beat is at least; 0 when nothing is known.
func (e *echo) age(now time.Time, b federation.Beat) time.Duration {
	if e.began.IsZero() || b.HubSequence == 0 || b.HubSequence > e.last {
		return 0
	}
	s := e.sent[b.HubSequence%echoes]
	switch {
	case s.sequence == b.HubSequence:
		return max(0, now.Sub(s.at)-b.HubAge)
	case b.HubSequence+echoes <= e.last:
		return max(0, now.Sub(e.oldestAt())-b.HubAge)
	}
	return 0
}

// Said is when the hub's beat of that sequence went out, if it is remembered.
func (m *Machine) Said(sequence uint64) (time.Time, bool) {
	s := m.echo.sent[sequence%echoes]
	return s.at, s.sequence == sequence && sequence != 0
}

// oldestAt is when the first of the remembered beats went out.
func (e *echo) oldestAt() time.Time {
	at := e.sent[e.last%echoes].at
	for _, s := range e.sent {
		if s.sequence != 0 && s.at.Before(at) {
			at = s.at
		}
	}
	return at
}
