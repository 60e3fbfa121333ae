package placement

import (
	"math"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// latenciesFrom returns the round trip from a place of users to every member: as
// measured from the region there is at that place, else estimated.
func (p *Planner) latenciesFrom(at string) []float64 {
	if ms, ok := p.latencies[at]; ok {
		return ms
	}
	ms := make([]float64, len(p.s.members))
	place, _ := catalogue.Parse(at)
	measured := p.s.world.RoundTrips[p.regionAt(place)]
	for i := range ms {
		ms[i] = math.Inf(1)
		there := p.s.members[i].Spec.Place
		if there.Located() && place.Located() {
			ms[i] = milliseconds(catalogue.Latency(place, there))
		}
		if known, ok := measured[there.Region]; ok {
			ms[i] = known
		}
	}
	p.latencies[at] = ms
	return ms
}

// sameMetro is how far users may be from a member, in km, so that what its region
// measures holds for them.
const sameMetro = 200.0

// regionAt returns the region of the member at the place, or "".
func (p *Planner) regionAt(place federation.Place) string {
	if len(p.s.world.RoundTrips) == 0 || !place.Located() {
		return ""
	}
	region, least := "", sameMetro
	for i := range p.s.members {
		there := p.s.members[i].Spec.Place
		if km := catalogue.Distance(place, there); there.Located() && there.Region != "" && km < least {
			region, least = there.Region, km
		}
	}
	return region
}

// nearestUser returns the place of users that is nearest to member i, −1 when
// none is known, and the round trip in ms.
func (r *run) nearestUser(i int32) (int, float64) {
	best, ms := -1, math.Inf(1)
	for k := range r.users {
		if r.users[k].ms[i] < ms {
			best, ms = k, r.users[k].ms[i]
		}
	}
	return best, ms
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
