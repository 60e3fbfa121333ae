package placement

// cell holds candidates that are alike for every constraint: order[lo:hi] is a
// heap of those that can take more, the most deserving on top.
type cell struct {
	lo, hi int32
	dom    [maxConstraints]int32
}

// bid is a candidate for the next replica, and how many soft constraints it
// would stretch.
type bid struct {
	cand    int32
	penalty int
}

type cellKey [maxConstraints]int32

// recount counts the replicas in every domain, and forgets chosen domains that
// another constraint left without candidates.
func (r *run) recount() {
	for k := range r.constraints {
		c := &r.constraints[k]
		c.low = -1
		for i := range c.domains {
			c.domains[i].count = 0
			c.domains[i].cap = 0
		}
		for _, i := range r.active {
			cand := &r.cands[i]
			d := &c.domains[cand.dom[k]]
			d.count += cand.n
			d.cap += cand.cap
		}
		for i := range c.domains {
			c.domains[i].chosen = c.domains[i].chosen && c.domains[i].cap > 0
		}
	}
}

// give adds step replicas to a candidate and to its domains.
func (r *run) give(c *candidate, step int64) {
	c.n += step
	if r.unbound {
		return
	}
	for k := range r.constraints {
		r.constraints[k].domains[c.dom[k]].count += step
		r.constraints[k].low = -1
	}
}

// buildCells sorts the candidates that can take more into cells.
func (r *run) buildCells() {
	r.cells = r.cells[:0]
	clear(r.cellIDs)
	for _, i := range r.active {
		if c := &r.cands[i]; c.open && c.n < c.cap {
			c.cell = r.cellOf(c)
			r.cells[c.cell].hi++
		}
	}
	var at int32
	for i := range r.cells {
		n := r.cells[i].hi
		r.cells[i].lo, r.cells[i].hi = at, at
		at += n
	}
	if int(at) > cap(r.order) {
		r.order = make([]int32, at, 2*at)
	}
	r.order = r.order[:at]
	for _, i := range r.active {
		if c := &r.cands[i]; c.open && c.n < c.cap {
			r.order[r.cells[c.cell].hi] = i
			r.cells[c.cell].hi++
		}
	}
	few := r.few()
	for i := range r.cells {
		if c := &r.cells[i]; c.hi-c.lo > few {
			r.keepBestOf(c, few)
		} else {
			r.heapify(c)
		}
	}
}

// maxFew is the number of candidates that are sorted sooner by insertion.
const maxFew = 8

// few is the number of candidates of a cell that can get something: no more than
// replicas are left, when they are given one by one.
func (r *run) few() int32 {
	left := r.left()
	if left > maxFew || r.block() > 1 || r.by == "Aggregated" {
		return MaxReplicas
	}
	return int32(max(left, 1))
}

// keepBestOf leaves the k most deserving of the cell, in order: a heap, too.
func (r *run) keepBestOf(c *cell, k int32) {
	all := r.order[c.lo:c.hi]
	for next := range all {
		at := min(int32(next), k)
		if at == k {
			if at--; !r.deserves(&r.cands[all[next]], &r.cands[all[at]]) {
				continue
			}
		}
		for all[at] = all[next]; at > 0 && r.deserves(&r.cands[all[at]], &r.cands[all[at-1]]); at-- {
			all[at], all[at-1] = all[at-1], all[at]
		}
	}
	c.hi = c.lo + k
}

// cellOf returns the candidate's cell. With one constraint or none, cells are
// its domains.
func (r *run) cellOf(c *candidate) int32 {
	if len(r.constraints) < 2 {
		id := int32(0)
		if len(r.constraints) == 1 {
			id = c.dom[0]
		}
		for int32(len(r.cells)) <= id {
			r.cells = append(r.cells, cell{dom: cellKey{int32(len(r.cells))}})
		}
		return id
	}
	var key cellKey
	copy(key[:len(r.constraints)], c.dom[:])
	id, ok := r.cellIDs[key]
	if !ok {
		id = int32(len(r.cells))
		r.cellIDs[key] = id
		r.cells = append(r.cells, cell{dom: key})
	}
	return id
}

// sink restores the heap below position at.
func (r *run) sink(c *cell, at int32) {
	heap := r.order[c.lo:c.hi]
	for {
		child := 2*at + 1
		if child >= int32(len(heap)) {
			return
		}
		if child+1 < int32(len(heap)) && r.deserves(&r.cands[heap[child+1]], &r.cands[heap[child]]) {
			child++
		}
		if !r.deserves(&r.cands[heap[child]], &r.cands[heap[at]]) {
			return
		}
		heap[at], heap[child] = heap[child], heap[at]
		at = child
	}
}

