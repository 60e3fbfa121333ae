package placement

import (
	"math"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

func TestMeasuredRoundTripsReplaceTheEstimate(t *testing.T) {
	at := func(name, region string) Member {
		return Member{Spec: federation.MemberSpec{Name: name, Place: federation.Place{Region: region}}, Health: federation.Healthy}
	}
	w := World{
		Members:    []Member{at("frankfurt", "eu-central"), at("tokyo", "ap-northeast"), at("virginia", "us-east")},
		RoundTrips: map[string]map[string]float64{"ap-northeast": {"us-east": 150}, "us-east": {"ap-northeast": 150}},
	}
	p := NewPlanner(benchSnapshot(t, w))
	near := func(got, want float64) bool { return math.Abs(got-want) < 15 }
	for _, c := range []struct {
		at                         string
		frankfurt, tokyo, virginia float64
	}{
		{"tokyo", 129, 2, 150},       // measured to us-east only
		{"ashburn", 92, 150, 2},      // a city where a member is
		{"osaka", 129, 7, 155},       // 400 km from a member: the estimate stands
		{"35.6,139.7", 129, 2, 150},  // coordinates of Tokyo
		{"frankfurt", 2, 129, 90},    // nothing measured from there
		{"eu-central-1", 2, 129, 90}, // another cloud's name of a place beside a member
	} {
		ms := p.latenciesFrom(c.at)
		if !near(ms[0], c.frankfurt) || !near(ms[1], c.tokyo) || !near(ms[2], c.virginia) {
			t.Errorf("from %s: %.0f", c.at, ms)
		}
	}
	without := w
	without.RoundTrips = nil
	if benchSnapshot(t, w).Hash() == benchSnapshot(t, without).Hash() {
		t.Error("the hash does not tell what was measured")
	}
	scores := without
	scores.External = w.RoundTrips
	if benchSnapshot(t, w).Hash() == benchSnapshot(t, scores).Hash() {
		t.Error("the hash takes round trips for scores from outside")
	}
}
