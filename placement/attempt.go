package placement

import "fmt"

// divideInGroups divides the replicas over the candidates, group by group, and
// leaves the result in the candidates' n.
//
// Groups with overflow form a chain with the group after them: the workload
// fills the first and spills on. A group without overflow ends its chain, and
// the next chain is an alternative to it. The chain in which the workload runs
// is asked first unless the request rebalances, then all in order; the first
// that holds everything wins, else the one that holds most.
func (r *run) divideInGroups() {
	r.best = outcome{placed: -1}
	r.tryChains()
	if r.best.placed < r.want && r.survival.frail > 0 && len(r.current) > 0 {
		r.survival.waived = true
		r.reopen()
		r.tryChains()
	}
	r.complete()
	if r.best.placed < 0 {
		r.settle()
		return
	}
	r.active = r.active[:0]
	for i := range r.cands {
		if !r.req.Explain {
			break // only explanations look at those that got nothing
		}
		r.cands[i].n = 0
	}
	for _, s := range r.bestN {
		r.cands[s.cand].n = s.n
		r.active = append(r.active, s.cand)
	}
}

// complete lets what runs move, if the request wants to be Whole and can be in no other
// way; if it cannot be at all, everything stays as it was found.
func (r *run) complete() {
	ruled := len(r.constraints) > 0 || len(r.spec.Members.Groups) > 0
	if !r.req.Whole || r.loose || !ruled || len(r.current) == 0 || max(r.best.placed, r.based()) >= r.want {
		return
	}
	if r.again(true); r.best.placed < r.want {
		r.again(false)
	}
}

// based is how many replicas stay where they run.
func (r *run) based() int64 {
	var n int64
	for i := range r.cands {
		n += r.cands[i].base
	}
	return n
}

// again tries anew, with what runs loose or not.
func (r *run) again(loose bool) {
	r.loose, r.best = loose, outcome{placed: -1}
	for i := range r.cands {
		c := &r.cands[i]
		c.base = 0
		if !r.loose || !c.open {
			c.base = min(c.runs, c.cap)
		}
	}
	r.tryChains()
}

// settle keeps what runs when a rule cannot be kept, and adds nothing.
func (r *run) settle() {
	for i := range r.cands {
		c := &r.cands[i]
		c.in, c.n = c.base > 0, c.base
	}
	r.listActive()
	r.unbound = true
	r.contract()
}

// chain is a range of groups that fill one after the other.
type chain struct{ first, last int32 }

func (r *run) tryChains() {
	if len(r.spec.Members.Groups) == 0 {
		r.tryChain(chain{})
		return
	}
	if !r.loose {
		if home, ok := r.homeChain(); ok && r.tryChain(home) {
			return
		}
	}
	for _, c := range r.chains() {
		if r.tryChain(c) {
			return
		}
	}
}

// chains lists the chains to try, in order: with overflow, first a group alone,
// then it with the next, and so on.
func (r *run) chains() []chain {
	groups := r.spec.Members.Groups
	var all []chain
	first := int32(0)
	for g := range groups {
		all = append(all, chain{first, int32(g)})
		if !groups[g].Overflow {
			first = int32(g) + 1
		}
	}
	return all
}

// homeChain is the chain that has all running replicas.
func (r *run) homeChain() (chain, bool) {
	lo, hi := int32(-1), int32(-1)
	for i := range r.cands {
		if c := &r.cands[i]; c.base > 0 {
			if lo < 0 || c.rank < lo {
				lo = c.rank
			}
			hi = max(hi, c.rank)
		}
	}
	if hi < 0 {
		return chain{}, false
	}
	for _, c := range r.chains() {
		if c.first <= lo && hi <= c.last {
			return c, true
		}
	}
	return chain{}, false
}

// tryChain attempts the division within a chain and keeps the result if it is
// the best so far. It reports whether everything found a place.
//
// With several hard constraints the domains chosen for one may be wrong for
// another; then the attempt is repeated without each of the chosen domains in
// turn. That is a heuristic: it finds nested topologies (zones of regions), not
// every solution of every set of constraints.
func (r *run) tryChain(c chain) bool {
	if r.keepBest(r.attempt(c, ban{k: -1})) {
		return true
	}
	if len(r.constraints) < 2 {
		return false
	}
	for _, b := range r.bans() {
		if r.keepBest(r.attempt(c, b)) {
			return true
		}
	}
	return false
}

// ban leaves one domain of constraint k out of an attempt.
type ban struct {
	k  int
	id int32
}

// maxBans bounds the repeated attempts.
const maxBans = 64

func (r *run) bans() []ban {
	var all []ban
	for k := range r.constraints {
		for i := range r.constraints[k].domains {
			if d := &r.constraints[k].domains[i]; d.chosen && d.base == 0 && len(all) < maxBans {
				all = append(all, ban{k, d.id})
			}
		}
	}
	return all
}

func (r *run) keepBest(o outcome) bool {
	if o.broken != "" {
		if r.best.placed < 0 && r.best.broken == "" {
			r.best.broken = o.broken
		}
		return false
	}
	if o.placed > r.best.placed {
		r.best = o
		r.bestN = r.bestN[:0]
		for _, i := range r.active {
			if n := r.cands[i].n; n > 0 {
				r.bestN = append(r.bestN, share{i, n})
			}
		}
	}
	return o.placed >= r.want
}

// attempt chooses domains and divides within one chain of groups.
func (r *run) attempt(c chain, b ban) outcome {
	r.enter(c, b)
	if broken := r.coverUsers(); broken != "" {
		return outcome{broken: broken}
	}
	for k := range r.constraints {
		if broken := r.selectDomains(k); broken != "" {
			return outcome{broken: broken}
		}
	}
	r.weighDemand()
	r.recount()
	r.contract()
	r.buildCells()
	r.seed()
	r.award()
	return r.judge()
}

