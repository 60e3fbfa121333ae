package grpcserver

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
)

// ListStatusRules lists the rules by name.
func (s *Server) ListStatusRules(_ context.Context, r *gatewayv1.ListStatusRulesRequest) (*gatewayv1.ListStatusRulesResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListStatusRulesResponse{}
	if name := r.GetName(); name != "" {
		rule, ok := table.StatusRules[name]
		if !ok {
			return nil, messaging.Errorf(messaging.NotFound, "StatusRule %s does not exist: see \"hansa get statusrules\"", name)
		}
		out.Items = append(out.Items, toStatusRule(table, rule, true))
		return out, nil
	}
	for _, name := range slices.Sorted(maps.Keys(table.StatusRules)) {
		out.Items = append(out.Items, toStatusRule(table, table.StatusRules[name], false))
	}
	return out, nil
}

func toStatusRule(table *route.Table, r federation.StatusRule, objects bool) *gatewayv1.StatusRule {
	spec := r.Spec
	out := &gatewayv1.StatusRule{
		ApiVersion: apiVersion, Kind: "StatusRule",
		Metadata: &gatewayv1.Metadata{
			Name: r.Name, CreationTimestamp: toTime(r.AppliedAt), ResourceVersion: strconv.FormatUint(uint64(r.Revision), 10),
		},
		Spec: &gatewayv1.StatusRuleSpec{
			Target: &gatewayv1.StatusRuleTarget{Group: spec.Target.Group, Kind: spec.Target.Kind},
			Ready:  spec.Ready, Progressing: spec.Progressing, Failed: spec.Failed,
			Replicas: spec.Replicas, ReadyReplicas: spec.ReadyReplicas, Message: spec.Message, Source: r.Source,
		},
		Status: &gatewayv1.StatusRuleStatus{},
	}
	for _, k := range table.Keys() {
		ruled := map[string]bool{}
		for _, o := range table.Workloads[k].Objects {
			if o.GroupKind() == spec.Target {
				ruled[o.ID()] = true
			}
		}
		if len(ruled) == 0 {
			continue
		}
		out.Status.Workloads++
		if objects {
			out.Status.Objects = append(out.Status.Objects, ruledObjects(table, k, ruled)...)
		}
	}
	return out
}

// ruledObjects is what members tell of some objects of a workload.
func ruledObjects(table *route.Table, k federation.Key, ruled map[string]bool) []*gatewayv1.RuledObject {
	var out []*gatewayv1.RuledObject
	for _, m := range table.State(k).Members {
		status, _ := table.Status(k, m.Member)
		for _, o := range status.Objects {
			if !ruled[o.ID] {
				continue
			}
			one := &gatewayv1.RuledObject{Workload: k.String(), Member: m.Member, Id: o.ID, State: string(o.State), Message: o.Message}
			if m.Stale {
				one.State, one.Message = string(federation.WorkUnknown), "its member is silent"
			}
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b *gatewayv1.RuledObject) int {
		return cmp.Or(cmp.Compare(a.GetId(), b.GetId()), cmp.Compare(a.GetMember(), b.GetMember()))
	})
	return out
}
