package decision

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

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
		if fresh(f, m.now) {
			out[name] = f.Values
		}
	}
	return out
}

// fresh says that the values count at t. One reported in the future, by a clock
// that is ahead, counts.
func fresh(f federation.Feed, t time.Time) bool {
	return t.Sub(f.ReportedAt) <= f.MaxAge
}
