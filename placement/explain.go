package placement

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// explain tells for every member why it was chosen or not. It runs after the
// division, while the candidates still hold its result.
func (r *run) explain(d *Decision) federation.Explanation {
	e := federation.Explanation{
		Summary: r.summary(d),
		Members: make([]federation.MemberExplanation, len(r.p.s.members)),
		Rules:   r.rules(d),
	}
	r.explainRefused(e.Members)
	byMember := make([]*candidate, len(e.Members))
	for i := range r.cands {
		byMember[r.cands[i].member] = &r.cands[i]
	}
	for i := range e.Members {
		e.Members[i].Member = r.p.s.members[i].Spec.Name
		if c := byMember[i]; c != nil {
			r.explainCandidate(c, &e.Members[i], d)
		} else if e.Members[i].Filter == "" {
			r.explainRoom(int32(i), &e.Members[i])
		}
	}
	if d.Unmet > 0 {
		e.Relaxation = r.relaxation()
	}
	return e
}

// explainRefused names for every member the first filter that refused it.
func (r *run) explainRefused(lines []federation.MemberExplanation) {
	explained := newBitset(len(lines))
	for k := range filters {
		f := &filters[k]
		r.refused.clear()
		f.refuse(r, r.refused)
		r.refused.andNot(explained)
		explained.or(r.refused)
		r.refused.each(func(i int32) {
			lines[i].Filter = f.name
			lines[i].Reason, lines[i].Remedy = f.reason(r, i)
		})
	}
}

func (r *run) explainCandidate(c *candidate, line *federation.MemberExplanation, d *Decision) {
	line.Fits = c.fits
	line.Scores = r.scoresOf(c)
	line.Total = float64(c.score) / 100
	if r.chosen(c) {
		line.Chosen = true
		line.Replicas = c.n
		line.Reason = r.whyChosen(c, line)
		line.Filter, line.Remedy = "", ""
		return
	}
	switch {
	case c.frail && !r.survival.waived:
		line.Filter = "Survive"
		line.Reason, line.Remedy = r.reasonFrail(c)
	case line.Filter != "":
	case r.best.broken != "":
		line.Reason = "eligible, but a rule of the whole cannot be kept: " + r.best.broken
	case !c.in:
		line.Reason = r.whyOutside(c, d)
	case d.Unmet > 0:
		line.Reason = "eligible, but " + d.Binding
	default:
		line.Reason = "eligible; every replica found a place before its turn"
	}
}

func (r *run) whyChosen(c *candidate, line *federation.MemberExplanation) string {
	switch running := r.running[c.member]; {
	case line.Filter != "":
		return "keeps what runs there; takes nothing new: " + line.Reason
	case running < 0:
		return "new"
	case running == c.n:
		return "stays"
	default:
		return fmt.Sprintf("stays, %d before", running)
	}
}

// whyOutside says which constraint left the candidate's domain out.
func (r *run) whyOutside(c *candidate, d *Decision) string {
	for k := range r.constraints {
		s := &r.constraints[k]
		if id := s.top.of[c.member]; id >= 0 && !r.uses(s.top, id, d) && s.max > 0 {
			return fmt.Sprintf("eligible; spread by %s takes at most %d, and others rank before %s", s.by, s.max, s.top.names[id])
		}
	}
	if len(r.spec.Members.Groups) > 0 {
		return r.whyGroup(c)
	}
	return "eligible; others came first"
}

func (r *run) uses(top *topology, id int32, d *Decision) bool {
	for _, m := range d.Members {
		if i, ok := r.p.s.index[m.Member]; ok && top.of[i] == id {
			return true
		}
	}
	return false
}

func (r *run) whyGroup(c *candidate) string {
	for i := range r.cands {
		if o := &r.cands[i]; r.chosen(o) && o.rank > c.rank {
			return fmt.Sprintf("eligible; group %q alone does not hold all %d replicas and has no overflow", groupName(r.spec, c.rank), r.want)
		}
	}
	return fmt.Sprintf("eligible; the groups before %q are enough", groupName(r.spec, c.rank))
}

func groupName(p *federation.PlacementSpec, rank int32) string {
	return orElse(p.Members.Groups[rank].Name, strconv.Itoa(int(rank)+1))
}

