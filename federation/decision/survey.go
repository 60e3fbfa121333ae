package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// Times of the survey of round trips.
const (
	surveyEvery = 10 * time.Second // for one pair of regions, where there are few
	surveyPace  = time.Second      // between two looks at least
	surveyOld   = 2 * time.Hour    // an older figure says nothing
	surveyLimit = 2 * time.Second  // for one look
)

// surveySamples is the number of looks of which the shortest counts: whatever
// disturbs a look makes it longer.
const surveySamples = 5

// survey measures the way between each two regions that have members: a member of
// one looks at the API server of a member of the other, all in turn.
type survey struct {
	nextAt time.Time
	turn   int
	trips  map[regions]*trip
}

// regions is a pair, in alphabetical order.
type regions struct{ a, b string }

func pairOf(a, b string) regions { return regions{min(a, b), max(a, b)} }

// trip is what was measured between two regions.
type trip struct {
	samples []look    // the newest ones
	at      time.Time // of the newest
}

// look is one figure: from one member to another.
type look struct {
	from, to string
	took     time.Duration
	least    time.Duration // that light needs between these two
}

// shortest is the sample that counts, the newest of equal ones.
func (t *trip) shortest() look {
	best := t.samples[0]
	for _, l := range t.samples {
		if l.took <= best.took {
			best = l
		}
	}
	return best
}

// believed says that the figure can be true. What is faster than light is between
// members that are nearer to each other than they say, on one machine for example.
func (l look) believed() bool { return l.took >= l.least }

// stepSurvey has the next pair looked at when its time has come.
func (m *Machine) stepSurvey() {
	if m.now.Before(m.survey.nextAt) {
		return
	}
	byRegion := m.surveyed()
	names := sortedNames(byRegion)
	pairs := len(names) * (len(names) - 1) / 2
	if pairs == 0 {
		m.survey.nextAt = m.now.Add(surveyEvery)
		return
	}
	m.survey.nextAt = m.now.Add(max(surveyPace, surveyEvery/time.Duration(pairs)))
	turn, round := m.survey.turn%pairs, m.survey.turn/pairs
	m.survey.turn++
	i := 0
	for turn >= len(names)-1-i {
		turn -= len(names) - 1 - i
		i++
	}
	from, to := byRegion[names[i]], byRegion[names[i+1+turn]]
	if round%2 == 1 {
		from, to = to, from
	}
	at := to[round%len(to)]
	m.emit(Survey{
		Vantage: from[round%len(from)].name, Member: at.name, URL: at.spec.stored.ProbeURL, CA: at.spec.stored.ProbeCA, Timeout: surveyLimit,
	})
}

// surveyed lists by region the members that can look and be looked at.
func (m *Machine) surveyed() map[string][]*member {
	byRegion := map[string][]*member{}
	for _, name := range sortedNames(m.members) {
		mem := m.members[name]
		if region := mem.spec.stored.Place.Region; region != "" && mem.verdict.Health == federation.Healthy && mem.spec.stored.ProbeURL != "" {
			byRegion[region] = append(byRegion[region], mem)
		}
	}
	return byRegion
}

// measured takes the time of one look.
func (m *Machine) measured(ev Measured) {
	from, to := m.members[ev.Vantage], m.members[ev.Member]
	if from == nil || to == nil || ev.RoundTrip <= 0 {
		return
	}
	a, b := catalogue.Resolve(from.spec.stored.Place), catalogue.Resolve(to.spec.stored.Place)
	if a.Region == "" || b.Region == "" || a.Region == b.Region {
		return
	}
	t := m.survey.trips[pairOf(a.Region, b.Region)]
	if t == nil {
		t = &trip{}
		m.survey.trips[pairOf(a.Region, b.Region)] = t
	}
	if len(t.samples) == surveySamples {
		t.samples = t.samples[1:]
	}
	t.samples = append(t.samples, look{ev.Vantage, ev.Member, ev.RoundTrip, catalogue.LightTime(a, b)})
	t.at = m.now
}

// roundTrips lists what is known between regions, in ms and in both directions.
func (m *Machine) roundTrips() map[string]map[string]float64 {
	out := map[string]map[string]float64{}
	put := func(a, b string, ms float64) {
		if out[a] == nil {
			out[a] = map[string]float64{}
		}
		out[a][b] = ms
	}
	for pair, t := range m.survey.trips {
		if best := t.shortest(); best.believed() && m.now.Sub(t.at) < surveyOld {
			ms := float64(best.took.Microseconds()) / 1000
			put(pair.a, pair.b, ms)
			put(pair.b, pair.a, ms)
		}
	}
	return out
}

// ways describes the round trips of a member's region, for people.
func (m *Machine) ways(region string) []federation.Evidence {
	var out []federation.Evidence
	for pair, t := range m.survey.trips {
		if pair.a != region && pair.b != region {
			continue
		}
		other := pair.a
		if other == region {
			other = pair.b
		}
		best := t.shortest()
		e := federation.Evidence{
			Observer: best.from, What: "way to " + other, Signal: federation.Green, Age: m.now.Sub(t.at),
			Detail: fmt.Sprintf("round trip %s, from %s to %s", rounded(best.took), best.from, best.to),
		}
		if !best.believed() {
			e.Signal = federation.Absent
			e.Detail += fmt.Sprintf(": not believed, light needs %s between these places; the estimate stands", rounded(best.least))
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b federation.Evidence) int { return cmp.Compare(a.What, b.What) })
	return out
}

func rounded(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Microsecond)
}
