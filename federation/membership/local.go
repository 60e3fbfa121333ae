package membership

import "time"

const (
	// lateness is by how much the machine may be called late before it takes
	// that as a stall of the hub.
	lateness = 200 * time.Millisecond
	// stallUnit is how much stall raises the multiplier by one.
	stallUnit = 500 * time.Millisecond
	// mostMultiplier bounds it, as Lifeguard does.
	mostMultiplier = 8.0
	// silentAfter is for how long after a stall the hub does not vote: the beats
	// that waited are still being read.
	silentAfter = time.Second
)

// local is the hub's own health: a hub that does not run in time judges others
// slower, and for a while not at all. The zero value is well.
type local struct {
	ended  time.Time // of the last stall
	excess float64   // multiplier − 1 at ended; it falls by one a second
}

// stall notes that the hub did not run for d until now and returns the part of it
// that was not known yet.
func (l *local) stall(now time.Time, d time.Duration) time.Duration {
	from := now.Add(-d)
	if !l.ended.IsZero() && from.Before(l.ended) {
		from = l.ended
	}
	fresh := now.Sub(from)
	if fresh <= 0 {
		return 0
	}
	l.excess = min(mostMultiplier, l.multiplier(now)+float64(fresh)/float64(stallUnit)) - 1
	l.ended = now
	return fresh
}

// multiplier is what thresholds are multiplied by, 1 to 8.
func (l *local) multiplier(now time.Time) float64 {
	if l.excess <= 0 {
		return 1
	}
	return 1 + max(0, l.excess-now.Sub(l.ended).Seconds())
}

// votesFrom is when the hub may vote again; zero when it always could.
func (l *local) votesFrom() time.Time {
	if l.ended.IsZero() {
		return time.Time{}
	}
	return l.ended.Add(silentAfter)
}
