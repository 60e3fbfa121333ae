package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
)

// filter refuses members. One that evicts refuses running replicas too; the
// others only keep new ones away, as in Kubernetes "ignored during execution".
type filter struct {
	name   string
	evicts bool
	// refuse adds the refused members to out, which is empty.
	refuse func(r *run, out bitset)
	// reason says why it refuses member i, and what would have to change.
	reason func(r *run, i int32) (reason, remedy string)
}

// filters in the order in which they are asked; an explanation names the first
// one that refuses a member. Resources and Survive follow in candidates.
var filters = [...]filter{
	{"Health", true, refuseLost, reasonHealth},
	{"Name", true, refuseNames, reasonNames},
	{"Exclude", true, refuseExclude, reasonExclude},
	{"Required", true, refuseRequired(false), reasonRequired(false)},
	{"Group", true, refuseUngrouped, reasonUngrouped},
	{"Residency", true, refuseResidency, reasonResidency},
	{"Weight", true, refuseWeightless, reasonWeightless},
	{"Taint", true, refuseTaints(federation.NoExecute), reasonTaints(federation.NoExecute)},
	{"Health", false, refuseClosed, reasonHealth},
	{"Required", false, refuseRequired(true), reasonRequired(true)},
	{"Taint", false, refuseTaints(federation.NoSchedule), reasonTaints(federation.NoSchedule)},
	{"Kind", false, refuseKinds, reasonKinds},
	{"Latency", false, refuseFar, reasonFar},
	{"Affinity", false, refuseAffinity, reasonAffinity},
	{"Spread", false, refuseUnspread, reasonUnspread},
}

// applyFilters leaves in keep the members whose running replicas may stay, and
// in open those that may take new ones.
func (r *run) applyFilters() {
	n := len(r.p.s.members)
	r.keep.fill(n)
	r.open.fill(n)
	for i := range filters {
		f := &filters[i]
		r.refused.clear()
		f.refuse(r, r.refused)
		r.open.andNot(r.refused)
		if f.evicts {
			r.keep.andNot(r.refused)
		}
	}
	for name := range r.req.Keep {
		if i, ok := r.p.s.index[name]; ok {
			r.keep.set(i)
			r.open.unset(i)
		}
	}
}

func (r *run) addAllBut(out bitset) {
	r.scratch.fill(len(r.p.s.members))
	r.scratch.andNot(out)
	copy(out, r.scratch)
}

func refuseLost(r *run, out bitset) {
	copy(out, r.p.s.keeps)
	r.addAllBut(out)
	if r.p.gone != nil {
		out.or(r.p.gone)
	}
}

func refuseClosed(r *run, out bitset) {
	copy(out, r.p.s.opens)
	r.addAllBut(out)
}

func reasonHealth(r *run, i int32) (string, string) {
	m := &r.p.s.members[i]
	switch {
	case r.p.gone != nil && r.p.gone.has(i):
		return "lost in this scenario", "plan for its return"
	case m.Masked != "":
		return "counts as lost: " + m.Masked, "wait until the mask ends"
	case m.Spec.Leaving.Leaves():
		return "leaves the federation", "choose another member"
	case m.Spec.Draining:
		return "is draining", "hansa uncordon " + m.Spec.Name
	case m.Health == federation.Healthy:
		return "is cordoned", "hansa uncordon " + m.Spec.Name
	}
	return "is " + m.Health.String(), "wait until it is Healthy"
}

func refuseNames(r *run, out bitset) {
	if names := r.spec.Members.Names; len(names) > 0 {
		r.setNamed(names, out)
		r.addAllBut(out)
	}
}

func reasonNames(r *run, i int32) (string, string) {
	return "is not in members.names", "add " + r.p.s.members[i].Spec.Name + " to members.names"
}

func refuseExclude(r *run, out bitset) {
	r.setNamed(r.spec.Members.Exclude, out)
	for name := range r.req.Excluded {
		if i, ok := r.p.s.index[name]; ok {
			out.set(i)
		}
	}
}

func reasonExclude(r *run, i int32) (string, string) {
	name := r.p.s.members[i].Spec.Name
	if why, ok := r.req.Excluded[name]; ok {
		return "excluded: " + why, "wait until the reason has passed"
	}
	return "is in members.exclude", "remove " + name + " from members.exclude"
}

func (r *run) setNamed(names []string, out bitset) {
	for _, name := range names {
		if i, ok := r.p.s.index[name]; ok {
			out.set(i)
		}
	}
}

// volatile facts change with what runs; a member that stops matching them keeps
// its replicas, which may be the very reason.
func volatile(req federation.Requirement) bool {
	return req.Key == "nodes" || strings.HasPrefix(req.Key, "free.")
}

