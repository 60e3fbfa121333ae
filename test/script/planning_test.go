package script

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

func (workloads) GetReadiness(context.Context, *gatewayv1.GetReadinessRequest) (*gatewayv1.GetReadinessResponse, error) {
	return &gatewayv1.GetReadinessResponse{
		Score: 62.5, SnapshotHash: "abcd", CheckedAt: timestamppb.New(time.Now().Add(-4 * time.Minute)),
		Scenarios: []*gatewayv1.Scenario{
			{
				Lost: "region=us-east", Score: 62.5, Displaced: 8, Short: 3, Fix: "shop/web is short of 2 replicas: cpu",
				Unmet: []*gatewayv1.Unmet{{Workload: "shop/web", Replicas: 2, Reason: "cpu"}, {Workload: "shop/cart", Replicas: 1, Tier: 1, Reason: "memory"}},
			},
			{Lost: "member=tokyo", Score: 100, Displaced: 2},
		},
	}, nil
}

func (s workloads) Rebalance(_ context.Context, r *gatewayv1.RebalanceRequest) (*gatewayv1.RebalanceResponse, error) {
	switch {
	case r.GetName() != "" && s.find(r.GetNamespace(), r.GetName()) == nil:
		return nil, status.Error(codes.NotFound, "no such workload")
	case r.GetBudget() == 1:
		return &gatewayv1.RebalanceResponse{SnapshotHash: "abcd"}, nil
	}
	return &gatewayv1.RebalanceResponse{SnapshotHash: "abcd", Moves: []*gatewayv1.Move{
		{Workload: "shop/web", Member: "tokyo", From: 3, To: 2}, {Workload: "shop/web", Member: "virginia", From: 2, To: 3},
	}}, nil
}

func (s workloads) Replay(_ context.Context, r *gatewayv1.ReplayRequest) (*gatewayv1.ReplayResponse, error) {
	if s.find(r.GetNamespace(), r.GetName()) == nil {
		return nil, status.Error(codes.NotFound, "no such workload")
	}
	if r.GetName() == "cart" {
		return &gatewayv1.ReplayResponse{Workload: "shop/cart", Epoch: 1, Detail: "its inputs are no longer kept"}, nil
	}
	return &gatewayv1.ReplayResponse{Workload: "shop/web", Epoch: 2, InputsHash: "5ea1", Same: true, Detail: "the same inputs give the same decision: tokyo 3, virginia 2, 0 unmet"}, nil
}

func (workloads) SetScore(_ context.Context, r *gatewayv1.SetScoreRequest) (*gatewayv1.SetScoreResponse, error) {
	if len(r.GetValues()) == 0 && r.GetName() != "cost" {
		return nil, status.Errorf(codes.NotFound, "no score %q: see \"hansa get scores\"", r.GetName())
	}
	return &gatewayv1.SetScoreResponse{}, nil
}

func (workloads) ListScores(context.Context, *gatewayv1.ListScoresRequest) (*gatewayv1.ListScoresResponse, error) {
	return &gatewayv1.ListScoresResponse{Scores: []*gatewayv1.ExternalScore{
		{Name: "carbon", Values: map[string]float64{"tokyo": 480}, Expired: true, ReportedAt: timestamppb.New(time.Now().Add(-2 * time.Hour))},
		{Name: "cost", Values: map[string]float64{"tokyo": 0.052, "frankfurt": 3}, Source: "ann", ReportedAt: timestamppb.New(time.Now().Add(-4 * time.Minute))},
	}}, nil
}
