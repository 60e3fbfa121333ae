package membership

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// inquiry is the asking about one silent member, in rounds. The rounds go on
// until it beats or the verdict is in, since what others see may change.
type inquiry struct {
	round    int
	began    time.Time // this round
	asked    []string  // vantages of this round
	answerBy time.Time // when the answers of this round are in at the latest
	next     time.Time // when the next round begins
	open     bool      // this round was not judged yet
	ready    bool      // the row is Unreachable; waits for the set
	reason   string    // behind ready, without the silence
	set      *fall
}

const (
	hubVantage = "hub"
	// quickRounds follow one another by roundEvery, later ones by laterEvery.
	quickRounds = 4
	roundEvery  = 500 * time.Millisecond
	laterEvery  = 2 * time.Second
	// onTheWay is what an answer may need beside the time-out of the probe.
	onTheWay = 50 * time.Millisecond
	// mostVantages is how many other members are asked at most.
	mostVantages = 5
	// few is the number of members below which there is no quorum of peers.
	few = 4
)

// fallSilent begins the inquiry about a member.
func (m *Machine) fallSilent(mem *member) {
	if mem.inquiry != nil {
		return
	}
	mem.inquiry = &inquiry{round: -1, began: m.now, next: m.now, set: m.joinFall(mem)}
	m.looks = nil
	if h := mem.record.Health; h == federation.Healthy || h == federation.Degraded {
		m.move(mem, Transition{To: federation.Suspect}, "", m.silenceText(mem))
	}
}

func (m *Machine) endInquiry(mem *member) {
	if i := mem.inquiry; i != nil {
		i.set.leave(mem.name)
		mem.inquiry, m.looks = nil, nil
	}
}

func (m *Machine) silenceText(mem *member) string {
	silence := m.now.Sub(mem.heard)
	return fmt.Sprintf("silent %s (phi %.1f)", seconds(silence), mem.stream.rhythm.phi(silence))
}

// inquire asks the next round, and judges this one when its answers are in.
func (m *Machine) inquire(mem *member) {
	i := mem.inquiry
	if !m.now.Before(i.next) {
		m.ask(mem)
	}
	if m.Stalled(m.now) {
		return
	}
	if i.open && (m.answered(mem) || !m.now.Before(i.answerBy)) {
		i.open = false
		m.nameSilent(mem)
	}
	m.decide(i.set)
}

// ask begins a round.
func (m *Machine) ask(mem *member) {
	i := mem.inquiry
	i.round++
	i.open, i.began = true, m.now
	every := laterEvery
	if i.round < quickRounds {
		every = roundEvery
	}
	i.next = m.now.Add(every)
	i.asked, i.answerBy = nil, m.now
	if !mem.visible() {
		return
	}
	i.answerBy = m.now.Add(m.opts.ProbeTimeout + onTheWay)
	others := append(m.vantages(mem), m.lookout().of[mem.name]...)
	slices.Sort(others)
	i.asked = append([]string{hubVantage}, slices.Compact(others)...)
	m.askProbe(mem, i.asked)
}

// askProbe has others look at what can be seen of a member from outside.
func (m *Machine) askProbe(mem *member, vantages []string) {
	m.emit(AskProbe{Member: mem.name, Vantages: slices.Clone(vantages), IngressAt: mem.record.Ingress, Timeout: m.opts.ProbeTimeout})
}

// enough is how many of the able members are asked: with few members all of them, else at
// most five.
func (m *Machine) enough(able int) int {
	if len(m.names) < few {
		return able
	}
	return min(able, mostVantages, len(m.names)-2)
}

// vantages chooses the members to ask, sorted, from as many failure domains other than
// the member's own as there are. Each round asks others.
func (m *Machine) vantages(mem *member) []string {
	var able []*member
	for _, name := range m.names {
		if other := m.members[name]; other != mem && other.beats() {
			able = append(able, other)
		}
	}
	salt := fmt.Sprintf("%s %d ", mem.name, mem.inquiry.round)
	rank := make(map[string]uint64, len(able))
	for _, other := range able {
		rank[other.name] = hash(salt + other.name)
	}
	slices.SortFunc(able, func(a, b *member) int {
		if rank[a.name] < rank[b.name] {
			return -1
		}
		return 1
	})
	return spread(able, mem.domain(), m.enough(len(able)))
}

