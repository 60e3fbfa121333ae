package lease

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// The classes of leases: how long a grant lasts, and with it how soon another
// member may take over, and how long the hub may be away before the workload stops.
const (
	Fast     = "Fast"     // 15 s; the default
	Balanced = "Balanced" // 90 s
	// Manual leases do not end: nobody takes over before the holder is fenced, and
	// the holder goes on however long the hub is away.
	Manual = "Manual"
)

// Forever is the length of a Manual grant.
const Forever = 100 * 365 * 24 * time.Hour

// TTL is the length of a grant of the class; what is no class counts as Fast.
func TTL(class string) time.Duration {
	switch class {
	case Balanced:
		return 90 * time.Second
	case Manual:
		return Forever
	}
	return 15 * time.Second
}

// RenewEvery is how often the holder of a grant that lasts ttl asks again; 0 is that
// of one who has none. A Manual one only wants to hear when it is over.
func RenewEvery(ttl time.Duration) time.Duration {
	if ttl == 0 || ttl >= Forever {
		ttl = TTL(Fast)
	}
	return ttl / 5
}

const (
	// StopTime is what a pod may need to stop.
	StopTime = 5 * time.Second
	// drift is how unequally two clocks may run, in parts of a hundred.
	drift = 1
	// slack is kept by the hub beyond drift.
	slack = 500 * time.Millisecond
)

// StopAt is when a holder begins to stop, that sent the request at sent: early
// enough to be done when the grant ends by any clock.
func StopAt(sent time.Time, ttl time.Duration) time.Time {
	return sent.Add(ttl - drifted(ttl) - StopTime)
}

// FreeAt is from when another member may run the workload, after a grant that was
// answered at answered.
func FreeAt(answered time.Time, ttl time.Duration) time.Time {
	return answered.Add(ttl + drifted(ttl) + slack)
}

func drifted(ttl time.Duration) time.Duration { return ttl / 100 * drift }

// Claim is one member's wish to run one workload under one epoch.
type Claim struct {
	Workload federation.Key
	Member   string
	Epoch    federation.Epoch
}

// Grants is the hub's half: who may run what. The zero value is a hub that never
// granted anything; one that restarts has to Assume.
type Grants struct{ held map[federation.Key]held }

type held struct {
	member string // empty: whoever it was
	epoch  federation.Epoch
	free   time.Time
}

// Renew answers a claim to run the workload for ttl, given who it is assigned to. It
// reports whether it was granted; the grant says why not.
func (g *Grants) Renew(now time.Time, c, assigned Claim, ttl time.Duration) (federation.Grant, bool) {
	if c != assigned {
		return federation.Grant{Denied: fmt.Sprintf("%s belongs to %s under epoch %d, not to %s under epoch %d",
			c.Workload, assigned.Member, assigned.Epoch, c.Member, c.Epoch)}, false
	}
	h, ok := g.held[c.Workload]
	if ok && h.member != c.Member && now.Before(h.free) {
		return federation.Grant{Denied: fmt.Sprintf("%s may still run in %s %s", c.Workload, h.name(), h.until(now))}, false
	}
	g.hold(c.Workload, held{member: c.Member, epoch: c.Epoch, free: FreeAt(now, ttl)})
	return federation.Grant{TTL: ttl}, true
}

// farOff tells a lease that ends from a Manual one.
const farOff = Forever / 2

func (h held) until(now time.Time) string {
	if left := h.free.Sub(now); left < farOff {
		return "for " + left.Round(100*time.Millisecond).String()
	}
	return "until that is fenced: hansa fence member=NAME"
}

func (h held) name() string {
	if h.member == "" {
		return "another member"
	}
	return h.member
}

func (g *Grants) hold(k federation.Key, h held) {
	if g.held == nil {
		g.held = map[federation.Key]held{}
	}
	g.held[k] = h
}

// Prove ends the holder's grant: it said that nothing of the workload runs any more.
// The caller knows that it asked for its last grant before it said so, and that it
// does not use a grant that it asked for before.
func (g *Grants) Prove(c Claim) {
	h, ok := g.held[c.Workload]
	if ok && h.member == c.Member && h.epoch <= c.Epoch {
		delete(g.held, c.Workload)
	}
}

// Orphan notes that nobody can be asked any more who had a member's grants: it left, and
// the next one under its name is another cluster.
func (g *Grants) Orphan(member string) {
	for k, h := range g.held {
		if h.member == member {
			h.member = ""
			g.held[k] = h
		}
	}
}

// Forget drops what is known of a workload that no longer exists.
func (g *Grants) Forget(k federation.Key) { delete(g.held, k) }

// Assume lets a new hub act as if an earlier one had granted ttl just now. With an
// empty member nobody may run the workload until that has run out.
func (g *Grants) Assume(now time.Time, c Claim, ttl time.Duration) {
	g.hold(c.Workload, held{member: c.Member, epoch: c.Epoch, free: FreeAt(now, ttl)})
}

// Holder says who may run the workload, and from when another may; the name is empty
// when it is not known who.
func (g *Grants) Holder(k federation.Key) (member string, free time.Time, held bool) {
	h, ok := g.held[k]
	return h.member, h.free, ok
}

// Hold is the member's half for one workload. The zero value may not run it.
type Hold struct {
	sent time.Time
	stop time.Time
	ttl  time.Duration
}

// Answered takes the answer to a renewal that was sent at sent. A denial ends the
// right at once; answers that come out of order do no harm.
func (h *Hold) Answered(sent time.Time, g federation.Grant) {
	switch {
	case sent.Before(h.sent):
	case g.Denied != "":
		*h = Hold{sent: sent}
	default:
		*h = Hold{sent: sent, stop: StopAt(sent, g.TTL), ttl: g.TTL}
	}
}

// Resumed is the hold of one that restarts and knows what it had, by its own clock of now:
// a grant of ttl, and when it has to begin to stop.
func Resumed(ttl time.Duration, stop time.Time) Hold { return Hold{stop: stop, ttl: ttl} }

// TTL is that of its grant; 0 when it has none.
func (h *Hold) TTL() time.Duration { return h.ttl }

// MayRun reports whether the workload may run at now.
func (h *Hold) MayRun(now time.Time) bool { return h.Endless() || now.Before(h.stop) }

// StopAt is when it has to begin to stop; zero when it may not run, or need not stop.
func (h *Hold) StopAt() time.Time {
	if h.Endless() {
		return time.Time{}
	}
	return h.stop
}

// RenewEvery is how often it asks again.
func (h *Hold) RenewEvery() time.Duration { return RenewEvery(h.ttl) }

// Endless says that it is a Manual one.
func (h *Hold) Endless() bool { return h.ttl >= Forever }
