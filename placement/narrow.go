package placement

import "math/bits"

// narrowFrom is the number of members from which narrowing pays.
const narrowFrom = 256

// narrowDomain is the mean number of members in a domain from which it pays.
const narrowDomain = 4

// narrow takes the members of domains that will not be chosen out of scratch, the
// set of those to list, before each of them becomes a candidate. It is the choice
// that selectDomains makes, from sums alone, and is dropped when the chosen domains
// do not hold everything: then all candidates are needed, to say what binds.
// Explanations want them all too.
func (r *run) narrow() {
	if !r.narrows() {
		return
	}
	c := &r.constraints[0]
	r.sumDomains(c)
	if len(c.domains) == 0 || r.tooFew(c) != "" {
		return
	}
	c.rankDomains()
	r.choose(c)
	if c.roomWith(0) < r.want {
		return
	}
	r.refused.clear()
	for i := range c.domains {
		if d := &c.domains[i]; d.chosen && d.id >= 0 {
			r.refused.or(c.top.sets[d.id])
		}
	}
	r.scratch.and(r.refused)
	r.p.narrowed++
}

// narrows reports a request that one hard constraint with a max decides.
func (r *run) narrows() bool {
	switch {
	case len(r.constraints) != 1 || r.own || r.req.Explain || r.block() > 1 || r.scratch.count() < r.p.narrowFrom:
		return false
	case len(r.spec.Members.Groups) > 0 || r.spec.Geo.MaxLatency > 0 || survivalKey(r.spec.Failover.Survive) != "":
		return false
	}
	c := &r.constraints[0]
	return !c.soft && c.max > 0 && len(c.top.names) <= len(c.top.of)/narrowDomain
}

// sumDomains adds up what each domain's candidates would hold.
func (r *run) sumDomains(c *constraint) {
	c.ungroup()
	others := r.refused // members in which the workload does not run
	copy(others, r.scratch)
	others.and(r.open)
	for i := range r.current {
		if at, ok := r.p.s.index[r.current[i].Member]; ok && r.scratch.has(at) {
			others.unset(at)
			r.sumCandidate(c, at)
		}
	}
	settled := c.musts() >= c.max // the workload stays in the domains where it runs
	for id := range c.top.sets {
		if settled && c.slots[id] == 0 {
			continue
		}
		sum, ok := r.wholeSum(c.top, id, others)
		if !ok {
			sum = r.sumDomain(c.top.sets[id], others, r.want)
		}
		if sum.cap == 0 {
			continue
		}
		d := &c.domains[c.domainAt(r, int32(id))]
		d.cap = min(d.cap+sum.cap, MaxReplicas*2)
		d.score = max(d.score, sum.score)
		if sum.free >= 0 {
			d.score = max(d.score, r.commonScore(sum.free))
		}
	}
}

// sumCandidate adds member i, in which the workload runs, to its domain.
func (r *run) sumCandidate(c *constraint, i int32) {
	r.addCandidate(i)
	for k := range r.cands {
		c.domains[c.domainAt(r, c.top.of[i])].add(r, &r.cands[k])
	}
	r.cands = r.cands[:0]
}

// domainSum is what the members of a domain in which the workload does not run come
// to. Where a member's score follows from its load alone, because it holds all that is
// wanted, only the best load is kept.
type domainSum struct {
	cap     int64
	score   int64   // best of those that hold less than is wanted; −1 without one
	free    float64 // percent, of the emptiest that holds it; −1 without one
	least   int64   // replicas that each of them holds
	version uint32  // of the domain's rooms
}

func (r *run) sumDomain(members, others bitset, want int64) domainSum {
	t, most, p := r.fits, r.mostEach(), r.p
	sum := domainSum{score: -1, free: -1, least: MaxReplicas}
	for w := range members {
		for word := members[w] & others[w]; word != 0; word &= word - 1 {
			i := int32(w*64 + bits.TrailingZeros64(word))
			fits := int64(t.held[i].fits)
			if t.held[i].version != p.versions[i] {
				fits = p.fit(t, i)
			}
			sum.cap += min(fits, most)
			sum.least = min(sum.least, fits)
			switch {
			case fits >= want:
				sum.free = max(sum.free, p.free[i])
			case fits > 0:
				sum.score = max(sum.score, r.scoreOf(i, fits))
			}
		}
	}
	return sum
}

// domainChanges counts the changes of room in each domain of a topology.
type domainChanges struct {
	top      *topology
	versions []uint32 // never 0
}

// wholeSum is sumDomain from memory, where it is the same for every request of this
// shape: all of the domain's members take part, and each holds what is wanted.
func (r *run) wholeSum(top *topology, id int, others bitset) (domainSum, bool) {
	if r.mostEach() < MaxReplicas {
		return domainSum{}, false
	}
	for w, word := range top.sets[id] {
		if word&^others[w] != 0 {
			return domainSum{}, false
		}
	}
	versions, sums := r.p.changesIn(top), r.fits.sumsOf(top)
	if sums[id].version != versions[id] {
		sums[id] = r.sumDomain(top.sets[id], others, 0)
		sums[id].version = versions[id]
	}
	return sums[id], sums[id].least >= r.want
}

func (p *Planner) changesIn(top *topology) []uint32 {
	for _, c := range p.changes {
		if c.top == top {
			return c.versions
		}
	}
	c := domainChanges{top, make([]uint32, len(top.names))}
	for i := range c.versions {
		c.versions[i] = 1
	}
	p.changes = append(p.changes, c)
	return c.versions
}

func (t *fitTable) sumsOf(top *topology) []domainSum {
	if t.sums == nil {
		t.sums = map[*topology][]domainSum{}
	}
	sums, ok := t.sums[top]
	if !ok {
		sums = make([]domainSum, len(top.names))
		t.sums[top] = sums
	}
	return sums
}
