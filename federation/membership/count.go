package membership

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// count is what the observers of a silent member say, each one once.
type count struct {
	few     bool // fewer members than a quorum of peers needs
	probed  bool // its API server can be looked at
	apiUp   []string
	apiDown []string
	inUp    []string // that reach its ingress
	inDown  []string
	gone    []string // observers to whom nothing of it answers; sorted
	domains map[string]bool
	seen    int // observers that say anything

	agentUp, agentDown []string // by whether its agent answers beside the bus

	detail string // of the first probe that failed
	agent  string // what its agent says, to the first that it answers
}

// count asks everybody's last word since the member fell silent.
func (m *Machine) count(mem *member) count {
	c := count{few: len(m.names) < few, probed: mem.probed(), domains: map[string]bool{}}
	for _, name := range append([]string{hubVantage}, m.names...) {
		m.countOne(mem, name, &c)
	}
	return c
}

// countOne adds one observer. The hub always says something: it hears no beats. That the
// agent answers is as good as that the API server does; that it does not says no more than
// the silence: a dead agent is not a dead cluster.
func (m *Machine) countOne(mem *member, name string, c *count) {
	api, agent, ingress := m.inRound(mem, mem.api[name]), m.inRound(mem, mem.agent[name]), mem.ingress[name]
	if !m.speaksOf(mem, ingress) {
		ingress.signal = federation.Absent
	}
	file := func(s federation.Signal, up, down *[]string) {
		switch s {
		case federation.Green:
			*up = append(*up, name)
		case federation.Red:
			*down = append(*down, name)
		}
	}
	file(api.signal, &c.apiUp, &c.apiDown)
	file(agent.signal, &c.agentUp, &c.agentDown)
	file(ingress.signal, &c.inUp, &c.inDown)
	if c.detail == "" && api.signal == federation.Red {
		c.detail = api.detail
	}
	if c.agent == "" && agent.signal == federation.Green {
		c.agent = agent.detail
	}
	answers := api.signal == federation.Green || agent.signal == federation.Green || ingress.signal == federation.Green
	says := answers || api.signal == federation.Red || ingress.signal == federation.Red || name == hubVantage && !c.probed
	if !says {
		return
	}
	c.seen++
	if !answers {
		c.gone = append(c.gone, name)
		c.domains[m.domainOf(name)] = true
	}
}

// inRound is a look of this round, since the last beat; anything else is absent.
func (m *Machine) inRound(mem *member, s sighting) sighting {
	if s.round != mem.inquiry.round || s.at.Before(mem.heard) {
		return sighting{}
	}
	return s
}

// speaksOf reports whether what was seen of the ingress of a silent member still counts:
// a red one since the last beat, a green one only since this round began: the member may
// have fallen since an earlier one.
func (m *Machine) speaksOf(mem *member, s sighting) bool {
	since := mem.heard
	if s.signal == federation.Green {
		since = mem.inquiry.began.Add(-1)
	}
	return s.at.After(since) && m.now.Sub(s.at) <= freshIngress
}

// domainOf is the failure domain of an observer. With few members each is one of
// its own: two vantage points replace the quorum of peers.
func (m *Machine) domainOf(observer string) string {
	if observer == hubVantage {
		return m.opts.Domain
	}
	mem, ok := m.members[observer]
	if !ok || len(m.names) < few {
		return "member=" + observer
	}
	return mem.domain()
}

// name is the row of the truth table; empty when the hub alone says anything, and
// what it says is that nothing answers. An agent that answers stands for the API server
// where that cannot be looked at; where that is down, for what cannot be managed.
func (c count) name() string {
	ingressDown := len(c.inDown) >= 2 && quorum(len(c.inDown), len(c.inDown)+len(c.inUp))
	up := c.apiUp
	if len(up) == 0 && len(c.apiDown) == 0 {
		up = c.agentUp
	}
	switch {
	case c.corroborated():
		return NameUnreachable
	case len(c.apiUp)+len(c.agentUp) > 0 && ingressDown:
		return NameDegraded
	case slices.Contains(up, hubVantage):
		return NameBusLost
	case len(up) > 0:
		return NamePathFault
	case len(c.inUp)+len(c.agentUp) > 0:
		return NameMgmtLost
	case c.seen > 1:
		return NamePathFault
	}
	return ""
}

// unmanaged: something of it answers, but nobody can order it to do anything.
func (c count) unmanaged() bool {
	name := c.name()
	return name == NameMgmtLost || name == NameDegraded && len(c.apiUp) == 0
}

// corroborated: four fifths of the observers, of two failure domains, agree that
// nothing answers, and where the API server can be looked at it was in vain.
func (c count) corroborated() bool {
	return quorum(len(c.gone), c.seen) && len(c.domains) >= 2 && (!c.probed || len(c.apiDown) > 0)
}

// text is the evidence for people, with a leading semicolon.
func (c count) text() string {
	var b strings.Builder
	say := func(names []string, what, detail string) {
		if len(names) > 0 {
			fmt.Fprintf(&b, "; %s %s", what, strings.Join(names, ", "))
		}
		if len(names) > 0 && detail != "" {
			fmt.Fprintf(&b, " (%s)", detail)
		}
	}
	say(c.apiDown, "its API server does not answer", c.detail)
	say(c.apiUp, "its API server answers", "")
	say(c.agentDown, "its agent does not answer", "")
	say(c.agentUp, "its agent answers", c.agent)
	say(c.inDown, "its ingress does not answer", "")
	say(c.inUp, "its ingress answers", "")
	switch {
	case len(c.gone) > 1 || len(c.apiUp)+len(c.agentUp)+len(c.inUp) > 0:
	case len(c.agentDown) > 1:
		b.WriteString("; nobody could look at the cluster itself")
	default:
		b.WriteString("; nobody else could look")
	}
	return b.String()
}

// dwell is by how much the dwell is lengthened, and the evidence it was absent of:
// doubled without a probe, half as long again without peers at the ingress,
// doubled when the hub is the only witness.
func (c count) dwell() (float64, []string) {
	factor, absent := 1.0, []string(nil)
	lengthen := func(by float64, what string) {
		factor *= by
		absent = append(absent, what)
	}
	if !c.probed {
		lengthen(2, "api")
	}
	if len(c.inDown)+len(c.inUp) == 0 {
		lengthen(1.5, "ingress")
	}
	if len(c.gone) < 2 {
		lengthen(2, "witness")
	}
	return factor, absent
}
