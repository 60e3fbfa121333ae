package placement

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/federation"
)

// constraint is one spread constraint with the domains that the candidates of
// an attempt fall into.
type constraint struct {
	by             string
	min, max, skew int64
	soft           bool
	top            *topology
	slots          []int32 // value of the topology → index in domains + 1; 0 without one
	lacking        int32   // the same for members without a value
	domains        []domain
	ranking        []int32 // domains by preference
	largest        []int32 // domains by room
	low            int64   // smallest count of a chosen domain; −1 when it must be sought
}

// domain is one value of a constraint's key, for example one region.
type domain struct {
	id     int32 // in the topology
	cap    int64 // replicas that its candidates may have at most
	base   int64 // replicas that run there
	count  int64 // replicas given so far
	score  int64 // of its best candidate
	hash   uint64
	must   bool // has what must not leave, or is needed near users
	chosen bool
}

// readConstraints translates the placement's constraints. AtMostOne implies one
// more: a single member.
func (r *run) readConstraints() {
	n := 0
	for _, s := range r.spec.Spread {
		n = r.addConstraint(n, s)
	}
	if r.spec.Failover.Continuity == federation.AtMostOne {
		n = r.addConstraint(n, federation.SpreadConstraint{By: "member", Max: 1})
	}
	r.constraints = r.constraints[:n]
}

func (r *run) addConstraint(n int, s federation.SpreadConstraint) int {
	if n < cap(r.constraints) {
		r.constraints = r.constraints[:n+1]
	} else {
		r.constraints = append(r.constraints[:n], constraint{})
	}
	c := &r.constraints[n]
	c.ungroup() // of an earlier request
	c.by, c.min, c.max, c.skew = s.By, s.Min, s.Max, s.MaxSkew
	c.soft = s.WhenUnsatisfiable == "ScheduleAnyway"
	c.top = r.p.topology(s.By)
	if len(c.slots) < len(c.top.names) {
		c.slots = make([]int32, len(c.top.names))
	}
	return n + 1
}

// group sorts the candidates of the attempt into the constraint's domains and
// notes each candidate's domain under index k.
func (r *run) group(k int) {
	c := &r.constraints[k]
	c.ungroup()
	for _, i := range r.active {
		cand := &r.cands[i]
		at := c.domainAt(r, c.top.of[cand.member])
		cand.dom[k] = at
		c.domains[at].add(r, cand)
	}
}

// ungroup forgets the domains.
func (c *constraint) ungroup() {
	for i := range c.domains {
		if id := c.domains[i].id; id >= 0 {
			c.slots[id] = 0
		}
	}
	c.domains, c.lacking = c.domains[:0], 0
}

// domainAt returns the index of the domain of value id. Members without a value,
// which only soft constraints let pass, share one domain.
func (c *constraint) domainAt(r *run, id int32) int32 {
	slot := &c.lacking
	if id >= 0 {
		slot = &c.slots[id]
	}
	if *slot == 0 {
		c.domains = append(c.domains, domain{id: id, score: -1, hash: mix(r.hash, uint64(id+1))})
		*slot = int32(len(c.domains))
	}
	return *slot - 1
}

func (d *domain) add(r *run, c *candidate) {
	d.cap = min(d.cap+c.cap, MaxReplicas*2)
	d.base += c.base
	d.score = max(d.score, c.score)
	d.must = d.must || c.must || c.base > 0 || (!r.divided() && r.stays(c))
}

// selectDomains chooses the domains of constraint k, and takes the candidates of
// the others out of the attempt (a soft constraint only prefers). It returns the
// rule that cannot be kept, with its numbers, or "".
//
// The law: domains in which replicas run come first; then the best score, as
// long as the chosen ones can hold the workload within maxSkew. As many are
// chosen as max allows (with Aggregated: as few as min allows and hold it).
func (r *run) selectDomains(k int) string {
	c := &r.constraints[k]
	r.group(k)
	if broken := r.tooFew(c); broken != "" && !c.soft {
		return broken
	}
	if c.max == 0 && c.skew == 0 && r.by != "Aggregated" {
		for i := range c.domains {
			c.domains[i].chosen = true
		}
		return ""
	}
	c.rankDomains()
	r.choose(c)
	if c.soft {
		return ""
	}
	kept := r.active[:0]
	for _, i := range r.active {
		cand := &r.cands[i]
		if c.domains[cand.dom[k]].chosen {
			kept = append(kept, i)
		} else {
			cand.in, cand.n = false, 0
		}
	}
	r.active = kept
	return ""
}

// tooFew explains why the constraint's min cannot be reached.
func (r *run) tooFew(c *constraint) string {
	have := int64(len(c.domains))
	if have < c.min {
		return fmt.Sprintf("spread by %s: min %d, but only %d %s eligible%s", c.by, c.min, have, plural(have, "value is", "values are"), c.list())
	}
	if r.divided() && r.want/r.block() < c.min {
		return fmt.Sprintf("spread by %s: min %d, but %d %s of at least %d each reach only %d", c.by, c.min,
			r.want, plural(r.want, "replica", "replicas"), r.block(), r.want/r.block())
	}
	return ""
}

// rankDomains orders the domains by preference.
func (c *constraint) rankDomains() {
	c.ranking, c.largest = c.ranking[:0], c.largest[:0]
	for i := range c.domains {
		c.ranking = append(c.ranking, int32(i))
	}
	slices.SortFunc(c.ranking, func(a, b int32) int { return c.domains[a].compare(&c.domains[b]) })
}