// refuseRequired refuses by the expressions over volatile facts, or by all
// others.
func refuseRequired(overVolatile bool) func(*run, bitset) {
	return func(r *run, out bitset) {
		sel := r.spec.Members.Required
		if sel == nil {
			return
		}
		out.fill(len(r.p.s.members))
		for key, value := range sel.MatchLabels {
			if !overVolatile {
				r.p.s.keepSome(r.p.s.values[key], []string{value}, out)
			}
		}
		for _, req := range sel.MatchExpressions {
			if volatile(req) == overVolatile {
				r.p.s.keepMatching(req, out)
			}
		}
		r.addAllBut(out)
	}
}

func reasonRequired(overVolatile bool) func(*run, int32) (string, string) {
	return func(r *run, i int32) (string, string) {
		part := federation.LabelSelector{}
		if !overVolatile {
			part.MatchLabels = r.spec.Members.Required.MatchLabels
		}
		for _, req := range r.spec.Members.Required.MatchExpressions {
			if volatile(req) == overVolatile {
				part.MatchExpressions = append(part.MatchExpressions, req)
			}
		}
		return r.p.s.members[i].firstMismatch(part), "label the member, or widen members.required"
	}
}

func refuseUngrouped(r *run, out bitset) {
	if len(r.spec.Members.Groups) == 0 {
		return
	}
	for g := range r.spec.Members.Groups {
		r.p.s.match(r.spec.Members.Groups[g].Members, r.scratch)
		out.or(r.scratch)
	}
	r.addAllBut(out)
}

func reasonUngrouped(r *run, _ int32) (string, string) {
	return fmt.Sprintf("is in none of the %d groups", len(r.spec.Members.Groups)), "label the member, or widen members.groups"
}

func refuseWeightless(r *run, out bitset) {
	if !r.static() {
		return
	}
	for i := range r.p.s.members {
		if r.staticWeight(int32(i)) == 0 {
			out.set(int32(i))
		}
	}
}

func reasonWeightless(*run, int32) (string, string) {
	return "has static weight 0", "give it a weight in replicas.weights"
}

func refuseTaints(effect federation.TaintEffect) func(*run, bitset) {
	return func(r *run, out bitset) {
		for i := range r.p.s.taints {
			if t := &r.p.s.taints[i]; t.taint.Effect == effect && !r.tolerates(t.taint) {
				out.or(t.members)
			}
		}
		if effect != federation.NoSchedule {
			return
		}
		for i := range r.p.s.taints {
			if t := &r.p.s.taints[i]; t.taint.Effect == federation.NoExecute && !r.toleratesForEver(t.taint) {
				out.or(t.members)
			}
		}
	}
}

func reasonTaints(effect federation.TaintEffect) func(*run, int32) (string, string) {
	return func(r *run, i int32) (string, string) {
		for _, t := range r.p.s.members[i].Spec.Taints {
			forNow := t.Effect == federation.NoExecute && effect == federation.NoSchedule && !r.toleratesForEver(t)
			if forNow || (t.Effect == effect && !r.tolerates(t)) {
				return "has taint " + taintText(t), "tolerate it in members.tolerations, or remove the taint"
			}
		}
		return "has a taint", ""
	}
}

func taintText(t federation.Taint) string {
	if t.Value == "" {
		return t.Key + ":" + string(t.Effect)
	}
	return t.Key + "=" + t.Value + ":" + string(t.Effect)
}

// tolerates reports whether some toleration covers the taint. A NoExecute taint
// tolerated for some seconds counts: the engine has no clock, the hub excludes
// the member when the seconds are over.
func (r *run) tolerates(t federation.Taint) bool {
	return slices.ContainsFunc(r.spec.Members.Tolerations, func(o federation.Toleration) bool { return covers(o, t) })
}

// toleratesForEver is what new replicas need for a NoExecute taint.
func (r *run) toleratesForEver(t federation.Taint) bool {
	return slices.ContainsFunc(r.spec.Members.Tolerations, func(o federation.Toleration) bool {
		return o.Seconds == nil && covers(o, t)
	})
}

// Tolerates reports whether the toleration covers the taint, for however long.
func Tolerates(o federation.Toleration, t federation.Taint) bool { return covers(o, t) }

func covers(o federation.Toleration, t federation.Taint) bool {
	switch {
	case o.Effect != "" && o.Effect != t.Effect:
		return false
	case o.Key == "":
		return o.Operator == "Exists"
	case o.Key != t.Key:
		return false
	}
	return o.Operator == "Exists" || o.Value == t.Value
}

func refuseKinds(r *run, out bitset) {
	reported := r.p.s.having["kind"]
	if reported == nil {
		return
	}
	for _, kind := range r.req.Demand.Kinds {
		copy(r.scratch, reported)
		if serving := r.p.s.values["kind"][kind]; serving != nil {
			r.scratch.andNot(serving)
		}
		out.or(r.scratch)
	}
}

func reasonKinds(r *run, i int32) (string, string) {
	for _, kind := range r.req.Demand.Kinds {
		if !r.p.s.members[i].servesSome([]string{kind}) {
			return "does not serve " + kind, "install the API in the member"
		}
	}
	return "does not serve an API kind", ""
}

func orElse(v, fallback string) string {
	if v == "" {
		return fallback
	}
	return v
}
