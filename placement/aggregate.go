package placement

import "cmp"

// nextAggregated returns the candidate to fill next and how many it takes: one
// that is in use already, else the best that holds all that is left, else the
// largest.
func (r *run) nextAggregated(left int64) (int32, int64) {
	best := bid{cand: -1}
	for j := range r.cells {
		for _, at := range r.order[r.cells[j].lo:r.cells[j].hi] {
			c := &r.cands[at]
			step := r.step(c)
			if step > left || c.n+step > c.cap || !r.allows(&r.cells[j], step, -1) {
				continue
			}
			offer := bid{at, r.penalty(&r.cells[j], step)}
			if best.cand < 0 || r.fillsBefore(offer, best, left) {
				best = offer
			}
		}
	}
	if best.cand < 0 {
		return -1, 0
	}
	c := &r.cands[best.cand]
	chunk := min(c.cap-c.n, left)
	for k := range r.constraints {
		if r.constraints[k].skew > 0 {
			chunk = 1
		}
	}
	return best.cand, max(chunk-r.step(c)+1, 1)
}

// fillsBefore orders candidates for Aggregated.
func (r *run) fillsBefore(x, y bid, left int64) bool {
	a, b := &r.cands[x.cand], &r.cands[y.cand]
	holdsA, holdsB := a.cap-a.n >= left, b.cap-b.n >= left
	order := cmp.Or(
		cmp.Compare(a.rank, b.rank),
		cmp.Compare(x.penalty, y.penalty),
		-compareBool(a.n > 0, b.n > 0),
		-compareBool(holdsA, holdsB),
	)
	if order == 0 && !holdsA {
		order = cmp.Or(cmp.Compare(b.cap, a.cap), cmp.Compare(b.runs, a.runs))
	}
	return cmp.Or(order, -compareBool(a.n < a.runs, b.n < b.runs), cmp.Compare(b.score, a.score), cmp.Compare(r.hashOf(b), r.hashOf(a))) < 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
