package membership

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// opinionHolds is for how long the last word of another hub counts; it speaks four
	// times a second.
	opinionHolds = time.Second
	// remembered is for how long a hub that is silent counts as one that there is.
	remembered = 10 * time.Minute
)

// OpinionArrived: what another hub, which does not lead, hears of the members. The
// caller has checked that it came from a hub.
type OpinionArrived struct{ Opinion federation.Opinion }

// HeardBefore says when members that were silent when this machine was made were heard
// last. It counts for those that this machine has not heard itself.
type HeardBefore struct{ At map[string]time.Time }

func (OpinionArrived) event() {}
func (HeardBefore) event()    {}

// Roster remembers which hubs there are, by when each was heard. The zero value has
// heard of none.
type Roster struct{ heard map[string]time.Time }

// Hear notes that a hub spoke.
func (r *Roster) Hear(now time.Time, hub string) {
	if r.heard == nil {
		r.heard = map[string]time.Time{}
	}
	if hub != "" && now.After(r.heard[hub]) {
		r.heard[hub] = now
	}
}

// Count is how many hubs there are: self, and those heard in the last ten minutes.
func (r *Roster) Count(now time.Time, self string) int64 {
	count := int64(1)
	for hub, at := range r.heard {
		if hub != self && now.Sub(at) < remembered {
			count++
		}
	}
	return count
}

// Clone returns a copy.
func (r *Roster) Clone() Roster { return Roster{heard: maps.Clone(r.heard)} }

// replica is the last word of another hub.
type replica struct {
	opinion federation.Opinion
	at      time.Time
}

// current reports whether the word still counts.
func (r replica) current(now time.Time) bool { return now.Sub(r.at) < opinionHolds }

// opinion takes the word of another hub, unless it is late. Silent members are looked at
// again: it may be what their verdict waits for.
func (m *Machine) opinion(o federation.Opinion) {
	if old, known := m.replicas[o.Hub]; o.Hub == "" || known && old.current(m.now) && o.Sequence <= old.opinion.Sequence {
		return
	}
	if m.replicas == nil {
		m.replicas = map[string]replica{}
	}
	m.replicas[o.Hub] = replica{opinion: o, at: m.now}
	maps.DeleteFunc(m.replicas, func(_ string, r replica) bool { return m.now.Sub(r.at) > remembered })
	for _, name := range m.names {
		if mem := m.members[name]; mem.inquiry != nil && mem.inquiry.ready {
			m.judge(mem)
		}
	}
}

// heardBefore lets the silence of members count from when they were heard last. All are
// suspect before anybody is asked, so that none of them is.
func (m *Machine) heardBefore(at map[string]time.Time) {
	var silent []*member
	for _, name := range m.names {
		mem, heard := m.members[name], at[name]
		if heard.IsZero() || mem.mask != "" || mem.stream.count > 0 || !heard.Before(mem.heard) {
			continue
		}
		mem.heard = heard
		if m.watched(mem) { // whoever listened has suspected it, and may have had an advisory
			m.fallSilent(mem)
		}
		silent = append(silent, mem)
	}
	for _, mem := range silent {
		m.judge(mem)
	}
}

// voices lists the other hubs whose word counts now, sorted by what people call them.
func (m *Machine) voices(now time.Time) []replica {
	var out []replica
	for _, r := range m.replicas {
		if r.current(now) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b replica) int {
		return cmp.Or(strings.Compare(a.opinion.Name, b.opinion.Name), strings.Compare(a.opinion.Hub, b.opinion.Hub))
	})
	return out
}

// hearers are the other hubs to which a silent member speaks: they hear its beats, or its
// API server or its agent answers them. Under a mask nobody hears it.
func (m *Machine) hearers(mem *member) (names []string, outvoted bool) {
	if mem.mask != "" {
		return nil, false
	}
	voices := m.voices(m.now)
	for _, r := range voices {
		if line, unwell := r.opinion.Of(mem.name); !unwell || !line.Silent || line.API == federation.Green || line.Agent == federation.Green {
			names = append(names, r.opinion.Name)
		}
	}
	silent := 1 + len(voices) - len(names) // this hub is one
	return names, 2*silent <= 1+len(voices)
}

// outvoted tells the row of a member that is lost in the eyes of this hub, but not in
// those of most hubs, and reports whether it is one.
func (m *Machine) outvoted(mem *member) bool {
	names, outvoted := m.hearers(mem)
	if outvoted && !returning(mem.record.Health) {
		m.renameSilent(mem, NameHubIsolated, m.silenceText(mem)+mem.inquiry.reason+"; heard by "+strings.Join(names, ", "))
	}
	return outvoted
}

// opinions is what each other hub says of a member.
func (m *Machine) opinions(now time.Time, mem *member) []federation.Evidence {
	var out []federation.Evidence
	for _, r := range m.voices(now) {
		observer := hubVantage + "/" + r.opinion.Name
		line, unwell := r.opinion.Of(mem.name)
		beat := federation.Evidence{Observer: observer, What: "beat", Signal: federation.Green, Age: now.Sub(r.at)}
		switch {
		case !unwell:
			beat.Detail = fmt.Sprintf("hears it; term %d", r.opinion.Term)
		default:
			beat.Detail = fmt.Sprintf("%s; term %d", opinionText(line), r.opinion.Term)
			beat.Age += max(0, line.HeardAge)
		}
		if line.Silent {
			beat.Signal = federation.Red
		}
		out = append(out, beat)
		look := func(what string, signal federation.Signal) {
			if signal != federation.Absent {
				out = append(out, federation.Evidence{Observer: observer, What: what, Signal: signal, Age: now.Sub(r.at), Detail: "looked at from there"})
			}
		}
		look("api", line.API)
		look("agent", line.Agent)
	}
	return out
}

func opinionText(line federation.MemberOpinion) string {
	text := line.Health.String()
	if line.Verdict != "" && line.Verdict != text {
		text += " [" + line.Verdict + "]"
	}
	if line.Reason != "" {
		text += ": " + line.Reason
	}
	return text
}
