package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// run is the work on one request: scratch memory that the planner reuses, and
// the request's own values.
type run struct {
	p       *Planner
	req     *Request
	asked   Request // what req points to, unless the caller keeps it
	spec    *federation.PlacementSpec
	current []federation.AssignedMember
	hash    uint64 // of the workload's key, for rendezvous

	keep, open, refused, scratch bitset
	running                      []int64 // replicas by member; −1 where not assigned
	seat                         []int32 // where current tells of the member, if it is assigned

	fits              *fitTable
	quota             quotaTable // of the workload's namespace; nil without one
	missing           string     // extended resource that no member has
	users             []user
	scoring           []scoring
	weights           float64 // sum of the scores' weights
	scale             float64 // from a sum of weighted points to hundredths of a point
	common            bool    // only balance, headroom and stay are asked, with these weights:
	balance, headroom float64
	terms             []bitset // members that each preferred term matches

	constraints []constraint
	cands       []candidate
	active      []int32 // candidates that take part in the attempt, ascending
	divides     bool    // the total is divided over members
	own         bool    // overrides give members a number of their own

	cells   []cell
	order   []int32
	cellIDs map[cellKey]int32

	by       string // how the total is divided: replicas.by, unless nothing is known to divide by
	want     int64  // replicas to have, all members together
	best     outcome
	bestN    []share // of the best attempt: who got something
	survival survival
	unbound  bool // the constraints are given up: what runs is kept as it is
	loose    bool // what runs may move: the request rebalances, or asks to be Whole
}

// share is what one candidate got.
type share struct {
	cand int32
	n    int64
}

// outcome is what an attempt came to. broken names the rule that cannot be kept
// ("" when all are), with its numbers.
type outcome struct {
	placed int64
	broken string
}

func (r *run) init(p *Planner) {
	n := len(p.s.members)
	r.p = p
	r.keep, r.open, r.refused, r.scratch = newBitset(n), newBitset(n), newBitset(n), newBitset(n)
	r.running, r.seat = make([]int64, n), make([]int32, n)
	for i := range r.running {
		r.running[i] = -1
	}
	r.cellIDs = map[cellKey]int32{}
}

// place decides one request.
func (r *run) place(req *Request) Decision {
	d := Decision{Workload: req.Workload}
	if d.Err = r.begin(req); d.Err != nil {
		return d
	}
	r.applyFilters()
	switch {
	case r.stopped():
		r.keepOnly()
	case r.divided():
		r.candidates()
		r.divideInGroups()
	default:
		r.candidates()
		r.duplicateInGroups()
	}
	r.fill(&d)
	if req.Explain {
		d.InputsHash = r.inputsHash()
		d.Explanation = r.explain(&d)
	}
	r.end()
	return d
}

// begin validates the request and reads what does not depend on the filters.
func (r *run) begin(req *Request) error {
	r.req, r.spec = req, &req.Placement
	if err := validate(r.spec); err != nil {
		return fmt.Errorf("place %s: %w", req.Workload, err)
	}
	if err := validateDemand(&req.Demand); err != nil {
		return fmt.Errorf("place %s: %w", req.Workload, err)
	}
	if err := r.readUsers(); err != nil {
		return fmt.Errorf("place %s: %w", req.Workload, err)
	}
	r.by = orElse(r.spec.Replicas.By, "Capacity")
	if r.by == "Demand" && len(r.users) == 0 {
		r.by = "Capacity"
	}
	r.hash = hashString(req.Workload.Namespace) ^ mix(1, hashString(req.Workload.Name))
	r.sit(r.p.currentOf(req))
	r.want = req.Demand.Replicas
	if !req.Demand.Replicated {
		r.want = 1
	}
	r.own = r.spec.Replicas.Mode == "Duplicated" && r.want > 0 && slices.ContainsFunc(r.spec.Overrides, func(o federation.Override) bool { return o.Replicas > 0 })
	r.divides = req.Demand.Replicated && r.want > 0 && r.spec.Replicas.Mode != "Duplicated"
	r.fits, r.missing = r.p.fitsFor(podwise(r.unit()), r.p.s.lets(req.Demand.Tolerations))
	r.quota = r.p.quotaOf(req.Workload.Namespace)
	r.survival = survival{}
	r.unbound, r.loose = false, req.Rebalance
	r.readConstraints()
	r.readScoring()
	return nil
}

