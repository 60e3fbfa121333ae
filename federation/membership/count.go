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
	seen    int    // observers that say anything
	detail  string // of the first probe that failed
}

// count asks everybody's last word since the member fell silent.
func (m *Machine) count(mem *member) count {
	c := count{few: len(m.names) < few, probed: mem.probed(), domains: map[string]bool{}}
	for _, name := range append([]string{hubVantage}, m.names...) {
		m.countOne(mem, name, &c)
	}
	return c
}

// countOne adds one observer. The hub always says something: it hears no beats.
func (m *Machine) countOne(mem *member, name string, c *count) {
	api, ingress := mem.api[name], mem.ingress[name]
	if api.round != mem.inquiry.round || api.at.Before(mem.heard) {
		api.signal = federation.Absent
	}
	if !m.speaksOf(mem, ingress) {
		ingress.signal = federation.Absent
	}
	if api.signal == federation.Absent && ingress.signal == federation.Absent && (name != hubVantage || c.probed) {
		return
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
	file(ingress.signal, &c.inUp, &c.inDown)
	if c.detail == "" && api.signal == federation.Red {
		c.detail = api.detail
	}
	c.seen++
	if api.signal != federation.Green && ingress.signal != federation.Green {
		c.gone = append(c.gone, name)
		c.domains[m.domainOf(name)] = true
	}
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
// what it says is that nothing answers.
func (c count) name() string {
	ingressDown := len(c.inDown) >= 2 && quorum(len(c.inDown), len(c.inDown)+len(c.inUp))
	switch {
	case c.corroborated():
		return NameUnreachable
	case len(c.apiUp) > 0 && ingressDown:
		return NameDegraded
	case slices.Contains(c.apiUp, hubVantage):
		return NameBusLost
	case len(c.apiUp) > 0:
		return NamePathFault
	case len(c.inUp) > 0:
		return NameMgmtLost
	case c.seen > 1:
		return NamePathFault
	}
	return ""
}

// corroborated: four fifths of the observers, of two failure domains, agree that
// nothing answers, and where the API server can be looked at it was in vain.
func (c count) corroborated() bool {
	return quorum(len(c.gone), c.seen) && len(c.domains) >= 2 && (!c.probed || len(c.apiDown) > 0)
}

// text is the evidence for people, with a leading semicolon.
func (c count) text() string {
	var b strings.Builder
	say := func(names []string, what string) {
		if len(names) > 0 {
			fmt.Fprintf(&b, "; %s %s", what, strings.Join(names, ", "))
		}
	}
	say(c.apiDown, "its API server does not answer")
	if c.detail != "" {
		fmt.Fprintf(&b, " (%s)", c.detail)
	}
	say(c.apiUp, "its API server answers")
	say(c.inDown, "its ingress does not answer")
	say(c.inUp, "its ingress answers")
	if len(c.gone) < 2 && len(c.apiUp)+len(c.inUp) == 0 {
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
