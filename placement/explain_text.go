package placement

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

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
		least = max(r.wantIn(i), 1)
	}
	if r.quotaBinds(i) {
		r.explainQuota(i, line, least)
		return
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
		return fmt.Sprintf("holds %d of %d", c.fits, r.wantIn(c.member))
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
