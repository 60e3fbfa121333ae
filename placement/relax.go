package placement

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// binding names what kept replicas without a place, with its numbers.
func (r *run) binding() string {
	var room int64
	eligible := 0
	for i := range r.cands {
		if c := &r.cands[i]; c.open && c.cap > 0 {
			room += c.cap - c.base
			eligible++
		}
	}
	switch {
	case eligible == 0 && r.survival.frail > 0 && !r.survival.waived:
		return fmt.Sprintf("survive %s: the eligible members hold %d replicas, and without any one %s in use fewer than the %d wanted",
			r.spec.Failover.Survive, r.survival.all, r.survival.key, r.want)
	case eligible == 0:
		return "no member is eligible" + r.refusals()
	case r.best.broken != "":
		return r.best.broken
	case !r.divided():
		return fmt.Sprintf("room: a member does not hold all %d replicas", r.want)
	}
	if limit := r.skewLimit(); limit != "" {
		return limit
	}
	return fmt.Sprintf("room: %d of %d replicas fit in the %d eligible %s; each needs %s in one node%s",
		r.placed(), r.want, eligible, plural(int64(eligible), "member", "members"), r.needText(), r.quotaNote())
}

func (r *run) placed() int64 { return r.want - r.left() }

// skewLimit explains a maxSkew that keeps replicas out of domains with room.
func (r *run) skewLimit() string {
	for k := range r.constraints {
		c := &r.constraints[k]
		if c.soft || c.skew == 0 {
			continue
		}
		var full *domain
		var room int64
		for i := range c.domains {
			d := &c.domains[i]
			if d.chosen && d.count >= d.cap && (full == nil || d.count < full.count) {
				full = d
			}
			room += d.cap - d.count
		}
		if full != nil && room > 0 {
			return fmt.Sprintf("spread by %s: maxSkew %d; %s holds only %d, so no other may have more than %d",
				c.by, c.skew, c.name(full), full.cap, full.count+c.skew)
		}
	}
	return ""
}

// refusals counts the members by the filter that refused them.
func (r *run) refusals() string {
	lines := make([]federation.MemberExplanation, len(r.p.s.members))
	r.explainRefused(lines)
	counts := map[string]int{}
	for i := range lines {
		short := "Resources"
		if r.quotaBinds(int32(i)) {
			short = "Quota"
		}
		counts[orElse(lines[i].Filter, short)]++
	}
	parts := make([]string, 0, len(counts))
	for _, name := range byCount(counts) {
		parts = append(parts, fmt.Sprintf("%s refuses %d", name, counts[name]))
	}
	if len(parts) == 0 {
		return ": there are no members"
	}
	return ": " + joinFew(parts)
}

