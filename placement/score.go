package placement

import (
	"fmt"
	"math"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// scoring is one score in use.
type scoring struct {
	name   string
	plain  plainScore
	weight float64
	value  func(r *run, i int32, fits int64) float64 // 0 to 100
}

// plainScore marks the scores whose usual value needs no call.
type plainScore uint8

const (
	plainNone plainScore = iota
	plainBalance
	plainHeadroom
	plainStay
)

var plainScores = map[string]plainScore{"balance": plainBalance, "headroom": plainHeadroom, "stay": plainStay}

// user is one place of users with its part of all of them.
type user struct {
	at    string
	share float64   // of 1
	ms    []float64 // round trip by member; +Inf where not known
}

// latencyHorizon is the round trip in ms at which the latency score reaches 0.
const latencyHorizon = 300.0

// The scores' values; see the package doc for their meaning.
var builtin = map[string]func(*run, int32, int64) float64{
	"latency":  scoreLatency,
	"affinity": scoreAffinity,
	"balance":  scoreBalance,
	"headroom": scoreHeadroom,
	"stay":     scoreStay,
	"taint":    scoreTaint,
}

// Builtin reports whether the engine computes the score of that name itself.
func Builtin(score string) bool { return builtin[score] != nil }

// scoreNames is the order of the scores in explanations.
var scoreNames = []string{"latency", "affinity", "taint", "balance", "headroom", "stay"}

// readScoring collects the scores with a weight: the defaults, changed by name
// by what the placement says, and every other name as an external score.
func (r *run) readScoring() {
	r.scoring = r.scoring[:0]
	r.readTerms()
	for _, name := range scoreNames {
		weight := r.defaultWeight(name)
		if w, ok := r.spec.Scores[name]; ok {
			weight = w
		}
		if weight > 0 {
			r.scoring = append(r.scoring, scoring{name, plainScores[name], weight, builtin[name]})
		}
	}
	r.readExternal()
	r.weights = 0
	for k := range r.scoring {
		r.weights += r.scoring[k].weight
	}
	r.readCommon()
}

// readCommon prepares the score of a member in which the workload does not run and
// fits whole, when no score asks for more than its load: most members, mostly.
func (r *run) readCommon() {
	r.scale = 100 / max(r.weights, math.SmallestNonzeroFloat64)
	r.common, r.balance, r.headroom = true, 0, 0
	for k := range r.scoring {
		switch s := &r.scoring[k]; s.plain {
		case plainBalance:
			r.balance = s.weight
		case plainHeadroom:
			r.headroom = s.weight * 100
		case plainStay:
		default:
			r.common = false
		}
	}
}

// readExternal adds the scores from outside that have a weight.
func (r *run) readExternal() {
	if len(r.spec.Scores) == 0 {
		return
	}
	for _, name := range sortedKeys(r.spec.Scores) {
		if w := r.spec.Scores[name]; builtin[name] == nil && w > 0 {
			r.scoring = append(r.scoring, scoring{name, plainNone, w, externalScore(r.p.s.external[name])})
		}
	}
}

// readTerms finds the members that each preferred term matches.
func (r *run) readTerms() {
	for k := range r.spec.Members.Preferred {
		if k == len(r.terms) {
			r.terms = append(r.terms, newBitset(len(r.p.s.members)))
		}
		r.p.s.match(r.spec.Members.Preferred[k].LabelSelector, r.terms[k])
	}
}

// defaultWeight is the weight of a score that the placement does not name. A
// score that says the same of all members has none.
func (r *run) defaultWeight(name string) float64 {
	switch name {
	case "latency":
		if len(r.users) > 0 {
			return 3
		}
		return 0
	case "affinity":
		return float64(min(len(r.spec.Members.Preferred), 1))
	case "taint":
		if r.anyPreferNoSchedule() {
			return 1
		}
		return 0
	case "stay":
		if len(r.current) == 0 {
			return 0
		}
		return 5
	}
	return 1
}

// scoreOf is the weighted mean of the scores in hundredths of points, rounded so
// that it does not depend on how a machine adds floating-point numbers. It asks
// the scores that every request has without a detour.
func (r *run) scoreOf(i int32, fits int64) int64 {
	if r.weights == 0 {
		return 0
	}
	want := r.wantIn(i)
	if r.common && r.running[i] < 0 && fits >= want {
		return r.commonScore(r.p.free[i])
	}
	var sum float64
	for k := range r.scoring {
		s := &r.scoring[k]
		switch {
		case s.plain == plainStay && r.running[i] < 0:
		case s.plain == plainHeadroom && fits >= want:
			sum += s.weight * 100
		case s.plain == plainBalance && r.running[i] <= 0:
			sum += s.weight * r.p.free[i]
		default:
			sum += s.weight * s.value(r, i, fits)
		}
	}
	return int64(sum*r.scale + 0.5)
}

// commonScore is the score of a member with that much free, in which the workload
// does not run and fits whole. It never falls as free rises.
func (r *run) commonScore(free float64) int64 {
	return int64((r.balance*free+r.headroom)*r.scale + 0.5)
}

func scoreLatency(r *run, i int32, _ int64) float64 {
	var ms float64
	for k := range r.users {
		ms += r.users[k].share * min(r.users[k].ms[i], latencyHorizon)
	}
	return 100 * (1 - ms/latencyHorizon)
}

// scoreBalance counts what the workload itself takes as free: a score must not
// fall because of the decision that it led to.
func scoreBalance(r *run, i int32, _ int64) float64 {
	own := max(r.running[i], 0)
	if own == 0 {
		return r.p.free[i]
	}
	load := r.p.loads[i]
	load.cpu += own * r.fits.need.cpu
	load.mem += own * r.fits.need.mem
	return load.freePercent(&r.p.s.members[i].Facts.Allocatable)
}

func scoreHeadroom(r *run, i int32, fits int64) float64 {
	want := r.wantIn(i)
	if fits >= want {
		return 100
	}
	return 100 * float64(fits) / float64(want)
}

func scoreStay(r *run, i int32, _ int64) float64 {
	if r.running[i] >= 0 {
		return 100
	}
	return 0
}

func scoreAffinity(r *run, i int32, _ int64) float64 {
	var have, all int64
	for k := range r.spec.Members.Preferred {
		term := &r.spec.Members.Preferred[k]
		all += term.Weight
		if r.terms[k].has(i) {
			have += term.Weight
		}
	}
	if all == 0 {
		return 50
	}
	return 100 * float64(have) / float64(all)
}

func scoreTaint(r *run, i int32, _ int64) float64 {
	bad := 0
	for _, t := range r.p.s.members[i].Spec.Taints {
		if t.Effect == federation.PreferNoSchedule && !r.tolerates(t) {
			bad++
		}
	}
	return 100 / float64(1+bad)
}

func (r *run) anyPreferNoSchedule() bool {
	return slices.ContainsFunc(r.p.s.taints, func(t taintSet) bool { return t.taint.Effect == federation.PreferNoSchedule })
}

func externalScore(byMember []float64) func(*run, int32, int64) float64 {
	return func(_ *run, i int32, _ int64) float64 {
		if byMember == nil {
			return 50
		}
		return byMember[i]
	}
}

// readUsers resolves the places of users and brings their shares to a sum of 1.
func (r *run) readUsers() error {
	r.users = r.users[:0]
	shares := r.spec.Geo.Users
	if len(r.req.Users) > 0 {
		shares = r.req.Users
		for i, u := range shares {
			if err := validateUser(u); err != nil {
				return fmt.Errorf("users[%d]: %w", i, err)
			}
		}
	}
	var sum float64
	for _, u := range shares {
		sum += u.Share
	}
	for _, u := range shares {
		r.users = append(r.users, user{at: u.At, share: u.Share / sum, ms: r.p.latenciesFrom(u.At)})
	}
	return nil
}