// summary is one line: "3 of 3 members, 2/2/2 replicas".
func (r *run) summary(d *Decision) string {
	var b strings.Builder
	n := len(r.p.s.members)
	fmt.Fprintf(&b, "%d of %d %s", len(d.Members), n, plural(int64(n), "member", "members"))
	if r.req.Demand.Replicated && len(d.Members) > 0 {
		counts := make([]string, 0, len(d.Members))
		for _, m := range d.Members {
			counts = append(counts, strconv.FormatInt(m.Replicas, 10))
		}
		fmt.Fprintf(&b, ", %s %s", strings.Join(counts, "/"), plural(d.replicas(), "replica", "replicas"))
	}
	if d.Unmet > 0 {
		fmt.Fprintf(&b, "; %d unmet: %s", d.Unmet, d.Binding)
	}
	return b.String()
}

// rules tells how each rule of the whole came out, with its numbers.
func (r *run) rules(d *Decision) []string {
	var out []string
	for _, s := range r.spec.Spread {
		out = append(out, r.spreadRule(s, d))
	}
	if r.divided() {
		rule := fmt.Sprintf("replicas: %d divided by %s", r.want, r.by)
		if r.spec.Replicas.By == "Demand" && r.by != "Demand" {
			rule += ": no demand is known, by observed queries or by geo.users"
		}
		out = append(out, rule)
	} else if r.req.Demand.Replicated {
		out = append(out, fmt.Sprintf("replicas: %d in each of %d members%s", r.want, len(d.Members), r.ownRule(d)))
	}
	if r.loose && !r.req.Rebalance {
		out = append(out, "whole: not everything found a place beside what ran, so that moved")
	}
	if r.survival.key != "" {
		out = append(out, r.survivalRule())
	}
	if r.spec.Failover.Continuity == federation.AtMostOne {
		out = append(out, "continuity AtMostOne: one member")
	}
	return append(out, r.affinityRules()...)
}

func (r *run) spreadRule(s federation.SpreadConstraint, d *Decision) string {
	top := r.p.topology(s.By)
	counts := map[string]int64{}
	for _, m := range d.Members {
		name := "(none)"
		if i, ok := r.p.s.index[m.Member]; ok && top.of[i] >= 0 {
			name = top.names[top.of[i]]
		}
		counts[name] += m.Replicas
	}
	parts := make([]string, 0, len(counts))
	for _, name := range sortedKeys(counts) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	bounds := fmt.Sprintf("min %d, max %s, maxSkew %s", s.Min, unbounded(s.Max), unbounded(s.MaxSkew))
	return fmt.Sprintf("spread by %s: %s (%s)", s.By, orElse(strings.Join(parts, ", "), "nothing placed"), bounds)
}

func (r *run) survivalRule() string {
	level := r.spec.Failover.Survive
	switch {
	case r.survival.frail > 0 && !r.survival.waived:
		return fmt.Sprintf("survive %s: %d members may not be used, see their lines; %d replicas fit in all eligible members", level, r.survival.frail, r.survival.all)
	case r.survival.waived:
		return fmt.Sprintf("survive %s: NOT kept; the eligible members hold %d replicas, losing one %s leaves too few for %d", level, r.survival.all, r.survival.key, r.want)
	default:
		return fmt.Sprintf("survive %s: kept; after the loss of any one %s in use the others hold %d replicas", level, r.survival.key, r.want)
	}
}

func (r *run) affinityRules() []string {
	var out []string
	for _, key := range r.spec.Affinity.With {
		if len(r.p.assignedTo(key)) == 0 {
			out = append(out, fmt.Sprintf("affinity with %s: it is placed nowhere yet, so the rule asks nothing", key))
		}
	}
	return out
}

// ownRule names the members that have a number of their own.
func (r *run) ownRule(d *Decision) string {
	var parts []string
	for _, m := range d.Members {
		if n := r.wantIn(r.p.s.index[m.Member]); n != r.want {
			parts = append(parts, fmt.Sprintf("%s %d", m.Member, n))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; by overrides " + strings.Join(parts, ", ")
}
