package lease

import "time"

// SilentFor is how long a member has heard no hub before it attests for others.
const SilentFor = 4 * time.Second

// Attested is how long a hold lasts that all peers attest, whatever its class.
func Attested() time.Duration { return TTL(Fast) }

// Attest prolongs a hold that still holds by the word of its peers, who were asked at
// sent; now is when the last of them has answered.
func (h *Hold) Attest(now, sent time.Time) {
	if stop := StopAt(sent, Attested()); h.MayRun(now) && !h.Endless() && stop.After(h.stop) {
		h.stop = stop
	}
}

// Contact is what the hub knows of one member: from when until when it attested for
// nobody, since it has heard the hub. The zero value is one that was not heard.
type Contact struct{ from, until time.Time }

// Echoed notes that the member has heard what the hub said at said, which the hub learned
// at now.
func (c *Contact) Echoed(now, said time.Time) {
	if now.After(c.until) {
		c.from = now // meanwhile it may have
	}
	if until := said.Add(SilentFor - drifted(SilentFor)); until.After(c.until) {
		c.until = until
	}
}

// Excludes reports whether nothing holds at now any more that this member attested: not
// for so long that the last has run out.
func (c Contact) Excludes(now time.Time) bool {
	return !c.from.IsZero() && !now.After(c.until) && !now.Before(FreeAt(c.from, Attested()))
}
