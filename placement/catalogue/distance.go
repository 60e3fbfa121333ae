package catalogue

import (
	"math"
	"time"

	"github.com/hansa-io/hansa/federation"
)

const (
	// earthRadius is the mean radius of the Earth in km (IUGG).
	earthRadius = 6371.0
	// fibreSpeed is the speed of light in km/ms in silica fibre of group index
	// 1.468, the value of common single-mode fibre at 1550 nm.
	fibreSpeed = 299.792458 / 1.468
	// routeFactor is how much longer cables are than the great circle. 1.4 puts
	// Frankfurt–Virginia, London–Frankfurt and Tokyo–Singapore within 10 ms of
	// the round trips that clouds publish between their regions. Routes with
	// detours (Europe–East Asia, anything to southern Africa) take up to twice
	// the estimate; measured figures replace it where there are any.
	routeFactor = 1.4
	// fixedDelay is what routers and the last mile add to a round trip.
	fixedDelay = 2 * time.Millisecond
)

// Distance returns the great-circle distance in km by the haversine formula,
// within 0.5 % of the ellipsoid's. It is 0 when either place has no coordinates;
// ask Located first.
func Distance(a, b federation.Place) float64 {
	if !a.Located() || !b.Located() {
		return 0
	}
	const rad = math.Pi / 180
	la, lb := a.Latitude*rad, b.Latitude*rad
	sinLat := math.Sin((lb - la) / 2)
	sinLong := math.Sin((b.Longitude - a.Longitude) * rad / 2)
	h := sinLat*sinLat + math.Cos(la)*math.Cos(lb)*sinLong*sinLong
	return 2 * earthRadius * math.Asin(math.Sqrt(min(1, h)))
}

// Latency estimates the round trip between two places:
//
//	2 ms + 2 × distance × 1.4 / (c / 1.468)
//
// which is about 1.37 ms for each 100 km. It is 0 when either place has no
// coordinates.
func Latency(a, b federation.Place) time.Duration {
	if !a.Located() || !b.Located() {
		return 0
	}
	ms := 2 * Distance(a, b) * routeFactor / fibreSpeed
	return fixedDelay + time.Duration(math.Round(ms*1000))*time.Microsecond
}

// LightTime is the least that a round trip between two places can take: twice the
// great circle at the speed of light in vacuum. It is 0 when either place has no
// coordinates.
func LightTime(a, b federation.Place) time.Duration {
	const vacuum = 299.792458 // km per ms
	return time.Duration(2 * Distance(a, b) / vacuum * float64(time.Millisecond))
}

// Nearest returns the index of the place of among that is nearest to p, the
// first one of equally near ones; −1 when p or all of them have no coordinates.
func Nearest(p federation.Place, among []federation.Place) int {
	best, bestKm := -1, math.Inf(1)
	if !p.Located() {
		return best
	}
	for i, q := range among {
		if !q.Located() {
			continue
		}
		if km := Distance(p, q); km < bestKm {
			best, bestKm = i, km
		}
	}
	return best
}
