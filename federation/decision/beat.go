package decision

import (
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// A beat for each member is most of what a hub does when nothing happens. Where there are
// many, one of which nothing has changed hears only some of them: it counts the hub as
// silent after two seconds.
const (
	everyBeat  = 200 // members that all hear every beat; twice as many every second
	seldomBeat = 3   // and more every third
)

// ownPart is what a member heard of itself last.
type ownPart struct {
	line  federation.MemberBeat // without the age, which always changes
	looks []federation.Look
}

// hearers lists the members that hear this beat: those of which something has changed, and
// the others in turn.
func (m *Machine) hearers(e SendHubBeat) []string {
	m.turn++
	turns := min(1+len(e.Beat.Members)/everyBeat, seldomBeat)
	out := make([]string, 0, len(e.Beat.Members))
	for i, line := range e.Beat.Members {
		mem := m.members[line.Member]
		line.HeardAge = 0
		now := ownPart{line: line, looks: e.Looks[line.Member]}
		changed := now.line != mem.lastPart.line || !slices.Equal(now.looks, mem.lastPart.looks)
		if mem.lastPart = now; changed || line.Masked || (i+m.turn)%turns == 0 {
			out = append(out, line.Member)
		}
	}
	return out
}
