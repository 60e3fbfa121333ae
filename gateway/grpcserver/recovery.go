package grpcserver

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// StartOperation asks the hub to gate and start an operation.
func (s *Server) StartOperation(ctx context.Context, r *gatewayv1.StartOperationRequest) (*gatewayv1.StartOperationResponse, error) {
	scope, err := federation.ParseScope(r.GetScope())
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "%v", err)
	}
	var to federation.Scope
	if r.GetTo() != "" {
		if to, err = federation.ParseScope(r.GetTo()); err != nil {
			return nil, messaging.Errorf(messaging.Invalid, "to: %v", err)
		}
	}
	request := federation.OperationRequest{
		Verb: r.GetVerb(), Scope: scope, To: to, Mode: federation.Mode(r.GetMode()), Level: r.GetLevel(), Hold: r.GetHold().AsDuration(),
		Initiator: who(ctx), Reason: r.GetReason(), Budget: r.GetBudget(),
	}
	op, err := s.operation(ctx, subject.HubOperation, federationv1.EncodeOperationRequest(request))
	if err != nil {
		return nil, err
	}
	return &gatewayv1.StartOperationResponse{Operation: op}, nil
}

// AbortOperation asks the hub to end an operation.
func (s *Server) AbortOperation(ctx context.Context, r *gatewayv1.AbortOperationRequest) (*gatewayv1.AbortOperationResponse, error) {
	request := federation.AbortRequest{ID: r.GetId(), Reason: r.GetReason(), Who: who(ctx)}
	op, err := s.operation(ctx, subject.HubAbort, federationv1.EncodeAbortRequest(request))
	if err != nil {
		return nil, err
	}
	return &gatewayv1.AbortOperationResponse{Operation: op}, nil
}

// ApproveOperation asks the hub to let an operation go on.
func (s *Server) ApproveOperation(ctx context.Context, r *gatewayv1.ApproveOperationRequest) (*gatewayv1.ApproveOperationResponse, error) {
	request := federation.ApproveRequest{ID: r.GetId(), Who: who(ctx)}
	op, err := s.operation(ctx, subject.HubApprove, federationv1.EncodeApproveRequest(request))
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ApproveOperationResponse{Operation: op}, nil
}

// Freeze asks the hub to stop automation, or to let it act again.
func (s *Server) Freeze(ctx context.Context, r *gatewayv1.FreezeRequest) (*gatewayv1.FreezeResponse, error) {
	request := federation.FreezeRequest{Frozen: r.GetFrozen(), Reason: r.GetReason(), Who: who(ctx)}
	op, err := s.operation(ctx, subject.HubFreeze, federationv1.EncodeFreezeRequest(request))
	if err != nil {
		return nil, err
	}
	return &gatewayv1.FreezeResponse{Operation: op}, nil
}

func (s *Server) operation(ctx context.Context, method string, request []byte) (*gatewayv1.Operation, error) {
	b, err := s.opts.Hub.Request(ctx, subject.Hub(method), request)
	if err != nil {
		return nil, err
	}
	op, err := federationv1.DecodeOperation(b)
	if err != nil {
		return nil, err
	}
	return toOperation(op), nil
}

func unknownOperation(id string) error {
	return messaging.Errorf(messaging.NotFound, "operation %q does not exist: see \"hansa get operations\"", id)
}

// GetOperation returns one operation with its report so far.
func (s *Server) GetOperation(_ context.Context, r *gatewayv1.GetOperationRequest) (*gatewayv1.GetOperationResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	op, ok := table.Operations[r.GetId()]
	if !ok {
		return nil, unknownOperation(r.GetId())
	}
	return &gatewayv1.GetOperationResponse{Operation: toOperation(op)}, nil
}

// ListOperations lists operations, newest first.
func (s *Server) ListOperations(_ context.Context, _ *gatewayv1.ListOperationsRequest) (*gatewayv1.ListOperationsResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	all := slices.SortedFunc(maps.Values(table.Operations), func(a, b federation.Operation) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	out := &gatewayv1.ListOperationsResponse{}
	for _, op := range all {
		out.Items = append(out.Items, toOperation(op))
	}
	return out, nil
}

// knownWithin is how long a watch waits for the record of an operation that has
// just been started.
const knownWithin = 5 * time.Second

// WatchOperation sends the operation each time it changes, until it has ended.
func (s *Server) WatchOperation(r *gatewayv1.WatchOperationRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchOperationResponse]) error {
	var last *gatewayv1.Operation
	unknown := time.NewTimer(knownWithin)
	defer unknown.Stop()
	for {
		changed := s.opts.Tables.Changed()
		table, err := s.table()
		if err != nil {
			return err
		}
		op, ok := table.Operations[r.GetId()]
		if now := toOperation(op); ok && !proto.Equal(now, last) {
			unknown.Stop()
			if err := stream.Send(&gatewayv1.WatchOperationResponse{Operation: now}); err != nil {
				return err
			}
			last = now
		}
		if op.State.Ended() {
			return nil
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-unknown.C:
			return unknownOperation(r.GetId())
		case <-changed:
		}
	}
}

func toOperation(op federation.Operation) *gatewayv1.Operation {
	out := &gatewayv1.Operation{
		Id: op.ID, Verb: op.Request.Verb, Scope: op.Request.Scope.String(), Mode: string(op.Request.Mode), Level: op.Request.Level,
		State: string(op.State), Verdict: string(op.Verdict), Reason: op.Reason, Members: op.Members, Marks: toMarks(op.Marks),
		Achieved: toAchieved(op.Marks, op.Achieved), Objective: toObjective(op.Objective), Initiator: op.Request.Initiator,
		CreatedAt: toTime(op.CreatedAt), Hash: op.Hash, PreviousHash: op.PreviousHash,
	}
	for _, w := range op.Workloads {
		out.Workloads = append(out.Workloads, &gatewayv1.WorkloadReport{
			Workload: w.Workload.String(), Marks: toMarks(w.Marks), Achieved: toAchieved(w.Marks, w.Achieved),
			Objective: toObjective(w.Objective), From: w.From, To: w.To, Verdict: string(w.Verdict), Reason: w.Reason,
		})
	}
	if op.Plan != nil {
		out.Plan = toSimulation(*op.Plan)
	}
	for _, t := range op.Timeline {
		out.Timeline = append(out.Timeline, &gatewayv1.TimelineEntry{At: toTime(t.At), Text: t.Text})
	}
	return out
}

func toMarks(marks map[federation.Mark]time.Time) map[string]*timestamppb.Timestamp {
	out := make(map[string]*timestamppb.Timestamp, len(marks))
	for mark, at := range marks {
		out[string(mark)] = timestamppb.New(at)
	}
	return out
}

// toAchieved says −1 for what was not reached.
func toAchieved(marks map[federation.Mark]time.Time, a federation.Achieved) *gatewayv1.Achieved {
	out := &gatewayv1.Achieved{RtoMs: -1, DowntimeMs: toMillis(a.Downtime), DetectMs: -1}
	if _, ok := marks[federation.T9Steady]; ok {
		out.RtoMs = toMillis(a.RTO)
	}
	if _, ok := marks[federation.T3Verdict]; ok {
		out.DetectMs = toMillis(a.Detect)
	}
	return out
}

func toObjective(o federation.ObjectiveSpec) *gatewayv1.Objective {
	return &gatewayv1.Objective{RtoMs: toMillis(o.RTO.D()), RpoMs: toMillis(o.RPO.D())}
}
