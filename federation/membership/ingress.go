package membership

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// freshIngress is for how long a peer's observation counts.
	freshIngress = 5 * time.Second
	// moving is how long after a change of the place of an ingress what peers say may
	// still be about the old one.
	moving = 2 * time.Second
	// lookAround is how long ago another ingress may have been reached last: somewhat more
	// than the second between two looks, and less than rowHolds.
	lookAround = 1500 * time.Millisecond
	// longestPlace and longestDetail bound what members may say of it, in bytes.
	longestPlace  = 256
	longestDetail = 120
)

// announce takes what a member's agent says of where its ingress is. One that moves all
// the time is taken now and then: each change is stored.
func (m *Machine) announce(mem *member, at string) {
	switch {
	case at == "": // it does not know yet
		return
	case at == federation.NoIngress || len(at) > longestPlace || strings.ContainsFunc(at, unprintable):
		at = ""
	}
	if at == mem.record.Ingress || !mem.moved.IsZero() && m.now.Sub(mem.moved) < moving {
		return
	}
	mem.record.Ingress, mem.moved = at, m.now
	clear(mem.ingress)
	clear(mem.reached)
	m.looks = nil
	if mem.record.Health != federation.Joining {
		m.update(mem)
	}
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// peers notes what the member sees of the ingress of others.
func (m *Machine) peers(mem *member, b federation.Beat) {
	for _, p := range b.Peers {
		if other, ok := m.members[p.Member]; ok && other != mem {
			m.sees(other, mem.name, sighting{signal: p.Ingress, at: m.now.Add(-max(0, p.Age)), detail: p.Detail})
		}
	}
}

// sees notes what an observer saw of a member's ingress. Under a mask everybody sees red.
// That somebody does not reach it who never has says nothing of the member: the way to it
// may be closed to him, or what it announced may be wrong. Once its ingress is known as
// lost, everybody's word counts, until somebody reaches it.
func (m *Machine) sees(mem *member, observer string, s sighting) {
	if s.signal == federation.Absent || mem.record.Ingress == "" || !mem.moved.IsZero() && s.at.Before(mem.moved.Add(moving)) {
		return
	}
	s.detail = s.detail[:min(len(s.detail), longestDetail)]
	if mem.ingress == nil {
		mem.ingress, mem.reached = map[string]sighting{}, map[string]bool{}
	}
	switch {
	case mem.mask != "":
		s.signal, s.detail = federation.Red, "masked"
	case s.signal == federation.Green:
		mem.reached[observer] = true
		m.reached.add(mem.name, s.at)
	case !mem.reached[observer] && !ingressLost(mem.record):
		s.signal, s.detail = federation.Absent, "was never reached from there, so it does not count: "+s.detail
	}
	mem.ingress[observer] = s
}

// ingressLost reports whether the verdict about a member that beats says that its ingress
// does not answer.
func ingressLost(r federation.HealthRecord) bool {
	return r.Verdict == NameIngressDown || r.Verdict == NameDegraded
}

// ingressOf is what users would see of a member that beats: the peers decide, as
// a quorum; without them its own test does, and without that whether any node is
// ready.
func (m *Machine) ingressOf(mem *member) federation.Signal {
	green, red := 0, 0
	for _, s := range mem.ingress {
		switch {
		case m.now.Sub(s.at) > freshIngress:
		case s.signal == federation.Green:
			green++
		case s.signal == federation.Red:
			red++
		}
	}
	l := mem.stream.layers
	switch {
	case red >= 2 && quorum(red, red+green) && m.redDomains(mem) >= 2 && m.mayMiss(mem):
		return federation.Red
	case green > 0:
		return federation.Green
	case l.Ingress == federation.Absent && l.Nodes > 0 && l.NodesReady == 0:
		return federation.Red
	}
	return l.Ingress
}

// mayMiss reports whether it is the ingress that is not reached, and not the observers that
// reach none: some other one is reached at that time. The only one that there is may be
// missed, and so may one that already is.
func (m *Machine) mayMiss(mem *member) bool {
	at, known := m.reached.besides(mem.name)
	return !known || ingressLost(mem.record) || m.now.Sub(at) <= lookAround
}

// latestReached are the two members whose ingress was reached last. The zero value has none.
type latestReached [2]struct {
	name string
	at   time.Time
}

func (l *latestReached) add(name string, at time.Time) {
	if l[0].name != name {
		l[0], l[1] = l[1], l[0]
	}
	if l[0].name != name || at.After(l[0].at) {
		l[0].name, l[0].at = name, at
	}
}

// besides is when another ingress than that of the member was reached last.
func (l *latestReached) besides(name string) (at time.Time, known bool) {
	for _, r := range l {
		if r.name != "" && r.name != name {
			return r.at, true
		}
	}
	return time.Time{}, false
}

// redDomains counts the failure domains of the peers that fail to reach the
// ingress; with fewer than four members each peer counts.
func (m *Machine) redDomains(mem *member) int {
	domains := map[string]bool{}
	for name, s := range mem.ingress {
		if s.signal == federation.Red && m.now.Sub(s.at) <= freshIngress {
			domains[m.domainOf(name)] = true
		}
	}
	return len(domains)
}

// neighbours is how many members on the ring are looked through for one more failure
// domain; for the second one, all are.
const neighbours = 16

// lookout says who looks at whose ingress.
type lookout struct {
	by map[string][]federation.Look // by observer, sorted
	of map[string][]string          // by member that is looked at: the observers, sorted
}

// Looks says whose ingress each member is to look at, sorted. Nobody may change it.
func (m *Machine) Looks() map[string][]federation.Look { return m.lookout().by }

// lookout puts everybody on a ring, where each is looked at by those that follow it. So
// all have as much to do, and who joins or falls changes little.
func (m *Machine) lookout() *lookout {
	if m.looks != nil {
		return m.looks
	}
	m.looks = &lookout{by: map[string][]federation.Look{}, of: map[string][]string{}}
	var ring, seen []*member
	for _, name := range m.names {
		mem := m.members[name]
		if mem.record.Ingress != "" {
			seen = append(seen, mem)
		}
		if mem.beats() {
			ring = append(ring, mem)
		}
	}
	if len(seen) > 0 {
		slices.SortFunc(ring, byRing)
	}
	for _, mem := range seen {
		observers := m.onlookers(mem, ring)
		m.looks.of[mem.name] = observers
		for _, o := range observers {
			m.looks.by[o] = append(m.looks.by[o], federation.Look{Member: mem.name, IngressAt: mem.record.Ingress})
		}
	}
	return m.looks
}

func byRing(a, b *member) int { return cmp.Compare(hash(a.name), hash(b.name)) }

// onlookers are those that look at a member's ingress: as many as are asked when it falls
// silent, and of two failure domains other than its own where there are two.
func (m *Machine) onlookers(mem *member, ring []*member) []string {
	at, _ := slices.BinarySearchFunc(ring, mem, byRing)
	domains := map[string]bool{mem.domain(): true}
	var near []*member
	for i := range ring {
		other := ring[(at+i)%len(ring)]
		full := len(near) >= neighbours
		switch {
		case other == mem || full && domains[other.domain()]:
		case full && len(domains) > 2:
			return spread(near, mem.domain(), m.enough(len(near)))
		default:
			near = append(near, other)
			domains[other.domain()] = true
		}
	}
	return spread(near, mem.domain(), m.enough(len(near)))
}
