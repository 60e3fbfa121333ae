package gateway

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// ruleKind is the kind of what is told about StatusRules.
const ruleKind = "StatusRule"

// checkRules refuses a second rule for a kind, and more rules than members should carry.
func (g *Gateway) checkRules(rules []federation.StatusRule, r grpcserver.Apply) error {
	left := maps.Clone(g.Table().StatusRules)
	for _, name := range g.rulesLeftBehind(rules, r) {
		delete(left, name)
	}
	for _, rule := range rules {
		delete(left, rule.Name)
	}
	if n := len(left) + len(rules); len(rules) > 0 && n > document.MaxRules {
		return messaging.Errorf(messaging.Invalid, "this would make %d StatusRules: there may be at most %d", n, document.MaxRules)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		for _, rule := range rules {
			if rule.Spec.Target == left[name].Spec.Target {
				return messaging.Errorf(messaging.Conflict, "StatusRule %s is for %s, as StatusRule %s is: change that one, or delete it first: hansa delete statusrule %s",
					rule.Name, rule.Spec.Target, name, name)
			}
		}
	}
	return nil
}

// applyRules writes rules, and removes those that the source no longer has.
func (g *Gateway) applyRules(ctx context.Context, rules []federation.StatusRule, r grpcserver.Apply) ([]grpcserver.Applied, error) {
	bucket, err := g.opts.Bus.Bucket(ctx, subject.StatusRules)
	if err != nil {
		return nil, err
	}
	gone := g.rulesLeftBehind(rules, r)
	records := make([]record, len(rules))
	for i, rule := range rules {
		records[i] = record{
			Applied: grpcserver.Applied{Kind: ruleKind, Key: federation.Key{Name: rule.Name}},
			about:   ruleKind + " " + rule.Name, key: subject.Token(rule.Name), value: federationv1.EncodeStatusRule(rule),
			same: func(stored []byte) bool { return sameRule(stored, rule, r.Prune) },
		}
	}
	out, err := writeAll(ctx, bucket, records, r.DryRun)
	if err != nil {
		return out, err
	}
	pruned, err := g.deleteRules(ctx, gone, r.DryRun)
	return append(out, pruned...), err
}

func sameRule(stored []byte, r federation.StatusRule, prune bool) bool {
	old, err := federationv1.DecodeStatusRule(stored)
	if err != nil {
		return false
	}
	old.AppliedAt, old.AppliedBy = r.AppliedAt, r.AppliedBy
	if !prune {
		old.Source = r.Source // as for workloads
	}
	return bytes.Equal(federationv1.EncodeStatusRule(old), federationv1.EncodeStatusRule(r))
}

// rulesLeftBehind lists what the same source applied before and no longer has.
func (g *Gateway) rulesLeftBehind(now []federation.StatusRule, r grpcserver.Apply) []string {
	if !r.Prune || r.Source == "" {
		return nil
	}
	var out []string
	rules := g.Table().StatusRules
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		kept := slices.ContainsFunc(now, func(n federation.StatusRule) bool { return n.Name == name })
		if rules[name].Source == r.Source && !kept {
			out = append(out, name)
		}
	}
	return out
}

// deleteRules removes rules; what they told is told by Kubernetes' conventions then.
func (g *Gateway) deleteRules(ctx context.Context, names []string, dryRun bool) ([]grpcserver.Applied, error) {
	if len(names) == 0 {
		return nil, nil
	}
	bucket, err := g.opts.Bus.Bucket(ctx, subject.StatusRules)
	if err != nil {
		return nil, err
	}
	var out []grpcserver.Applied
	for _, name := range names {
		err := remove(ctx, bucket, record{about: ruleKind + " " + name, key: subject.Token(name), list: "hansa get statusrules"}, dryRun)
		if err != nil {
			return out, err
		}
		out = append(out, grpcserver.Applied{Kind: ruleKind, Key: federation.Key{Name: name}, Action: "pruned"})
	}
	return out, nil
}
