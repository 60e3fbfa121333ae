package placement

import "cmp"

// nextAggregated returns the candidate to fill next and how many it takes: one
// that is in use already, else the best that holds all that is left, else the
// largest.
func (r *run) nextAggregated(left int64) (int32, int64) {
	best, bestPenalty := int32(-1), 0
	for j := range r.cells {
		for _, at := range r.order[r.cells[j].lo:r.cells[j].hi] {
			c := &r.cands[at]
			step := r.step(c)
			if step > left || c.n+step > c.cap || !r.allows(&r.cells[j], step, -1) {
				continue
			}
			penalty := r.penalty(&r.cells[j], step)
			if best < 0 || r.fillsBefore(c, penalty, &r.cands[best], bestPenalty, left) {
				best, bestPenalty = at, penalty
			}
		}
	}
	if best < 0 {
		return best, 0
	}
	chunk := min(r.cands[best].cap-r.cands[best].n, left)
	for k := range r.constraints {
		if r.constraints[k].skew > 0 {
			chunk = 1
		}
	}
	return best, max(chunk-r.step(&r.cands[best])+1, 1)
}

func (r *run) fillsBefore(a *candidate, penaltyA int, b *candidate, penaltyB int, left int64) bool {
	holdsA, holdsB := a.cap-a.n >= left, b.cap-b.n >= left
	order := cmp.Or(
		cmp.Compare(a.rank, b.rank),
		cmp.Compare(penaltyA, penaltyB),
		-compareBool(a.n > 0, b.n > 0),
		-compareBool(holdsA, holdsB),
	)
	if order == 0 && !holdsA {
		order = cmp.Or(cmp.Compare(b.cap, a.cap), cmp.Compare(b.runs, a.runs))
	}
	return cmp.Or(order, -compareBool(a.n < a.runs, b.n < b.runs), cmp.Compare(b.score, a.score), cmp.Compare(b.hash, a.hash)) < 0
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