// sit notes by member what runs there.
func (r *run) sit(current []federation.AssignedMember) {
	r.current = current
	for k := range current {
		if i, ok := r.p.s.index[current[k].Member]; ok {
			r.running[i], r.seat[i] = current[k].Replicas, int32(k)
		}
	}
}

// rise undoes sit.
func (r *run) rise() {
	for k := range r.current {
		if i, ok := r.p.s.index[r.current[k].Member]; ok {
			r.running[i] = -1
		}
	}
	r.current = nil
}

// end resets what only the members at hand have touched.
func (r *run) end() {
	r.rise()
	r.cands = r.cands[:0]
}

// listActive lists the candidates that take part.
func (r *run) listActive() {
	r.active = r.active[:0]
	for i := range r.cands {
		if r.cands[i].in {
			r.active = append(r.active, int32(i))
		}
	}
}

// unit is what one replica takes; for a workload without replicas, what it takes
// on a node.
func (r *run) unit() federation.Resources {
	if r.req.Demand.Replicated {
		return r.req.Demand.PerReplica
	}
	return r.req.Demand.PerNode
}

// wantIn is how many replicas a member should have of a workload that is not divided.
func (r *run) wantIn(i int32) int64 {
	if !r.own {
		return r.want
	}
	return r.p.s.members[i].replicas(r.spec, r.want)
}

// wantOf is wantIn of all members together.
func (r *run) wantOf(members []federation.AssignedMember) int64 {
	var n int64
	for i := range members {
		n += r.wantIn(r.p.s.index[members[i].Member])
	}
	return n
}

// divided reports whether the total is divided over members.
func (r *run) divided() bool { return r.divides }

// stopped reports a workload that was scaled to 0 and has members: it keeps
// them, so that its other objects stay where they are.
func (r *run) stopped() bool {
	return r.req.Demand.Replicated && r.want == 0 && len(r.current) > 0
}

func (r *run) static() bool {
	return r.divided() && r.by == "Static" && len(r.spec.Replicas.Weights) > 0
}

func (r *run) staticWeight(i int32) int64 {
	for k := range r.spec.Replicas.Weights {
		w := &r.spec.Replicas.Weights[k]
		if r.p.s.members[i].firstMismatch(w.Members) == "" {
			return w.Weight
		}
	}
	return 0
}

// keepOnly lets the current members stay, with no replicas.
func (r *run) keepOnly() {
	for i, n := range r.running {
		if n >= 0 && r.keep.has(int32(i)) {
			r.addCandidate(int32(i))
		}
	}
	for i := range r.cands {
		r.cands[i].in = true
	}
	r.best = outcome{}
	r.listActive()
}

// fill writes the candidates' replicas into the decision.
func (r *run) fill(d *Decision) {
	var placed int64
	count := 0
	for _, i := range r.active {
		if c := &r.cands[i]; r.chosen(c) {
			count++
			placed += c.n
		}
	}
	d.Members = make([]federation.AssignedMember, 0, count)
	for _, i := range r.active {
		if c := &r.cands[i]; r.chosen(c) {
			d.Members = append(d.Members, r.assigned(c))
		}
	}
	switch {
	case r.divided():
		d.Unmet = r.want - placed
	case r.stopped():
	case count == 0:
		d.Unmet = max(r.want, 1)
	case r.req.Demand.Replicated:
		d.Unmet = r.wantOf(d.Members) - placed
	}
	if d.Unmet > 0 {
		d.Binding = r.binding()
	}
	if r.survival.waived {
		d.Waived = r.survivalRule()
	}
	d.Changed = !sameReplicas(d.Members, r.current)
}

func (r *run) chosen(c *candidate) bool {
	if r.divided() {
		return c.n > 0
	}
	return c.in
}

func (r *run) assigned(c *candidate) federation.AssignedMember {
	a := federation.AssignedMember{Member: r.p.s.members[c.member].Spec.Name}
	if r.running[c.member] >= 0 {
		a = r.current[r.seat[c.member]]
	}
	a.Replicas = c.n
	return a
}

// sameReplicas compares two assignments, of which only the first is sorted.
func sameReplicas(a, b []federation.AssignedMember) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range b {
		at, ok := slices.BinarySearchFunc(a, b[i].Member, func(m federation.AssignedMember, name string) int {
			return strings.Compare(m.Member, name)
		})
		if !ok || a[at].Replicas != b[i].Replicas {
			return false
		}
	}
	return true
}
