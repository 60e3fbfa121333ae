package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
)

// show says what runs where, and how each member is seen.
func (w *World) show() {
	h, err := w.theLeader()
	for _, name := range w.memberNames() {
		line := name
		if w.records("members")[name].Value == nil {
			line += ": no member"
		} else if err == nil {
			r := h.m.HealthOf(name)
			line += fmt.Sprintf(": %v", r.Health)
			if r.Verdict != "" && r.Verdict != r.Health.String() {
				line += " [" + r.Verdict + "]"
			}
		}
		w.say("%s%s", line, w.members[name].cluster.text())
	}
	for _, name := range slices.Sorted(maps.Keys(w.exiles)) {
		w.say("%s, cut off%s", name, w.exiles[name].cluster.text())
	}
}

// text says what the cluster runs, and what of it is nobody's.
func (c *cluster) text() string {
	text := ""
	for _, k := range c.keys() {
		l := c.landed[k]
		text += fmt.Sprintf("; %s epoch %d: %d/%d ready", k, l.work.Epoch, l.ready, l.work.Replicas)
	}
	for _, k := range slices.SortedFunc(maps.Keys(c.retained), federation.Key.Compare) {
		text += fmt.Sprintf("; %s retained: %d", k, c.retained[k])
	}
	return text
}

// sayAnswers says which members each gateway answers with, and in which state
// their endpoints are unless they are fresh.
func (w *World) sayAnswers() {
	for _, name := range w.names {
		g, ok := w.nodes[name].part.(*gateway)
		if !ok {
			continue
		}
		said := map[string]string{}
		for _, e := range g.endpoints() {
			said[e.Member] = e.Member
			if e.State != route.Fresh {
				said[e.Member] += " (" + string(e.State) + ")"
			}
		}
		w.say("%s answers with %s", name, cmp.Or(strings.Join(slices.Sorted(maps.Values(said)), ", "), "nobody"))
	}
}

// sayRecords lists the keys of a bucket that have a value.
func (w *World) sayRecords(bucket string) {
	var keys []string
	for name, e := range w.records(bucket) {
		if e.Value != nil {
			keys = append(keys, name)
		}
	}
	slices.Sort(keys)
	w.say("%s: %s", bucket, cmp.Or(strings.Join(keys, ", "), "none"))
}