// spread takes want members in their order: first one of each failure domain but
// the avoided one, then of what is left. It returns their names, sorted.
func spread(able []*member, avoid string, want int) []string {
	taken := map[string]bool{}
	domains := map[string]bool{avoid: true}
	var out []string
	for pass := range 2 {
		for _, other := range able {
			if len(out) == want || taken[other.name] || pass == 0 && domains[other.domain()] {
				continue
			}
			taken[other.name], domains[other.domain()] = true, true
			out = append(out, other.name)
		}
	}
	slices.Sort(out)
	return out
}

// answered reports whether everybody asked in this round has answered.
func (m *Machine) answered(mem *member) bool {
	looks := mem.offBus() // where only the ingress is looked at, there are no rounds
	for _, v := range mem.inquiry.asked {
		if s, ok := looks[v]; !ok || s.round != mem.inquiry.round || s.at.Before(mem.heard) {
			return false
		}
	}
	return true
}

// probeResult notes what a vantage saw. Under a mask everybody sees red.
func (m *Machine) probeResult(ev ProbeResult) {
	mem, ok := m.members[ev.Reply.Member]
	if !ok {
		return
	}
	m.sees(mem, ev.Vantage, sighting{signal: ev.Reply.Ingress, at: m.now, detail: ev.Reply.IngressDetail})
	m.seesOffBus(mem, &mem.api, ev.Vantage, sighting{signal: ev.Reply.Signal, detail: ev.Reply.Detail})
	m.seesOffBus(mem, &mem.agent, ev.Vantage, sighting{signal: ev.Reply.Agent, detail: ev.Reply.AgentDetail})
	m.judge(mem)
}

// seesOffBus notes one look at the API server, or at the agent.
func (m *Machine) seesOffBus(mem *member, of *map[string]sighting, vantage string, s sighting) {
	if s.signal == federation.Absent {
		return
	}
	s.at, s.round, s.detail = m.now, -1, s.detail[:min(len(s.detail), longestDetail)]
	if mem.mask != "" {
		s.signal, s.detail = federation.Red, "masked"
	}
	if mem.inquiry != nil {
		s.round = mem.inquiry.round
	}
	if *of == nil {
		*of = map[string]sighting{}
	}
	(*of)[vantage] = s
}

// nameSilent finds the row of a silent member from this round's answers. The
// verdict itself waits for the set; every other row is told at once.
func (m *Machine) nameSilent(mem *member) {
	i, t := mem.inquiry, m.count(mem)
	name := t.name()
	if name == "" && m.now.Sub(m.loneFrom(mem)) >= time.Duration(float64(m.opts.Lone)*m.local.multiplier(m.now)) {
		name = NameUnreachable
	}
	if name == "" && len(i.asked) > 1 && len(t.agentDown) < 2 && i.round >= quickRounds-2 {
		name = NamePathFault
	}
	unmanaged := t.unmanaged() && m.now.Sub(mem.heard) >= m.opts.Unmanaged
	i.ready = name == NameUnreachable || unmanaged
	if i.ready {
		i.reason = t.text()
		if unmanaged {
			i.reason += "; nobody could manage it for " + m.opts.Unmanaged.String()
		}
		mem.factor, mem.absent = t.dwell()
		return
	}
	if name == "" || returning(mem.record.Health) {
		return
	}
	m.renameSilent(mem, name, m.silenceText(mem)+t.text())
}

// loneFrom is from when on the silence of a member counts that nobody else can look at.
// One that this hub has not heard yet may be on its way, as long as others still come: when
// a hub begins, a thousand members need their time to connect again.
func (m *Machine) loneFrom(mem *member) time.Time {
	if mem.stream.count > 0 {
		return mem.heard
	}
	return latest(mem.heard, m.found)
}

// renameSilent tells the row of a silent member that is not lost.
func (m *Machine) renameSilent(mem *member, name, reason string) {
	to := federation.Suspect
	if name == NameDegraded {
		to = federation.Degraded
	}
	switch {
	case to != mem.record.Health:
		m.move(mem, Transition{To: to}, name, reason)
	case name != mem.record.Verdict:
		mem.record.Verdict, mem.record.Reason = name, reason
		m.update(mem)
	}
}

// inquiryDue is when the inquiry goes on.
func (m *Machine) inquiryDue(mem *member) time.Time {
	i := mem.inquiry
	due := i.next
	if i.open && i.answerBy.After(m.now) {
		due = sooner(due, i.answerBy)
	}
	if i.ready {
		due = sooner(due, i.set.due(m.now))
	}
	if m.Stalled(m.now) {
		due = latest(due, m.local.votesFrom())
	}
	return due
}

// hash is FNV-1a with a finisher, so that names that differ little are far apart.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	return h
}