// rankRooms orders the domains by room, once for each ranking.
func (c *constraint) rankRooms() {
	if len(c.largest) > 0 {
		return
	}
	c.largest = append(c.largest, c.ranking...)
	slices.SortStableFunc(c.largest, func(a, b int32) int { return cmp.Compare(c.domains[b].cap, c.domains[a].cap) })
}

// compare orders domains: those that must be in, by what runs there, then by
// score, then by rendezvous.
func (d *domain) compare(o *domain) int {
	switch {
	case d.must != o.must:
		return first(d.must)
	case d.base != o.base:
		return first(d.base > o.base)
	case d.score != o.score:
		return first(d.score > o.score)
	case d.hash != o.hash:
		return first(d.hash > o.hash)
	}
	return cmp.Compare(d.id, o.id)
}

func first(yes bool) int {
	if yes {
		return -1
	}
	return 1
}

// choose marks the chosen domains.
func (r *run) choose(c *constraint) {
	most := int64(len(c.domains))
	if c.max > 0 {
		most = min(most, c.max)
	}
	if !r.divided() {
		c.greedy(most, 0)
		return
	}
	most = min(most, max(r.want/r.block(), 1))
	least := min(max(c.min, c.musts(), 1), most)
	bestK, bestRoom := most, int64(-1)
	for step := range most - least + 1 {
		k := most - step
		if r.by == "Aggregated" {
			k = least + step
		}
		room := c.greedy(k, r.want)
		if room >= r.want {
			return
		}
		if room > bestRoom {
			bestK, bestRoom = k, room
		}
	}
	c.greedy(bestK, r.want)
}

// musts counts the domains that must be in.
func (c *constraint) musts() int64 {
	var n int64
	for i := range c.domains {
		if c.domains[i].must {
			n++
		}
	}
	return n
}

// greedy chooses k domains and returns how many replicas they hold. It goes down
// the ranking and takes a domain if the rest of the k can be filled up so that
// want replicas fit; when no k domains hold want, it takes the k that hold most.
//
// When the first k hold want, they are the result: with the largest in the place of
// some of them there would be no less room.
func (c *constraint) greedy(k, want int64) int64 {
	if room := c.first(k); room >= want {
		return room
	}
	c.rankRooms()
	for i := range c.domains {
		c.domains[i].chosen = false
	}
	var taken int64
	for _, i := range c.ranking[:min(k, int64(len(c.ranking)))] {
		if c.domains[i].must {
			c.domains[i].chosen = true
			taken++
		}
	}
	if best := c.roomWith(k - taken); best < want {
		want = -1
	}
	for _, i := range c.pick(want) {
		if taken == k {
			break
		}
		if c.domains[i].chosen {
			continue
		}
		c.domains[i].chosen = true
		taken++
		if want > 0 && c.roomWith(k-taken) < want {
			c.domains[i].chosen = false
			taken--
		}
	}
	return c.roomWith(0)
}

// first chooses the k that rank first, and returns how many replicas they hold.
func (c *constraint) first(k int64) int64 {
	for rank, i := range c.ranking {
		c.domains[i].chosen = int64(rank) < k
	}
	return c.roomWith(0)
}

// pick is the order in which to try domains: by preference, or by room when what
// is wanted does not fit anyway (want below 0).
func (c *constraint) pick(want int64) []int32 {
	if want < 0 {
		return c.largest
	}
	return c.ranking
}

// roomWith returns how many replicas the chosen domains and the more largest
// others hold within maxSkew: with L the smallest room of one of them, each
// holds at most L + maxSkew.
func (c *constraint) roomWith(more int64) int64 {
	least := int64(MaxReplicas * 2)
	c.eachOf(more, func(d *domain) { least = min(least, d.cap) })
	var room int64
	c.eachOf(more, func(d *domain) {
		if c.skew > 0 {
			room += min(d.cap, least+c.skew)
		} else {
			room += d.cap
		}
	})
	return room
}

func (c *constraint) eachOf(more int64, f func(*domain)) {
	for i := range c.domains {
		if c.domains[i].chosen {
			f(&c.domains[i])
		}
	}
	for _, i := range c.largest {
		if more <= 0 {
			return
		}
		if !c.domains[i].chosen {
			f(&c.domains[i])
			more--
		}
	}
}

// lowest is the smallest count of a chosen domain, remembered until a count
// changes.
func (c *constraint) lowest() int64 {
	if c.low >= 0 {
		return c.low
	}
	c.low = MaxReplicas * 2
	for i := range c.domains {
		if d := &c.domains[i]; d.chosen {
			c.low = min(c.low, d.count)
		}
	}
	return c.low
}

// used is the number of domains that have replicas.
func (c *constraint) used() int64 {
	var n int64
	for i := range c.domains {
		if c.domains[i].count > 0 {
			n++
		}
	}
	return n
}

func (c *constraint) name(d *domain) string {
	if d.id < 0 {
		return "(none)"
	}
	return c.top.names[d.id]
}

// list names the domains, for messages: " (eu-central, us-east)".
func (c *constraint) list() string {
	if len(c.domains) == 0 {
		return ""
	}
	names := make([]string, 0, len(c.domains))
	for i := range c.domains {
		names = append(names, c.name(&c.domains[i]))
	}
	slices.Sort(names)
	return " (" + joinFew(names) + ")"
}
