package lease

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// TTL of a grant.
	TTL = 15 * time.Second
	// RenewEvery is how often the holder asks again.
	RenewEvery = TTL / 5
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
	return sent.Add(ttl*(100-drift)/100 - StopTime)
}

// FreeAt is from when another member may run the workload, after a grant that was
// answered at answered.
func FreeAt(answered time.Time, ttl time.Duration) time.Time {
	return answered.Add(ttl*(100+drift)/100 + slack)
}

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

// Renew answers a claim, given who the workload is assigned to. It reports whether
// it was granted; the grant says why not.
func (g *Grants) Renew(now time.Time, c, assigned Claim) (federation.Grant, bool) {
	if c != assigned {
		return federation.Grant{Denied: fmt.Sprintf("%s belongs to %s under epoch %d, not to %s under epoch %d",
			c.Workload, assigned.Member, assigned.Epoch, c.Member, c.Epoch)}, false
	}
	h, ok := g.held[c.Workload]
	if ok && h.member != c.Member && now.Before(h.free) {
		return federation.Grant{Denied: fmt.Sprintf("%s may still run in %s for %s",
			c.Workload, h.name(), h.free.Sub(now).Round(100*time.Millisecond))}, false
	}
	g.hold(c.Workload, held{member: c.Member, epoch: c.Epoch, free: FreeAt(now, TTL)})
	return federation.Grant{TTL: TTL}, true
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

// FreeAt is from when a member other than the holder may run the workload; false
// when any may at once.
func (g *Grants) FreeAt(k federation.Key) (time.Time, bool) {
	h, ok := g.held[k]
	return h.free, ok
}

// Prove ends the holder's grant: it said that nothing of the workload runs any
// more. The caller knows that this was said after the last grant was answered, as
// it is when one member's requests are answered one after the other.
func (g *Grants) Prove(now time.Time, c Claim) {
	h, ok := g.held[c.Workload]
	if ok && h.member == c.Member && h.epoch <= c.Epoch && now.Before(h.free) {
		delete(g.held, c.Workload)
	}
}

// Forget drops what is known of a workload that no longer exists.
func (g *Grants) Forget(k federation.Key) { delete(g.held, k) }

// Assume lets a new hub act as if an earlier one had answered just now. With an
// empty member nobody may run the workload until that has run out.
func (g *Grants) Assume(now time.Time, c Claim) {
	g.hold(c.Workload, held{member: c.Member, epoch: c.Epoch, free: FreeAt(now, TTL)})
}

// Hold is the member's half for one workload. The zero value may not run it.
type Hold struct {
	sent time.Time
	stop time.Time
}

// Answered takes the answer to a renewal that was sent at sent. A denial ends the
// right at once; answers that come out of order do no harm.
func (h *Hold) Answered(sent time.Time, g federation.Grant) {
	switch {
	case sent.Before(h.sent):
	case g.Denied != "":
		*h = Hold{sent: sent}
	default:
		*h = Hold{sent: sent, stop: StopAt(sent, g.TTL)}
	}
}

// MayRun reports whether the workload may run at now.
func (h *Hold) MayRun(now time.Time) bool { return now.Before(h.stop) }

// StopAt is when it has to begin to stop; zero when it may not run.
func (h *Hold) StopAt() time.Time { return h.stop }