// deserves is the order of the division: the earlier group, then the larger
// Sainte-Laguë quotient weight/(2n+1), then (rebalancing) where one more runs
// already, then score, then rendezvous.
func (r *run) deserves(a, b *candidate) bool {
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	if qa, qb := a.weight*(2*b.n+1), b.weight*(2*a.n+1); qa != qb {
		return qa > qb
	}
	if keepsA, keepsB := a.n < a.runs, b.n < b.runs; r.loose && keepsA != keepsB {
		return keepsA
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return r.hashOf(a) > r.hashOf(b)
}

// top returns the cell's candidate that deserves the next step, −1 when none can
// take one of at most left.
func (r *run) top(c *cell, left int64) int32 {
	for c.hi > c.lo && r.cands[r.order[c.lo]].n >= r.cands[r.order[c.lo]].cap {
		c.hi--
		r.order[c.lo] = r.order[c.hi]
		r.sink(c, 0)
	}
	if c.hi == c.lo {
		return -1
	}
	if r.block() == 1 {
		return r.order[c.lo]
	}
	best := int32(-1)
	for _, i := range r.order[c.lo:c.hi] {
		cand := &r.cands[i]
		step := r.step(cand)
		if step <= left && cand.n+step <= cand.cap && (best < 0 || r.deserves(cand, &r.cands[best])) {
			best = i
		}
	}
	return best
}

// step is what a candidate takes next: replicas.min to begin with, then one.
func (r *run) step(c *candidate) int64 {
	if c.n == 0 {
		return r.block()
	}
	return 1
}

// left is the number of replicas that still have no place.
func (r *run) left() int64 {
	left := r.want
	for _, i := range r.active {
		left -= r.cands[i].n
	}
	return left
}

// seed opens a member near each place of users, and one in every domain that the
// constraints want used: each chosen one under maxSkew, else min of them. The
// domain whose candidate deserves most comes first.
func (r *run) seed() {
	left := r.left()
	for _, i := range r.active {
		if c := &r.cands[i]; c.must && c.n == 0 && left >= r.step(c) {
			left -= r.hand(i)
		}
	}
	for k := range r.constraints {
		left = r.seedConstraint(k, left)
	}
}

func (r *run) seedConstraint(k int, left int64) int64 {
	c := &r.constraints[k]
	for left > 0 && (c.skew > 0 || c.used() < c.min) {
		best := int32(-1)
		for j := range r.cells {
			d := &c.domains[r.cells[j].dom[k]]
			if !d.chosen || d.count > 0 || !r.allows(&r.cells[j], r.block(), k) {
				continue
			}
			if at := r.top(&r.cells[j], left); at >= 0 && (best < 0 || r.deserves(&r.cands[at], &r.cands[best])) {
				best = at
			}
		}
		if best < 0 {
			break
		}
		left -= r.hand(best)
	}
	return left
}

// hand gives a candidate its next step and returns its size.
func (r *run) hand(i int32) int64 {
	c := &r.cands[i]
	step := r.step(c)
	r.give(c, step)
	if cell := &r.cells[c.cell]; cell.hi > cell.lo && r.order[cell.lo] == i {
		r.sink(cell, 0)
	} else {
		r.heapify(cell)
	}
	return step
}

// heapify restores a cell after a candidate that is not on top has changed.
func (r *run) heapify(c *cell) {
	for at := (c.hi - c.lo) / 2; at > 0; at-- {
		r.sink(c, at-1)
	}
}

// award hands out what is left, step by step, to the candidate that deserves it
// most among those the constraints allow.
func (r *run) award() {
	left := r.left()
	for left > 0 {
		var next int32
		var chunk int64
		if r.by == "Aggregated" {
			next, chunk = r.nextAggregated(left)
		} else {
			next = r.nextDivided(left)
		}
		if next < 0 {
			return
		}
		left -= r.hand(next)
		if chunk--; chunk > 0 {
			r.give(&r.cands[next], chunk)
			left -= chunk
		}
	}
}

func (r *run) nextDivided(left int64) int32 {
	best := bid{cand: -1}
	for j := range r.cells {
		at := r.top(&r.cells[j], left)
		if at < 0 || !r.allows(&r.cells[j], r.step(&r.cands[at]), -1) {
			continue
		}
		offer := bid{at, r.penalty(&r.cells[j], r.step(&r.cands[at]))}
		if best.cand < 0 || r.before(offer, best) {
			best = offer
		}
	}
	return best.cand
}

// before orders candidates of different cells: group, soft constraints, merit.
func (r *run) before(a, b bid) bool {
	ca, cb := &r.cands[a.cand], &r.cands[b.cand]
	if ca.rank != cb.rank {
		return ca.rank < cb.rank
	}
	if a.penalty != b.penalty {
		return a.penalty < b.penalty
	}
	return r.deserves(ca, cb)
}

// allows reports whether the hard constraints let the cell take step replicas.
// The maxSkew of constraint but is not asked: it is being seeded.
func (r *run) allows(c *cell, step int64, but int) bool {
	for k := range r.constraints {
		s := &r.constraints[k]
		if s.soft || s.skew == 0 || k == but {
			continue
		}
		if s.domains[c.dom[k]].count+step-s.lowest() > s.skew {
			return false
		}
	}
	return true
}

// penalty counts the soft constraints that step replicas in the cell would
// stretch.
func (r *run) penalty(c *cell, step int64) int {
	n := 0
	for k := range r.constraints {
		s := &r.constraints[k]
		if !s.soft {
			continue
		}
		d := &s.domains[c.dom[k]]
		if !d.chosen {
			n++
		}
		if s.skew > 0 && d.count+step-s.lowest() > s.skew {
			n++
		}
	}
	return n
}
