package placement

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// euStates are the member states of the European Union, by ISO 3166-1 alpha-2.
var euStates = []string{
	"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
	"IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
}

func refuseResidency(r *run, out bitset) {
	if len(r.spec.Geo.Residency) == 0 {
		return
	}
	byValue := r.p.s.values["jurisdiction"]
	for _, j := range r.spec.Geo.Residency {
		states := []string{j}
		if j == "EU" {
			states = append(states, euStates...)
		}
		for _, state := range states {
			if set := byValue[state]; set != nil {
				out.or(set)
			}
		}
	}
	r.addAllBut(out)
}

func reasonResidency(r *run, i int32) (string, string) {
	allowed := strings.Join(r.spec.Geo.Residency, ", ")
	if j := r.p.s.members[i].Spec.Place.Jurisdiction; j != "" {
		return fmt.Sprintf("jurisdiction is %s, allowed %s", j, allowed), "add " + j + " to geo.residency"
	}
	return "jurisdiction is not known, allowed " + allowed, "set the member's place.jurisdiction"
}

func refuseFar(r *run, out bitset) {
	if r.spec.Geo.MaxLatency <= 0 {
		return
	}
	limit := milliseconds(r.spec.Geo.MaxLatency.D())
	for i := range r.p.s.members {
		if _, ms := r.nearestUser(int32(i)); ms > limit {
			out.set(int32(i))
		}
	}
}

func reasonFar(r *run, i int32) (string, string) {
	user, ms := r.nearestUser(i)
	if user < 0 {
		return "has no coordinates", "set the member's place, or a region of the catalogue"
	}
	d := time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond)
	return fmt.Sprintf("is about %s from %s, the nearest users; bound %s", d, r.users[user].at, r.spec.Geo.MaxLatency),
		fmt.Sprintf("raise geo.maxLatency to %s", d)
}

func refuseAffinity(r *run, out bitset) {
	a := &r.spec.Affinity
	if len(a.With) == 0 && len(a.NotWith) == 0 {
		return
	}
	top := r.p.topology(orElse(a.By, "member"))
	for _, key := range a.With {
		if r.p.domainsOf(key, top, r.scratch) {
			r.addMissing(r.scratch, out)
		}
	}
	for _, key := range a.NotWith {
		if r.p.domainsOf(key, top, r.scratch) {
			out.or(r.scratch)
		}
	}
}

// addMissing adds to out the members that are not in set.
func (r *run) addMissing(set, out bitset) {
	n := int32(len(r.p.s.members))
	for i := range n {
		if !set.has(i) {
			out.set(i)
		}
	}
}

// domainsOf makes out the members that share a value of top with a member where
// the workload is assigned. It reports false when it is assigned nowhere.
func (p *Planner) domainsOf(key federation.Key, top *topology, out bitset) bool {
	out.clear()
	found := false
	for _, m := range p.assignedTo(key) {
		i, ok := p.s.index[m.Member]
		if !ok {
			continue
		}
		found = true
		for j, id := range top.of {
			if id >= 0 && id == top.of[i] {
				out.set(int32(j))
			}
		}
	}
	return found
}

func reasonAffinity(r *run, i int32) (string, string) {
	a := &r.spec.Affinity
	by := orElse(a.By, "member")
	top := r.p.topology(by)
	for _, key := range a.With {
		if r.p.domainsOf(key, top, r.scratch) && !r.scratch.has(i) {
			return fmt.Sprintf("%s does not run in this %s", key, by), "place " + key.String() + " here, or drop affinity.with"
		}
	}
	for _, key := range a.NotWith {
		if r.p.domainsOf(key, top, r.scratch) && r.scratch.has(i) {
			return fmt.Sprintf("%s runs in this %s", key, by), "move " + key.String() + " away, or drop affinity.notWith"
		}
	}
	return "affinity", ""
}

func refuseUnspread(r *run, out bitset) {
	for k := range r.constraints {
		if c := &r.constraints[k]; !c.soft && c.top.lacking != nil {
			out.or(c.top.lacking)
		}
	}
}

func reasonUnspread(r *run, i int32) (string, string) {
	for k := range r.constraints {
		if c := &r.constraints[k]; !c.soft && c.top.of[i] < 0 {
			return "has no " + c.by + " to spread by", "set the member's " + c.by
		}
	}
	return "cannot be spread", ""
}