// nearestTo names the nearest candidate to a place of users, for the bound that
// would be kept.
func (r *run) nearestTo(u int) string {
	best, ms := "", math.Inf(1)
	for i := range r.p.s.members {
		if r.p.s.opens.has(int32(i)) && r.users[u].ms[i] < ms {
			best, ms = r.p.s.members[i].Spec.Name, r.users[u].ms[i]
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; the nearest open one is %s, about %s away", best, time.Duration(ms*float64(time.Millisecond)).Round(time.Millisecond))
}

// relaxation returns the nearest change of the request with which everything
// finds a place: it tries single changes, small before large, by deciding the
// changed request with the same engine.
func (r *run) relaxation() string {
	req := *r.req
	req.Explain = false
	req.Current = r.current
	if req.Current == nil {
		req.Current = []federation.AssignedMember{}
	}
	other := &Planner{}
	*other = *r.p
	other.quotas = map[string]quotaTable{}
	for namespace, q := range r.p.quotas {
		other.quotas[namespace] = q.clone()
	}
	other.run = run{}
	other.run.init(other)
	for _, change := range relaxations(&req) {
		changed := req
		change.apply(&changed)
		if again := other.Place(changed); again.Err == nil && again.Unmet == 0 {
			return change.text(&changed)
		}
	}
	if n := r.mostReplicas(other, req); n > 0 {
		return fmt.Sprintf("replicas: %d instead of %d", n, r.want)
	}
	return "no single change of the placement helps: add members or room, see the members' remedies"
}

// mostReplicas searches the largest number of replicas for which everything
// finds a place, 0 when there is none or nothing is divided.
func (r *run) mostReplicas(p *Planner, req Request) int64 {
	if !r.divided() {
		return 0
	}
	lo, hi := int64(0), r.want
	for hi-lo > 1 {
		req.Demand.Replicas = (lo + hi) / 2
		if d := p.Place(req); d.Err == nil && d.Unmet == 0 {
			lo = req.Demand.Replicas
		} else {
			hi = req.Demand.Replicas
		}
	}
	return lo
}

// relaxationStep is one way to ask for less.
type relaxationStep struct {
	apply func(*Request)
	text  func(*Request) string
}

func relaxations(req *Request) []relaxationStep {
	var steps []relaxationStep
	for k := range req.Placement.Spread {
		steps = append(steps, relaxSpread(req, k)...)
	}
	p := &req.Placement
	add := func(applies bool, text string, change func(*federation.PlacementSpec)) {
		if applies {
			steps = append(steps, relaxationStep{
				func(r *Request) { change(&r.Placement) },
				func(*Request) string { return text },
			})
		}
	}
	for _, level := range []string{"Zone", "Member", "None"} {
		add(p.Failover.Survive != "" && slices.Index(survivals, level) < slices.Index(survivals, p.Failover.Survive),
			"failover.survive: "+level+" instead of "+p.Failover.Survive,
			func(p *federation.PlacementSpec) { p.Failover.Survive = level })
	}
	add(p.Replicas.Max > 0, "replicas.max: none instead of "+unbounded(p.Replicas.Max), func(p *federation.PlacementSpec) { p.Replicas.Max = 0 })
	add(p.Replicas.Min > 1, "replicas.min: 1 instead of "+unbounded(p.Replicas.Min), func(p *federation.PlacementSpec) { p.Replicas.Min = 1 })
	for _, factor := range []float64{1.25, 1.5, 2, 4} {
		bound := federation.Duration(float64(p.Geo.MaxLatency) * factor)
		add(p.Geo.MaxLatency > 0, fmt.Sprintf("geo.maxLatency: %s instead of %s", bound, p.Geo.MaxLatency),
			func(p *federation.PlacementSpec) { p.Geo.MaxLatency = bound })
	}
	add(len(p.Members.Groups) > 1, "members.groups: overflow true in every group", overflowAll)
	add(len(p.Affinity.With) > 0, "affinity.with: none", func(p *federation.PlacementSpec) { p.Affinity.With = nil })
	add(len(p.Affinity.NotWith) > 0, "affinity.notWith: none", func(p *federation.PlacementSpec) { p.Affinity.NotWith = nil })
	add(true, "members.tolerations: tolerate every taint", tolerateAll)
	add(len(p.Members.Exclude) > 0, "members.exclude: none", func(p *federation.PlacementSpec) { p.Members.Exclude = nil })
	add(len(p.Members.Names) > 0, "members.names: all members", func(p *federation.PlacementSpec) { p.Members.Names = nil })
	add(p.Members.Required != nil, "members.required: none", func(p *federation.PlacementSpec) { p.Members.Required = nil })
	add(len(p.Geo.Residency) > 0, "geo.residency: any jurisdiction", func(p *federation.PlacementSpec) { p.Geo.Residency = nil })
	return steps
}

// relaxSpread lowers min step by step, then raises maxSkew, then max, of one
// constraint.
func relaxSpread(req *Request, k int) []relaxationStep {
	c := req.Placement.Spread[k]
	var steps []relaxationStep
	change := func(field string, from, to int64, set func(*federation.SpreadConstraint)) {
		steps = append(steps, relaxationStep{
			func(r *Request) {
				r.Placement.Spread = slices.Clone(r.Placement.Spread)
				set(&r.Placement.Spread[k])
			},
			func(*Request) string {
				return fmt.Sprintf("spread by %s: %s %s instead of %d", c.By, field, unbounded(to), from)
			},
		})
	}
	for v := c.Min - 1; v >= 0 && v >= c.Min-8; v-- {
		change("min", c.Min, v, func(s *federation.SpreadConstraint) { s.Min = v })
	}
	for _, v := range []int64{c.MaxSkew + 1, c.MaxSkew + 2, c.MaxSkew + 4, c.MaxSkew * 4, 0} {
		if c.MaxSkew > 0 {
			change("maxSkew", c.MaxSkew, v, func(s *federation.SpreadConstraint) { s.MaxSkew = v })
		}
	}
	for _, v := range []int64{c.Max + 1, c.Max + 2, c.Max * 2, 0} {
		if c.Max > 0 {
			change("max", c.Max, v, func(s *federation.SpreadConstraint) { s.Max = v })
		}
	}
	return steps
}

func overflowAll(p *federation.PlacementSpec) {
	p.Members.Groups = slices.Clone(p.Members.Groups)
	for g := range p.Members.Groups {
		p.Members.Groups[g].Overflow = true
	}
}

func tolerateAll(p *federation.PlacementSpec) {
	p.Members.Tolerations = []federation.Toleration{{Operator: "Exists"}}
}
