package membership

import (
	"time"

	"github.com/hansa-io/hansa/federation"
)

// member is everything known of one member.
type member struct {
	name   string
	spec   federation.MemberSpec
	record federation.HealthRecord

	stream stream    // what really arrives
	heard  time.Time // last beat that counts; under a mask the last one before it
	judged bool      // this machine has changed the record by itself
	added  time.Time
	// expected: it was watched when this machine began, and has not been heard yet.
	expected bool

	mask    string // operation whose mask covers it
	flagged bool   // RealFault was said

	advised   time.Time           // bus advisory that the connection ended
	nextProbe time.Time           // the next running probe
	api       map[string]sighting // by vantage
	agent     map[string]sighting // by vantage; of the agent's own port
	ingress   map[string]sighting // by vantage
	reached   map[string]bool     // by vantage: it has reached the ingress where it is now
	moved     time.Time           // when this machine learned that the ingress is elsewhere

	row     row // of the truth table, while it beats
	inquiry *inquiry
	back    comeback
	fell    []time.Time // verdicts of the last reversalWindow; no goodbyes, no drills
	factor  float64     // DwellFactor of the last verdict
	absent  []string    // evidence that was absent then

	due   time.Time // when it wants to be looked at; zero: never
	place int       // in the heap; −1: not in it
}

// sighting is what one observer saw.
type sighting struct {
	signal federation.Signal
	at     time.Time // when it was seen, by the hub's clock
	detail string
	round  int // of the inquiry
}

// row is the row of the truth table for a member that beats. A new row has to
// hold for rowHolds before it is believed.
type row struct {
	settled   string
	candidate string
	since     time.Time // of the candidate; zero: the settled row is what is seen
}

// rowHolds is for how long a change of row must last while a member beats.
const rowHolds = 2 * time.Second

// see takes what is seen now, and reports whether the settled row changed.
func (r *row) see(now time.Time, seen string) bool {
	switch {
	case seen == r.settled:
		r.candidate, r.since = seen, time.Time{}
	case r.since.IsZero() || seen != r.candidate:
		r.candidate, r.since = seen, now
	case now.Sub(r.since) >= rowHolds:
		r.settled, r.since = seen, time.Time{}
		return true
	}
	return false
}

// reversalWindow is for how long a verdict counts as a reversal.
const reversalWindow = 10 * time.Minute

// reversals counts the verdicts of the last reversalWindow.
func (mem *member) reversals(now time.Time) int {
	for len(mem.fell) > 0 && now.Sub(mem.fell[0]) > reversalWindow {
		mem.fell = mem.fell[1:]
	}
	return len(mem.fell)
}

func (mem *member) domain() string { return Domain(mem.spec) }

// Domain is the failure domain of a member as an observer: its region, else its zone, else
// itself.
func Domain(spec federation.MemberSpec) string {
	p := spec.Place
	switch {
	case p.Region != "":
		return "region=" + p.Region
	case p.Zone != "":
		return "zone=" + p.Zone
	}
	return "member=" + spec.Name
}

// probed reports whether its API server can be looked at from outside.
func (mem *member) probed() bool { return mem.spec.ProbeURL != "" }

// visible reports whether anything of it can be looked at from outside.
func (mem *member) visible() bool {
	return mem.probed() || mem.spec.AgentAt != "" || mem.record.Ingress != ""
}

// offBus are the looks at its API server; where that cannot be looked at, those at its
// agent, which come with them otherwise. nil when neither can be.
func (mem *member) offBus() map[string]sighting {
	switch {
	case mem.probed():
		return mem.api
	case mem.spec.AgentAt != "":
		return mem.agent
	}
	return nil
}

// beats reports whether it can be used as an observer: heard, well, unmasked.
func (mem *member) beats() bool {
	return (mem.record.Health == federation.Healthy || mem.record.Health == federation.Degraded) &&
		mem.mask == "" && mem.inquiry == nil
}

// stream is what really arrives of a member, mask or not.
type stream struct {
	incarnation federation.Incarnation
	sequence    uint64
	began       time.Time // first beat of the incarnation
	heard       time.Time // last beat
	count       uint64    // beats of the incarnation that arrived
	gone        bool      // said goodbye in this incarnation
	deaf        bool
	layers      federation.Layers
	stall       time.Duration // of the agent itself
	rhythm      arrivals
}

// take accepts a beat, or reports that it is late or double.
func (s *stream) take(now time.Time, b federation.Beat) bool {
	if b.Incarnation < s.incarnation || b.Incarnation == s.incarnation && (b.Sequence <= s.sequence || s.gone) {
		return false
	}
	if b.Incarnation > s.incarnation || s.count == 0 {
		s.incarnation, s.began, s.count, s.gone = b.Incarnation, now, 0, false
		s.rhythm.forget()
	} else if now.Sub(s.heard) < rhythmGap {
		s.rhythm.add(now.Sub(s.heard), b.Sequence-s.sequence-1)
	}
	s.count++
	s.sequence, s.heard = b.Sequence, now
	s.layers, s.stall = b.Layers, b.Stall
	return true
}

// rhythmGap is the longest interval that belongs to the rhythm; a longer one was
// an outage.
const rhythmGap = 5 * time.Second
