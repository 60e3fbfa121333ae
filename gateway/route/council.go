package route

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// leaderSilent is for how long the hub that leads must be silent before what the
	// others agree on counts: four of its beats.
	leaderSilent = time.Second
	// opinionHolds is for how long the last word of a hub counts.
	opinionHolds = time.Second
	// undecidedFor is how long a hub that begins to lead may take to judge a member
	// that the others have agreed on.
	undecidedFor = 5 * time.Second
)

// council is what the hubs say that do not lead. It matters while none leads: then the
// endpoints of a member leave the answers when most of all hubs agree that it is
// unreachable. Nothing else follows, and what the next leader says is right.
type council struct {
	hubs   int64     // how many there are, as the last leader said
	leader string    // its instance
	ledAt  time.Time // when it was first heard after a silence
	words  map[string]word
}

// word is the last one of a hub.
type word struct {
	opinion federation.Opinion
	at      time.Time
}

func (w word) current(now time.Time) bool { return now.Sub(w.at) < opinionHolds }

// led notes a beat of the hub that leads, before the table has it.
func (b *Builder) led(beat federation.HubBeat, now time.Time) {
	if b.leaderless(now) {
		b.council.ledAt = now
	}
	b.council.hubs, b.council.leader = beat.Hubs, beat.Hub
}

// leaderless reports whether the hub that led is silent.
func (b *Builder) leaderless(now time.Time) bool {
	return !b.next.BeatAt.IsZero() && now.Sub(b.next.BeatAt) >= leaderSilent
}

// undecided: a hub that has just begun to lead suspects the member too, and has no
// verdict yet.
func (b *Builder) undecided(line federation.MemberBeat, now time.Time) bool {
	return line.Health == federation.Suspect && now.Sub(b.council.ledAt) < undecidedFor
}

// SetOpinion takes the word of a hub that does not lead, unless it is late, or of a hub
// that has not heard the last leader. It reports whether the answers have changed.
func (b *Builder) SetOpinion(o federation.Opinion, now time.Time) bool {
	old, known := b.council.words[o.Hub]
	if o.Hub == "" || o.Term < b.next.Term || known && old.current(now) && o.Sequence <= old.opinion.Sequence {
		return false
	}
	if b.council.words == nil {
		b.council.words = map[string]word{}
	}
	b.council.words[o.Hub] = word{opinion: o, at: now}
	return b.leaderless(now) && b.agree(now)
}

// agree counts the words about every member, and reports whether that changed anything.
func (b *Builder) agree(now time.Time) bool {
	for hub, w := range b.council.words {
		if !w.current(now) {
			delete(b.council.words, hub)
		}
	}
	votes := map[string]int64{}
	others := int64(0) // hubs that speak, but for the one that led
	for hub, w := range b.council.words {
		if hub != b.council.leader {
			others++
		}
		for _, line := range w.opinion.Members {
			if line.Withdrawn {
				votes[line.Member]++
			}
		}
	}
	all := max(b.council.hubs, others+1, 2) // one hub alone agrees with nobody
	changed := false
	for name, m := range b.next.Members {
		if agreed := 2*votes[name] > all; agreed != m.Agreed {
			b.member(name, func(m *Member) { m.Agreed = agreed })
			changed = true
		}
	}
	return changed
}
