package decision

import "github.com/hansa-io/hansa/federation"

// feedChanged takes a score from outside. Nothing moves because of it: it counts
// when something is decided anyway.
func (m *Machine) feedChanged(f federation.Feed) {
	m.feeds[f.Name] = f
	m.changed()
}

func (m *Machine) feedRemoved(name string) {
	delete(m.feeds, name)
	m.changed()
}

// external lists the scores that are not too old, by name, then by member.
func (m *Machine) external() map[string]map[string]float64 {
	out := make(map[string]map[string]float64, len(m.feeds))
	for name, f := range m.feeds {
		if f.Fresh(m.now) {
			out[name] = f.Values
		}
	}
	return out
}
