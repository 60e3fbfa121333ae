package placement

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

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
	for i := range e.Members {
		e.Members[i].Member = r.p.s.members[i].Spec.Name
		if at := r.byMember[i]; at >= 0 {
			r.explainCandidate(&r.cands[at], &e.Members[i], d)
		} else if e.Members[i].Filter == "" {
			r.explainRoom(int32(i), &e.Members[i])
		}
	}
	if d.Unmet > 0 {
		e.Relaxation = r.relaxation(d)
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
	default:
		line.Reason = fmt.Sprintf("eligible; all %d replicas found a place before its turn", r.want)
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
			return fmt.Sprintf("eligible; spread by %s: at most %d, others came first than %s", s.by, s.max, s.top.names[id])
		}
	}
	if len(r.spec.Members.Groups) > 0 {
		return fmt.Sprintf("eligible; an earlier group than %q was enough", groupName(r.spec, c.rank))
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

func groupName(p *federation.PlacementSpec, rank int32) string {
	return orElse(p.Members.Groups[rank].Name, strconv.Itoa(int(rank)+1))
}

// explainRoom says what a member lacks that passed every filter.
func (r *run) explainRoom(i int32, line *federation.MemberExplanation) {
	line.Filter = "Resources"
	line.Fits = r.fitOf(i)
	need := r.needText()
	if r.missing != "" {
		line.Reason = "has no " + r.missing
		line.Remedy = "add nodes that have " + r.missing
		return
	}
	least := r.block()
	if !r.divided() {
		least = max(r.want, 1)
	}
	line.Reason = fmt.Sprintf("holds %d of at least %d %s; each needs %s in one node, free %s",
		line.Fits, least, plural(least, "replica", "replicas"), need, amountText(&r.p.s.members[i].Facts.Free))
	line.Remedy = fmt.Sprintf("free room for %d more, or add nodes", least-line.Fits)
}

func (r *run) needText() string {
	need := podwise(r.unit())
	return amountText(&need)
}

// amountText writes "500m CPU, 512Mi, 1 pod".
func amountText(v *federation.Resources) string {
	var parts []string
	if v.MilliCPU > 0 {
		parts = append(parts, cpuText(v.MilliCPU)+" CPU")
	}
	if v.MemoryBytes > 0 {
		parts = append(parts, memoryText(v.MemoryBytes))
	}
	parts = append(parts, fmt.Sprintf("%d %s", v.Pods, plural(v.Pods, "pod", "pods")))
	if len(v.Extended) > 0 {
		parts = append(parts, extendedText(v.Extended))
	}
	return strings.Join(parts, ", ")
}

func cpuText(milli int64) string {
	if milli%1000 == 0 {
		return strconv.FormatInt(milli/1000, 10)
	}
	return strconv.FormatInt(milli, 10) + "m"
}

func memoryText(bytes int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 40, "Ti"}, {1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if bytes >= 10*u.size || (bytes >= u.size && bytes%u.size == 0) {
			return strconv.FormatInt(bytes/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10)
}

// extendedText writes extended resources in order of name: "nvidia.com/gpu=2".
func extendedText(ext map[string]int64) string {
	var b strings.Builder
	for _, name := range sortedKeys(ext) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(strconv.FormatInt(ext[name], 10))
	}
	return b.String()
}

// scoresOf lists the candidate's scores with their weights and details.
func (r *run) scoresOf(c *candidate) []federation.Score {
	out := make([]federation.Score, 0, len(r.scoring))
	for k := range r.scoring {
		s := &r.scoring[k]
		out = append(out, federation.Score{
			Name:   s.name,
			Value:  float64(int64(s.value(r, c.member, c.fits)*100+0.5)) / 100,
			Weight: s.weight,
			Detail: r.detail(s.name, c),
		})
	}
	return out
}

func (r *run) detail(score string, c *candidate) string {
	switch score {
	case "latency":
		parts := make([]string, 0, len(r.users))
		for k := range r.users {
			d := time.Duration(min(r.users[k].ms[c.member], 1e6) * float64(time.Millisecond))
			parts = append(parts, fmt.Sprintf("%s about %s", r.users[k].at, d.Round(time.Millisecond)))
		}
		return joinFew(parts)
	case "headroom":
		return fmt.Sprintf("holds %d of %d", c.fits, r.want)
	case "balance":
		return fmt.Sprintf("%.0f%% of what it has least of is free", scoreBalance(r, c.member, 0))
	case "stay":
		if n := r.running[c.member]; n >= 0 {
			return fmt.Sprintf("runs %d", n)
		}
		return "does not run there"
	}
	if builtin[score] == nil {
		if v, ok := r.p.s.world.External[score][r.p.s.members[c.member].Spec.Name]; ok {
			return strconv.FormatFloat(v, 'g', 6, 64)
		}
		return "no figure"
	}
	return ""
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
		fmt.Fprintf(&b, ", %s %s", strings.Join(counts, "/"), plural(r.want, "replica", "replicas"))
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
		by := orElse(r.spec.Replicas.By, "Capacity")
		out = append(out, fmt.Sprintf("replicas: %d divided by %s", r.want, by))
	} else if r.req.Demand.Replicated {
		out = append(out, fmt.Sprintf("replicas: %d in each of %d members", r.want, len(d.Members)))
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

func unbounded(v int64) string {
	if v == 0 {
		return "none"
	}
	return strconv.FormatInt(v, 10)
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// joinFew joins up to five items and counts the rest.
func joinFew(items []string) string {
	if len(items) <= 5 {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:5], ", "), len(items)-5)
}

func compareNames(a, b string) int { return strings.Compare(a, b) }

// byCount orders names by their count, largest first, then by name.
func byCount(counts map[string]int) []string {
	names := sortedKeys(counts)
	sort.SliceStable(names, func(i, j int) bool { return counts[names[i]] > counts[names[j]] })
	return names
}