// enter lets the chain's candidates take part, with what runs there.
func (r *run) enter(c chain, b ban) {
	r.active = r.active[:0]
	for i := range r.cands {
		cand := &r.cands[i]
		cand.in = c.first <= cand.rank && cand.rank <= c.last && (cand.base > 0 || (cand.open && cand.cap > 0))
		cand.must = false
		if b.k >= 0 && r.constraints[b.k].top.of[cand.member] == b.id && cand.base == 0 {
			cand.in = false
		}
		cand.n = 0
		if cand.in {
			cand.n = cand.base
			r.active = append(r.active, int32(i))
		}
	}
}

// coverUsers marks a candidate near each place of users that no running replica
// covers: geo.maxLatency bounds the way from every place to its nearest member.
// When none is near enough it returns that rule, unless the workload runs
// already: then a longer way beats no replica.
func (r *run) coverUsers() string {
	if r.spec.Geo.MaxLatency <= 0 {
		return ""
	}
	limit := milliseconds(r.spec.Geo.MaxLatency.D())
	for u := range r.users {
		best := -1
		covered := false
		for _, i := range r.active {
			c := &r.cands[i]
			if r.users[u].ms[c.member] > limit {
				continue
			}
			covered = covered || c.base > 0 || c.must
			if best < 0 || c.score > r.cands[best].score {
				best = int(i)
			}
		}
		switch {
		case covered:
		case best >= 0:
			r.cands[best].must = true
		case len(r.current) == 0:
			return fmt.Sprintf("geo.maxLatency %s: no eligible member is that near to the users at %s%s", r.spec.Geo.MaxLatency, r.users[u].at, r.nearestTo(u))
		}
	}
	return ""
}

// weighDemand gives each place of users' share to the nearest candidate; those
// that are nearest to nobody take only what the others cannot hold.
func (r *run) weighDemand() {
	if r.by != "Demand" {
		return
	}
	for _, i := range r.active {
		r.cands[i].weight = 0
	}
	for u := range r.users {
		best := -1
		for _, i := range r.active {
			if best < 0 || r.users[u].ms[r.cands[i].member] < r.users[u].ms[r.cands[best].member] {
				best = int(i)
			}
		}
		if best >= 0 {
			r.cands[best].weight += int64(r.users[u].share * MaxReplicas)
		}
	}
}

// judge tells what the attempt came to.
func (r *run) judge() outcome {
	var o outcome
	for _, i := range r.active {
		o.placed += r.cands[i].n
	}
	for k := range r.constraints {
		c := &r.constraints[k]
		if used := c.used(); !c.soft && used < c.min {
			o.broken = fmt.Sprintf("spread by %s: min %d, but room was found in only %d", c.by, c.min, used)
		}
	}
	return o
}

// duplicateInGroups puts the workload into every candidate of the first group
// that has one, as far as the spread constraints' max allows. maxSkew does not
// apply: all members run the same number.
func (r *run) duplicateInGroups() {
	groups := max(len(r.spec.Members.Groups), 1)
	for g := range groups {
		r.best = r.duplicate(int32(g))
		if r.best.broken == "" && r.best.placed > 0 {
			return
		}
	}
	for i := range r.cands {
		r.cands[i].in = r.stays(&r.cands[i])
		r.copies(&r.cands[i])
	}
	r.listActive()
}

func (r *run) duplicate(rank int32) outcome {
	for i := range r.cands {
		c := &r.cands[i]
		c.in = r.stays(c) || (c.rank == rank && c.open && c.cap >= r.wantIn(c.member))
		c.must, c.n = false, 0
	}
	r.listActive()
	if broken := r.coverUsers(); broken != "" {
		return outcome{broken: broken}
	}
	for k := range r.constraints {
		if broken := r.selectDomains(k); broken != "" {
			return outcome{broken: broken}
		}
	}
	var o outcome
	for _, i := range r.active {
		r.copies(&r.cands[i])
		o.placed++
	}
	if by := r.spec.Failover.Survive; by != "" && by != "None" && len(r.current) == 0 && r.domainsIn(by) < 2 {
		o.broken = fmt.Sprintf("survive %s: needs eligible members in at least 2 of them, has %d", by, r.domainsIn(by))
	}
	return o
}

// copies sets the replicas of one duplicate, at most what fits.
func (r *run) copies(c *candidate) {
	c.n = 0
	if c.in && r.req.Demand.Replicated {
		c.n = min(r.wantIn(c.member), max(c.cap, r.running[c.member]))
	}
}

// stays reports a duplicate that runs already and may stay.
func (r *run) stays(c *candidate) bool {
	return r.running[c.member] >= 0 && r.keep.has(c.member)
}

// rankGroups gives every candidate the index of the first group it is in.
func (r *run) rankGroups() {
	for g := len(r.spec.Members.Groups) - 1; g >= 0; g-- {
		r.p.s.match(r.spec.Members.Groups[g].Members, r.scratch)
		for i := range r.cands {
			if c := &r.cands[i]; r.scratch.has(c.member) {
				c.rank = int32(g)
			}
		}
	}
}

// domainsIn counts the domains of the chosen candidates by a level of survive.
func (r *run) domainsIn(level string) int {
	top := r.p.topology(survivalKey(level))
	seen := map[int32]bool{}
	for _, i := range r.active {
		seen[top.of[r.cands[i].member]] = true
	}
	return len(seen)
}
