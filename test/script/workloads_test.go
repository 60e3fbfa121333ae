package script

import (
	"bytes"
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

type workloads struct {
	gatewayv1.UnimplementedWorkloadsServiceServer
	f *federation
}

// Apply looks for words in the files: "wrong" is refused, "slow" never becomes
// ready.
func (s workloads) Apply(_ context.Context, request *gatewayv1.ApplyRequest) (*gatewayv1.ApplyResponse, error) {
	answer := &gatewayv1.ApplyResponse{}
	for _, file := range request.GetFiles() {
		if bytes.Contains(file.GetContent(), []byte("wrong")) {
			return nil, status.Errorf(codes.InvalidArgument, "%s:3: spec.replcas: unknown field: did you mean \"replicas\"?", file.GetName())
		}
		name := "web"
		if bytes.Contains(file.GetContent(), []byte("slow")) {
			name = "cart"
		}
		answer.Results = append(answer.Results, &gatewayv1.ApplyResult{
			Kind: "Workload", Namespace: "shop", Name: name, Action: "configured", Objects: 3, Revision: 12,
		})
	}
	if request.GetPrune() {
		answer.Results = append(answer.Results, &gatewayv1.ApplyResult{Kind: "Workload", Namespace: "shop", Name: "old", Action: "pruned"})
	}
	return answer, nil
}

func (s workloads) Delete(_ context.Context, request *gatewayv1.DeleteRequest) (*gatewayv1.DeleteResponse, error) {
	name := request.GetName()
	if request.GetKind() == "StatusRule" && name == "databases" {
		return &gatewayv1.DeleteResponse{Results: []*gatewayv1.ApplyResult{{Kind: "StatusRule", Name: name, Action: "pruned"}}}, nil
	}
	if len(request.GetFiles()) > 0 {
		name = "web"
	}
	if s.find(request.GetNamespace(), name) == nil && len(request.GetFiles()) == 0 {
		return nil, status.Error(codes.NotFound, "no such workload")
	}
	return &gatewayv1.DeleteResponse{Results: []*gatewayv1.ApplyResult{
		{Kind: "Workload", Namespace: "shop", Name: name, Action: "deleted", Objects: 3, Revision: 14},
	}}, nil
}

// ListStatusRules has one rule, of which one member tells something.
func (s workloads) ListStatusRules(_ context.Context, request *gatewayv1.ListStatusRulesRequest) (*gatewayv1.ListStatusRulesResponse, error) {
	if request.GetName() != "" && request.GetName() != "databases" {
		return nil, status.Error(codes.NotFound, "no such rule")
	}
	rule := &gatewayv1.StatusRule{
		ApiVersion: "hansa.io/v1alpha1", Kind: "StatusRule", Metadata: &gatewayv1.Metadata{Name: "databases"},
		Spec: &gatewayv1.StatusRuleSpec{
			Target: &gatewayv1.StatusRuleTarget{Group: "db.example.com", Kind: "Database"},
			Ready:  `object.status.phase == "Running"`, Source: "/srv/rules",
		},
		Status: &gatewayv1.StatusRuleStatus{Workloads: 1},
	}
	if request.GetName() != "" {
		rule.Status.Objects = []*gatewayv1.RuledObject{{
			Workload: "shop/db", Member: "tokyo", Id: "db.example.com/v1/Database shop/db", State: "Progressing", Message: "StatusRule databases: ready: no such key: status",
		}}
	}
	return &gatewayv1.ListStatusRulesResponse{Items: []*gatewayv1.StatusRule{rule}}, nil
}

func (s workloads) find(namespace, name string) *gatewayv1.Workload {
	for _, w := range s.f.workloads {
		if w.GetMetadata().GetNamespace() == namespace && w.GetMetadata().GetName() == name {
			return w
		}
	}
	return nil
}

func (s workloads) ListWorkloads(_ context.Context, request *gatewayv1.ListWorkloadsRequest) (*gatewayv1.ListWorkloadsResponse, error) {
	answer := &gatewayv1.ListWorkloadsResponse{}
	for _, w := range s.f.workloads {
		if ns := request.GetNamespace(); ns == "" || ns == w.GetMetadata().GetNamespace() {
			answer.Items = append(answer.Items, w)
		}
	}
	return answer, nil
}

func (s workloads) GetWorkload(_ context.Context, request *gatewayv1.GetWorkloadRequest) (*gatewayv1.GetWorkloadResponse, error) {
	w := s.find(request.GetNamespace(), request.GetName())
	if w == nil {
		return nil, status.Error(codes.NotFound, "no such workload")
	}
	return &gatewayv1.GetWorkloadResponse{Workload: w}, nil
}

// WatchWorkloads sends all workloads, web once more as Progressing and again as
// Ready, then that cart is gone, and ends when the client does.
func (s workloads) WatchWorkloads(_ *gatewayv1.WatchWorkloadsRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchWorkloadsResponse]) error {
	busy, ok := proto.Clone(s.f.web()).(*gatewayv1.Workload)
	if !ok {
		return status.Error(codes.Internal, "a clone has another type")
	}
	busy.Status.State, busy.Status.Ready, busy.Metadata.ResourceVersion = "Progressing", 3, "11"
	for _, answer := range []*gatewayv1.WatchWorkloadsResponse{
		{Workload: busy}, {Workload: s.f.cart()}, {Synced: true}, {Workload: s.f.web()},
	} {
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func (s workloads) Explain(_ context.Context, request *gatewayv1.ExplainRequest) (*gatewayv1.ExplainResponse, error) {
	w := s.find(request.GetNamespace(), request.GetName())
	if w == nil {
		return nil, status.Error(codes.NotFound, "no such workload")
	}
	return &gatewayv1.ExplainResponse{
		Workload: "shop/web", Epoch: 2, Summary: "5 replicas on 2 of 3 members", DecidedAt: w.GetStatus().GetDecidedAt(),
		Reason: "frankfurt is unreachable", Rules: []string{"spread by region: 2 to 3"}, InputsHash: "5ea1",
		Changes: []*gatewayv1.Difference{
			{Member: "frankfurt", From: 2, Before: "chosen, 80.0 points", After: "health: unreachable for 5 min"},
			{Member: "tokyo", From: 1, To: 3, Before: "chosen, 88.0 points", After: "chosen, 87.5 points"},
		},
		Members: []*gatewayv1.MemberExplanation{
			{Member: "frankfurt", Filter: "health", Reason: "unreachable for 5 min", Remedy: "hansa member start frankfurt"},
			{Member: "tokyo", Chosen: true, Replicas: 3, Fits: 31, Total: 87.5, Scores: []*gatewayv1.Score{
				{Name: "latency", Value: 90, Weight: 3, Detail: "9 ms to the users"}, {Name: "balance", Value: 80, Weight: 1},
			}},
			{Member: "virginia", Chosen: true, Replicas: 2, Fits: 30, Total: 61, Scores: []*gatewayv1.Score{
				{Name: "latency", Value: 55, Weight: 3}, {Name: "balance", Value: 79, Weight: 1},
			}},
		},
	}, nil
}

func (s workloads) Simulate(_ context.Context, request *gatewayv1.SimulateRequest) (*gatewayv1.SimulateResponse, error) {
	if len(request.GetAdd())+len(request.GetPolicies()) > 0 {
		return &gatewayv1.SimulateResponse{Fits: true, Headroom: 0.5, Moves: []*gatewayv1.Move{{Workload: "shop/web", Member: "osaka", To: int32(len(request.GetAdd()[0].GetContent()) / 10)}}}, nil
	}
	if len(request.GetScale()) > 0 {
		return &gatewayv1.SimulateResponse{
			Unmet:    []*gatewayv1.Unmet{{Workload: "shop/web", Replicas: 7, Tier: 1, Reason: "cpu: 3.5 cores are missing in us-east"}},
			Headroom: 0.02, Rules: []string{"shop/web: spread by region"}, SnapshotHash: "abcd",
		}, nil
	}
	return &gatewayv1.SimulateResponse{
		Fits: true, Headroom: 0.34, Lost: []string{"frankfurt"}, SnapshotHash: "abcd",
		Moves: []*gatewayv1.Move{{Workload: "shop/web", Member: "frankfurt", From: 2}, {Workload: "shop/web", Member: "tokyo", From: 2, To: 4}},
		Overrides: []*gatewayv1.OverrideEffect{
			{
				Workload: "shop/web", Member: "tokyo", Override: 1, When: `member.region == "ap-northeast"`, Object: "apps/v1/Deployment shop/web",
				Path: "spec.paused", To: "true",
			},
			{Workload: "shop/web", Member: "virginia", Error: "overrides[1]: when: no such key: rack"},
		}, OverridesUnlisted: 2,
	}, nil
}
