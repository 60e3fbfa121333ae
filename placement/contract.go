package placement

import "cmp"

// contract takes replicas away while there are more than wanted: first where no
// constraint breaks, from the last group, from members that take nothing new,
// and where the division would have given last. A member at replicas.min gives
// all it has, last of all.
func (r *run) contract() {
	excess := -r.want
	for _, i := range r.active {
		excess += r.cands[i].n
	}
	for excess > 0 {
		worst := int32(-1)
		for _, i := range r.active {
			if r.cands[i].n > 0 && (worst < 0 || r.givesBefore(&r.cands[i], &r.cands[worst])) {
				worst = i
			}
		}
		step := r.stepDown(&r.cands[worst])
		r.give(&r.cands[worst], -step)
		excess -= step
	}
}

func (r *run) stepDown(c *candidate) int64 {
	if c.n > r.block() {
		return 1
	}
	return c.n
}

// givesBefore orders candidates for contract.
func (r *run) givesBefore(a, b *candidate) bool {
	sa, sb := r.stepDown(a), r.stepDown(b)
	order := cmp.Or(
		cmp.Compare(r.breaks(a, sa), r.breaks(b, sb)),
		cmp.Compare(sa, sb),
		cmp.Compare(b.rank, a.rank),
		-compareBool(!a.open, !b.open),
		cmp.Compare(a.weight*(2*b.n-1), b.weight*(2*a.n-1)),
		cmp.Compare(a.score, b.score),
		cmp.Compare(r.hashOf(a), r.hashOf(b)),
	)
	return order < 0
}

// breaks counts the hard constraints that taking step replicas away would break.
func (r *run) breaks(cand *candidate, step int64) int {
	n := 0
	if r.unbound || !cand.in {
		return n
	}
	for k := range r.constraints {
		c := &r.constraints[k]
		if c.soft {
			continue
		}
		d := &c.domains[cand.dom[k]]
		left := d.count - step
		if (left == 0 && c.used() <= c.min) || (c.skew > 0 && c.highest(d)-left > c.skew) {
			n++
		}
	}
	return n
}

// highest is the largest count of a chosen domain other than but.
func (c *constraint) highest(but *domain) int64 {
	var hi int64
	for i := range c.domains {
		if d := &c.domains[i]; d != but && d.chosen {
			hi = max(hi, d.count)
		}
	}
	return hi
}
