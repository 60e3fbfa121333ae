package script

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

type recovery struct {
	gatewayv1.UnimplementedRecoveryServiceServer
	f *federation
}

// StartOperation starts the canned drill of the scope; one of a zone is refused
// at once.
func (s recovery) StartOperation(_ context.Context, request *gatewayv1.StartOperationRequest) (*gatewayv1.StartOperationResponse, error) {
	if request.GetMode() == "DryRun" {
		return &gatewayv1.StartOperationResponse{Operation: &gatewayv1.Operation{
			Id: "d0d0", Verb: request.GetVerb(), Scope: request.GetScope(), Mode: "DryRun", State: "Completed", Verdict: "PASS",
			Plan: &gatewayv1.SimulateResponse{
				Fits: true, Headroom: 0.4, Moves: []*gatewayv1.Move{{Workload: "shop/web", Member: "frankfurt", To: int32(request.GetBudget())}},
			},
		}}, nil
	}
	for _, o := range s.f.operations {
		if o.GetScope() != request.GetScope() || o.GetVerb() != request.GetVerb() {
			continue
		}
		if o.GetState() == "Refused" {
			return &gatewayv1.StartOperationResponse{Operation: o}, nil
		}
		return &gatewayv1.StartOperationResponse{Operation: &gatewayv1.Operation{Id: o.GetId(), State: "Running"}}, nil
	}
	return nil, status.Errorf(codes.FailedPrecondition, "G1: member frankfurt is Unreachable: a drill needs every member healthy")
}

func (s recovery) ListOperations(context.Context, *gatewayv1.ListOperationsRequest) (*gatewayv1.ListOperationsResponse, error) {
	answer := &gatewayv1.ListOperationsResponse{}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.f.operations))) {
		answer.Items = append(answer.Items, s.f.operations[id])
	}
	live := &gatewayv1.Operation{Id: "01ad", Verb: "failover", Scope: "member=frankfurt", Mode: "Live", State: "Running", CreatedAt: s.f.passed().GetCreatedAt()}
	answer.Items = append(answer.Items, live)
	return answer, nil
}

func (s recovery) GetOperation(_ context.Context, request *gatewayv1.GetOperationRequest) (*gatewayv1.GetOperationResponse, error) {
	o := s.f.operations[request.GetId()]
	if o == nil {
		return nil, status.Errorf(codes.NotFound, "operation %s: not found", request.GetId())
	}
	return &gatewayv1.GetOperationResponse{Operation: o}, nil
}

// WatchOperation sends the operation with a timeline that grows; 9c0d loses its
// gateway once on the way.
func (s recovery) WatchOperation(request *gatewayv1.WatchOperationRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchOperationResponse]) error {
	final := s.f.operations[request.GetId()]
	for n := range final.GetTimeline() {
		running, ok := proto.Clone(final).(*gatewayv1.Operation)
		if !ok {
			return status.Error(codes.Internal, "a clone has another type")
		}
		running.State, running.Verdict, running.Timeline = "Running", "", final.GetTimeline()[:n+1]
		if err := stream.Send(&gatewayv1.WatchOperationResponse{Operation: running}); err != nil {
			return err
		}
		if s.breaks(request.GetId(), n) {
			return status.Error(codes.Unavailable, "the gateway stops")
		}
	}
	if err := stream.Send(&gatewayv1.WatchOperationResponse{Operation: final}); err != nil {
		return err
	}
	if final.GetState() == "Held" {
		<-stream.Context().Done()
	}
	return nil
}

func (s recovery) ApproveOperation(_ context.Context, request *gatewayv1.ApproveOperationRequest) (*gatewayv1.ApproveOperationResponse, error) {
	return &gatewayv1.ApproveOperationResponse{Operation: &gatewayv1.Operation{Id: request.GetId(), State: "Running"}}, nil
}

func (s recovery) Freeze(_ context.Context, request *gatewayv1.FreezeRequest) (*gatewayv1.FreezeResponse, error) {
	if !request.GetFrozen() {
		return nil, status.Error(codes.FailedPrecondition, "automation is not frozen")
	}
	return &gatewayv1.FreezeResponse{Operation: &gatewayv1.Operation{Id: "f0f0", Verb: "freeze", State: "Held", Reason: request.GetReason()}}, nil
}

// breaks reports, once, that the stream of 9c0d is to be cut after two lines.
func (s recovery) breaks(id string, line int) bool {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if id != "9c0d" || line != 1 || s.f.frozen == "cut" {
		return false
	}
	s.f.frozen = "cut"
	return true
}

func (s recovery) AbortOperation(_ context.Context, request *gatewayv1.AbortOperationRequest) (*gatewayv1.AbortOperationResponse, error) {
	o := s.f.operations[request.GetId()]
	switch {
	case o == nil:
		return nil, status.Errorf(codes.NotFound, "operation %s: not found", request.GetId())
	case o.GetState() == "Completed":
		return nil, status.Errorf(codes.FailedPrecondition, "operation %s has ended: nothing to abort", request.GetId())
	}
	return &gatewayv1.AbortOperationResponse{Operation: &gatewayv1.Operation{Id: o.GetId(), State: "Aborting"}}, nil
}
