package membership

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// together is how close in time members fall that belong to one set.
	together = 300 * time.Millisecond
	// longestFall bounds how long a set stays open for more.
	longestFall = time.Second
	// straggle is how long the ready ones of a set wait for those whose inquiry
	// is still open.
	straggle = 500 * time.Millisecond
)

// fall is a set of members that fell silent together. It is open while members
// keep joining; then it is judged as a set, so that a lost region is one verdict.
type fall struct {
	first, last time.Time
	names       []string // still silent, sorted
}

func (m *Machine) joinFall(mem *member) *fall {
	if m.falling == nil || m.now.After(m.falling.closes()) {
		m.falling = &fall{first: m.now}
	}
	f := m.falling
	f.last = m.now
	if at, found := slices.BinarySearch(f.names, mem.name); !found {
		f.names = slices.Insert(f.names, at, mem.name)
	}
	return f
}

func (f *fall) leave(name string) {
	if at, found := slices.BinarySearch(f.names, name); found {
		f.names = slices.Delete(f.names, at, at+1)
	}
}

// closes is when the set is complete.
func (f *fall) closes() time.Time {
	return earliest(f.last.Add(together), f.first.Add(longestFall))
}

// due is when the set wants to be looked at next; zero when it waits for answers
// only.
func (f *fall) due(now time.Time) time.Time {
	for _, t := range []time.Time{f.closes(), f.closes().Add(straggle)} {
		if t.After(now) {
			return t
		}
	}
	return time.Time{}
}

// decide gives the verdict on all members of a complete set that are ready, and are not
// heard by most of the other hubs.
func (m *Machine) decide(f *fall) {
	if m.now.Before(f.closes()) {
		return
	}
	var ready []string
	for _, name := range f.names {
		i := m.members[name].inquiry
		if i.open && !i.ready && m.now.Before(f.closes().Add(straggle)) {
			return
		}
		if i.ready && !m.outvoted(m.members[name]) {
			ready = append(ready, name)
		}
	}
	if len(ready) == 0 {
		return
	}
	domain := m.explain(ready)
	group, suffix := ready, ""
	if len(ready) == 1 {
		group = nil
	} else {
		suffix = fmt.Sprintf("; fell together with %d others", len(ready)-1)
	}
	for _, name := range ready {
		m.verdict(m.members[name], Transition{To: federation.Unreachable, Group: group, Domain: domain}, suffix)
	}
}

func (m *Machine) verdict(mem *member, t Transition, suffix string) {
	reason := m.silenceText(mem) + mem.inquiry.reason + suffix
	m.endInquiry(mem)
	if mem.mask == "" {
		mem.fell = append(mem.fell, m.now)
	}
	m.move(mem, t, NameUnreachable, reason)
	m.judge(mem)
}

// explain names the smallest failure domain that all of the members share.
func (m *Machine) explain(names []string) string {
	if len(names) == 1 {
		return "member=" + names[0]
	}
	first := m.members[names[0]].spec.Place
	zone, region, provider := first.Zone != "", first.Region != "", first.Provider != ""
	for _, name := range names[1:] {
		p := m.members[name].spec.Place
		region = region && p.Region == first.Region
		zone = zone && region && p.Zone == first.Zone
		provider = provider && p.Provider == first.Provider
	}
	switch {
	case zone:
		return "zone=" + first.Zone
	case region:
		return "region=" + first.Region
	case provider:
		return "provider=" + first.Provider
	}
	return ""
}
