package placement

// narrowFrom is the number of members from which narrowing pays. A variable, so
// that tests narrow small worlds.
var narrowFrom = 256

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
	c.ungroup()
	r.sumDomains(c)
	if int64(len(c.domains)) < max(c.min, 1) {
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
}

// narrows reports a request that one hard constraint with a max decides.
func (r *run) narrows() bool {
	switch {
	case len(r.constraints) != 1 || r.req.Explain || r.block() > 1 || r.scratch.count() < narrowFrom:
		return false
	case len(r.spec.Members.Groups) > 0 || r.spec.Geo.MaxLatency > 0 || survivalKey(r.spec.Failover.Survive) != "":
		return false
	}
	c := &r.constraints[0]
	return !c.soft && c.max > 0
}

// sumDomains adds up what each domain's candidates would hold. Where a member's
// score follows from its load alone, only the domain's best load is translated.
func (r *run) sumDomains(c *constraint) {
	t, most := r.fits, r.mostEach()
	r.scratch.each(func(i int32) {
		switch {
		case r.running[i] >= 0:
			r.sumCandidate(c, i)
			return
		case !r.open.has(i):
			return
		}
		fits := r.p.fit(t, i)
		limit := min(fits, most)
		if limit == 0 {
			return
		}
		d := &c.domains[c.domainOf(r, i)]
		d.cap = min(d.cap+limit, MaxReplicas*2)
		if fits >= r.want {
			d.free = max(d.free, r.p.loads[i].percent)
		} else {
			d.score = max(d.score, r.scoreOf(i, fits))
		}
	})
	for i := range c.domains {
		if d := &c.domains[i]; d.free >= 0 {
			d.score = max(d.score, r.commonScore(d.free))
		}
	}
}

// sumCandidate adds member i, in which the workload runs, to its domain.
func (r *run) sumCandidate(c *constraint, i int32) {
	r.addCandidate(i)
	for k := range r.cands {
		c.domains[c.domainOf(r, i)].add(r, &r.cands[k])
	}
	r.cands = r.cands[:0]
}
