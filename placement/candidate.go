package placement

import "slices"

// candidate is a member that may run the workload: n replicas in the end, base
// of them because they run already, never more than cap.
type candidate struct {
	member int32
	rank   int32 // group
	cell   int32
	open   bool  // takes new replicas
	in     bool  // takes part in the attempt
	must   bool  // needed near some users
	frail  bool  // its loss could not be survived
	runs   int64 // replicas that run there and could stay
	base   int64 // of them, those that do stay
	cap    int64
	fits   int64 // without the bound of replicas.max
	weight int64
	score  int64 // hundredths of points
	n      int64
	dom    [maxConstraints]int32
}

// candidates lists the members that passed, with room, weight and score.
func (r *run) candidates() {
	r.cands = r.cands[:0]
	for w := range r.open {
		r.scratch[w] = r.open[w] | r.keep[w]
	}
	if r.plain() {
		r.narrow()
		r.plainCandidates()
	} else {
		r.scratch.each(func(i int32) {
			if r.open.has(i) || r.running[i] >= 0 {
				r.addCandidate(i)
			}
		})
	}
	r.rankGroups()
	r.applySurvive()
}

// plain reports the usual request: divided by capacity, with no score that asks for
// more than a member's load, and no quota.
func (r *run) plain() bool {
	return r.common && r.weights > 0 && r.quota == nil && r.missing == "" && r.divided() && (r.by == "Capacity" || r.by == "Aggregated")
}

// plainCandidates is addCandidate for each member of scratch, written out for those
// in which the workload does not run: most of them, of which there may be many.
func (r *run) plainCandidates() {
	t, block, most := r.fits, r.block(), r.mostEach()
	r.cands = slices.Grow(r.cands, r.scratch.count())
	r.scratch.each(func(i int32) {
		switch {
		case r.running[i] >= 0:
			r.addCandidate(i)
			return
		case !r.open.has(i):
			return
		}
		fits := r.p.fit(t, i)
		if limit := min(fits, most); limit >= block {
			at := len(r.cands)
			r.cands = r.cands[:at+1]
			c := &r.cands[at] // of an earlier request: set field by field, which is less to write than the whole
			c.member, c.rank, c.open, c.frail, c.runs, c.base = i, 0, true, false, 0, 0
			c.cap, c.fits, c.weight, c.score = limit, fits, fits, r.scoreOf(i, fits)
		}
	})
}

// addCandidate lists member i unless it holds nothing and runs nothing.
func (r *run) addCandidate(i int32) {
	at := len(r.cands)
	if at == cap(r.cands) {
		r.cands = slices.Grow(r.cands, 1)
	}
	r.cands = r.cands[:at+1]
	c := &r.cands[at]
	*c = candidate{member: i, open: r.open.has(i)}
	running := max(r.running[i], 0)
	if !r.keep.has(i) {
		running = 0
	}
	if c.open {
		c.fits = running + r.fitOf(i)
	} else {
		c.fits = running
	}
	c.runs = running
	r.bound(c, running)
	if c.cap == 0 && running == 0 && (r.running[i] < 0 || r.divided()) {
		r.cands = r.cands[:at]
		return
	}
	c.score = r.scoreOf(i, c.fits)
}

// hashOf is the candidate's rank among equals: rendezvous hashing.
func (r *run) hashOf(c *candidate) uint64 { return mix(r.hash, r.p.s.hashes[c.member]) }

func (r *run) fitOf(i int32) int64 {
	if r.missing != "" {
		return 0
	}
	n := r.p.fit(r.fits, i)
	if r.quota != nil {
		n = min(n, r.quotaFit(i))
	}
	return n
}

// bound sets what may be in the member at most and what stays there.
func (r *run) bound(c *candidate, running int64) {
	c.cap = c.fits
	if !r.divided() {
		if r.req.Demand.Replicated && c.cap < r.wantIn(c.member) && running == 0 {
			c.cap = 0
		}
		return
	}
	c.cap = min(c.cap, r.mostEach())
	if c.cap < r.block() && running == 0 {
		c.cap = 0
	}
	if !r.loose || !c.open {
		c.base = min(running, c.cap)
	}
	c.weight = c.fits
	switch r.by {
	case "Static":
		c.weight = 1
		if r.static() {
			c.weight = r.staticWeight(c.member)
		}
	case "Demand":
		c.weight = 0
	}
}

// block is the number of replicas with which a member is opened.
func (r *run) block() int64 { return max(r.spec.Replicas.Min, 1) }

// mostEach is the number of replicas that a member may have.
func (r *run) mostEach() int64 {
	if most := r.spec.Replicas.Max; most > 0 {
		return most
	}
	return MaxReplicas
}
