package grpcserver

import (
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/expression"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/placement/manifest"
)

// mostEffects bounds the effects of overrides that one answer lists.
const mostEffects = 500

// overriding tells what overrides change, without landing anything.
type overriding struct {
	compiler expression.Compiler
	specs    map[string]federation.MemberSpec
	facts    map[string]federation.MemberFacts
}

func newOverriding(table *route.Table) *overriding {
	o := &overriding{specs: map[string]federation.MemberSpec{}, facts: map[string]federation.MemberFacts{}}
	for name, m := range table.Members {
		o.specs[name], o.facts[name] = m.Spec, m.Facts
	}
	return o
}

// in lists what the workload's overrides change in one member of the shares.
func (o *overriding) in(w federation.Workload, member string, shares []federation.AssignedMember) []*gatewayv1.OverrideEffect {
	effects, err := manifest.Overridden(w, manifest.Target{Member: o.specs[member], Facts: o.facts[member], Shares: shares, Expressions: &o.compiler})
	var out []*gatewayv1.OverrideEffect
	for _, e := range effects {
		out = append(out, &gatewayv1.OverrideEffect{
			Workload: w.Key.String(), Member: member, Override: int32(e.Override), When: w.Placement.Overrides[e.Override].When,
			Object: e.Object, Path: e.Path, From: e.From, To: e.To,
		})
	}
	if err != nil {
		out = append(out, &gatewayv1.OverrideEffect{Workload: w.Key.String(), Member: member, Error: err.Error()})
	}
	return out
}

// addOverrides tells what overrides change in the members that have the workload.
func addOverrides(table *route.Table, k federation.Key, members []*gatewayv1.WorkloadMember) {
	w, a := table.Workloads[k], table.Assignments[k]
	if len(w.Placement.Overrides) == 0 {
		return
	}
	o := newOverriding(table)
	for _, m := range members {
		if _, assigned := a.Replicas(m.GetMember()); assigned {
			m.Overrides = o.in(w, m.GetMember(), a.Members)
		}
	}
}

// simulated tells what overrides would change after a simulation.
func simulated(table *route.Table, q federation.SimulationRequest, s federation.Simulation) (out []*gatewayv1.OverrideEffect, unlisted int) {
	o := newOverriding(table)
	for i, m := range q.Add {
		o.specs[m.Name] = m
		if i < len(q.AddFacts) {
			o.facts[m.Name] = q.AddFacts[i]
		}
	}
	moves := map[federation.Key][]federation.Move{}
	for _, m := range s.Moves {
		moves[m.Workload] = append(moves[m.Workload], m)
	}
	for _, k := range table.Keys() {
		w := table.Workloads[k]
		policy, replaced := q.Policies[k]
		if replaced {
			w.Placement = policy.Defaulted()
		}
		if len(w.Placement.Overrides) == 0 || !replaced && len(moves[k]) == 0 {
			continue
		}
		shares, fresh := moved(table.Assignments[k].Members, moves[k])
		for _, share := range shares {
			if replaced || fresh[share.Member] {
				out = append(out, o.in(w, share.Member, shares)...)
			}
		}
	}
	if n := len(out) - mostEffects; n > 0 {
		return out[:mostEffects], n
	}
	return out, 0
}

// moved returns the shares after some moves, by member, and which members are new.
func moved(before []federation.AssignedMember, moves []federation.Move) (shares []federation.AssignedMember, fresh map[string]bool) {
	after, fresh := map[string]int64{}, map[string]bool{}
	for _, share := range before {
		after[share.Member] = share.Replicas
	}
	for _, m := range moves {
		if _, had := after[m.Member]; !had {
			fresh[m.Member] = true
		}
		if after[m.Member] = m.To; m.To == 0 {
			delete(after, m.Member)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		shares = append(shares, federation.AssignedMember{Member: name, Replicas: after[name]})
	}
	return shares, fresh
}
