package hub

import (
	"time"

	"github.com/hansa-io/hansa/federation/decision"
)

// takeover is how a term began: what each phase took is told in the log and in the metrics.
// Most of it, after a leader was lost, is the store's own: until it has let the lease go,
// and has elected a leader for each bucket.
type takeover struct {
	heard time.Time       // the last word of another hub that led; zero: there was none
	taken time.Time       // the hub had the lease
	read  time.Time       // it had read everything
	last  decision.Source // what it had to wait for
	told  bool
}

// takesOver begins one: the hub has the lease now.
func (h *Hub) takesOver(now time.Time) takeover {
	t := takeover{taken: now}
	if heard := h.heard.Swap(nil); heard != nil {
		t.heard = *heard
	}
	return t
}

// has notes that everything is read.
func (t *takeover) has(now time.Time, last decision.Source) { t.read, t.last = now, last }

// acts tells, once, that the hub has begun to decide.
func (l *leadership) acts() {
	t := &l.takeover
	if t.told || t.read.IsZero() {
		return
	}
	t.told = true
	now := time.Now()
	attrs := []any{"read", t.read.Sub(t.taken), "last", t.last, "act", now.Sub(t.read)}
	if !t.heard.IsZero() {
		attrs = append([]any{"lease", t.taken.Sub(t.heard)}, attrs...)
		l.hub.metrics.took("lease", t.taken.Sub(t.heard))
	}
	l.hub.metrics.took("read", t.read.Sub(t.taken))
	l.hub.metrics.took("act", now.Sub(t.read))
	l.log.Info("deciding", attrs...)
}

// took measures a phase of a takeover.
func (m *metrics) took(phase string, d time.Duration) {
	m.takeover.WithLabelValues(phase).Observe(d.Seconds())
}
