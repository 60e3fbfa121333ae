package gateway_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func operation(id string, state federation.OperationState) federation.Operation {
	return federation.Operation{
		ID: id, State: state, CreatedAt: began, Members: []string{"tokyo"},
		Request: federation.OperationRequest{Verb: "drill", Scope: federation.Scope{By: "member", Value: "tokyo"}, Mode: federation.Drill, Level: "L4"},
		Marks:   map[federation.Mark]time.Time{federation.T0Fault: began},
	}
}

func (w *world) operation(op federation.Operation) {
	w.t.Helper()
	w.put(subject.Operations, subject.Token(op.ID), federationv1.EncodeOperation(op))
	w.until("aware of "+op.ID, func() bool { return w.gateway.Table().Operations[op.ID].State == op.State })
}

func TestOperations(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewRecoveryServiceClient(w.conn)
	w.hub(subject.HubOperation, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeOperationRequest(b)
		if err != nil || r.Scope.Value == "mars" {
			return nil, messaging.Errorf(messaging.Refused, "G1: no member is in %s", r.Scope)
		}
		op := operation("7f3a", federation.OperationRunning)
		op.Request = r
		return federationv1.EncodeOperation(op), nil
	})
	started, err := api.StartOperation(w.as(operator), &gatewayv1.StartOperationRequest{
		Verb: "drill", Scope: "member=tokyo", Mode: "Drill", Level: "L4", Hold: durationpb.New(time.Minute), Reason: "monthly",
	})
	must(t, err)
	if op := started.GetOperation(); op.GetId() != "7f3a" || op.GetInitiator() != "olga" || op.GetScope() != "member=tokyo" || op.GetAchieved().GetRtoMs() != -1 {
		t.Errorf("got %v", op)
	}
	if r, err := federationv1.DecodeOperationRequest(w.lastAsked()); err != nil || r.Hold != time.Minute || r.Reason != "monthly" || r.Mode != federation.Drill {
		t.Errorf("the hub was asked for %+v %v", r, err)
	}
	_, err = api.StartOperation(w.as(operator), &gatewayv1.StartOperationRequest{Verb: "drill", Scope: "region=mars", Mode: "Drill"})
	refused(t, err, codes.FailedPrecondition, "G1: no member is in region=mars")
	if _, err = api.StartOperation(w.as(operator), &gatewayv1.StartOperationRequest{Verb: "drill", Scope: "mars"}); err == nil || !strings.Contains(err.Error(), "mars") {
		t.Errorf("got %v", err)
	}

	w.operation(operation("7f3a", federation.OperationRunning))
	older := operation("0001", federation.OperationCompleted)
	older.CreatedAt = began.Add(-time.Hour)
	w.operation(older)
	list, err := api.ListOperations(w.as(viewer), &gatewayv1.ListOperationsRequest{})
	must(t, err)
	if len(list.GetItems()) != 2 || list.GetItems()[0].GetId() != "7f3a" {
		t.Errorf("not newest first: %v", list)
	}
	one, err := api.GetOperation(w.as(viewer), &gatewayv1.GetOperationRequest{Id: "7f3a"})
	must(t, err)
	if !one.GetOperation().GetMarks()["T0"].AsTime().Equal(began) {
		t.Errorf("got %v", one)
	}
	_, err = api.GetOperation(w.as(viewer), &gatewayv1.GetOperationRequest{Id: "none"})
	refused(t, err, codes.NotFound, `operation "none" does not exist: see "hansa get operations"`)

	w.hub(subject.HubAbort, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeAbortRequest(b)
		if err != nil || r.ID != "7f3a" || r.Who != "olga" {
			return nil, messaging.Errorf(messaging.NotFound, "no operation %q", r.ID)
		}
		return federationv1.EncodeOperation(operation("7f3a", federation.OperationAborting)), nil
	})
	aborted, err := api.AbortOperation(w.as(operator), &gatewayv1.AbortOperationRequest{Id: "7f3a", Reason: "enough"})
	must(t, err)
	if aborted.GetOperation().GetState() != "Aborting" {
		t.Errorf("got %v", aborted)
	}
	_, err = api.AbortOperation(w.as(operator), &gatewayv1.AbortOperationRequest{Id: "none"})
	refused(t, err, codes.NotFound, `no operation "none"`)
}

// TestVerbs: a plan comes with a dry run, and the hub hears who asks.
func TestVerbs(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewRecoveryServiceClient(w.conn)
	w.hub(subject.HubOperation, func(b []byte) ([]byte, error) {
		op := operation("7f3a", federation.OperationCompleted)
		op.Request, _ = federationv1.DecodeOperationRequest(b)
		op.Plan = &federation.Simulation{Fits: true, Headroom: 0.25, Moves: []federation.Move{{Workload: web, Member: "tokyo", From: 3, To: 1}}}
		return federationv1.EncodeOperation(op), nil
	})
	started, err := api.StartOperation(w.as(operator), &gatewayv1.StartOperationRequest{Verb: "failback", Scope: "member=tokyo", Mode: "DryRun", Budget: 7})
	must(t, err)
	if plan := started.GetOperation().GetPlan(); !plan.GetFits() || plan.GetHeadroom() != 0.25 || plan.GetMoves()[0].GetTo() != 1 {
		t.Errorf("planned %v", plan)
	}
	if r, err := federationv1.DecodeOperationRequest(w.lastAsked()); err != nil || r.Budget != 7 || r.Mode != federation.DryRun {
		t.Errorf("the hub was asked for %+v %v", r, err)
	}

	w.hub(subject.HubApprove, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeApproveRequest(b)
		if err != nil || r != (federation.ApproveRequest{ID: "7f3a", Who: "olga"}) {
			return nil, messaging.Errorf(messaging.Invalid, "asked %+v", r)
		}
		return federationv1.EncodeOperation(operation("7f3a", federation.OperationRunning)), nil
	})
	approved, err := api.ApproveOperation(w.as(operator), &gatewayv1.ApproveOperationRequest{Id: "7f3a"})
	must(t, err)
	if approved.GetOperation().GetState() != "Running" {
		t.Errorf("got %v", approved)
	}

	w.hub(subject.HubFreeze, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeFreezeRequest(b)
		if err != nil || r != (federation.FreezeRequest{Frozen: true, Reason: "release day", Who: "olga"}) {
			return nil, messaging.Errorf(messaging.Refused, "asked %+v", r)
		}
		return federationv1.EncodeOperation(operation("f0f0", federation.OperationHeld)), nil
	})
	frozen, err := api.Freeze(w.as(operator), &gatewayv1.FreezeRequest{Frozen: true, Reason: "release day"})
	must(t, err)
	if frozen.GetOperation().GetState() != "Held" {
		t.Errorf("got %v", frozen)
	}
	_, err = api.Freeze(w.as(operator), &gatewayv1.FreezeRequest{})
	refused(t, err, codes.FailedPrecondition, "asked {Frozen:false Reason: Who:olga}")
}

// TestWatchOperation: each state once, and the end of the stream with the end of
// the operation.
func TestWatchOperation(t *testing.T) {
	w := newWorld(t)
	w.operation(operation("7f3a", federation.OperationRunning))
	stream, err := gatewayv1.NewRecoveryServiceClient(w.conn).WatchOperation(w.as(viewer), &gatewayv1.WatchOperationRequest{Id: "7f3a"})
	must(t, err)
	for _, state := range []federation.OperationState{federation.OperationRunning, federation.OperationVerifying, federation.OperationCompleted} {
		if state != federation.OperationRunning {
			w.operation(operation("7f3a", state))
		}
		got, err := stream.Recv()
		must(t, err)
		if got.GetOperation().GetState() != string(state) {
			t.Errorf("got %s, want %s", got.GetOperation().GetState(), state)
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func TestEventsAndStatus(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 2)
	for i, about := range []string{"member/tokyo", "workload/shop/web", "member/tokyo"} {
		at := began.Add(time.Duration(i) * time.Second)
		w.put(subject.Events, at.Format("150405"), federationv1.EncodeEvent(federation.Event{At: at, Type: "Health", About: about, Who: "hub", Text: at.Format("05")}))
	}
	w.until("eventful", func() bool { return len(w.gateway.Table().Events) == 3 })
	api := gatewayv1.NewEventsServiceClient(w.conn)
	texts := func(r *gatewayv1.ListEventsRequest) string {
		t.Helper()
		got, err := api.ListEvents(w.as(viewer), r)
		must(t, err)
		var out []string
		for _, e := range got.GetItems() {
			out = append(out, e.GetText())
		}
		return strings.Join(out, " ")
	}
	for want, r := range map[string]*gatewayv1.ListEventsRequest{
		"05 06 07": {}, "05 07": {About: "member/tokyo"}, "07": {About: "member/tokyo", Limit: 1}, "": {About: "member/none"},
	} {
		if got := texts(r); got != want {
			t.Errorf("%v: got %q, want %q", r, got, want)
		}
	}
	status, err := api.GetStatus(w.as(viewer), &gatewayv1.GetStatusRequest{})
	must(t, err)
	if status.GetVersion() != "v1.2.3" || !status.GetSynced() || !status.GetBusConnected() || status.GetMembersHealthy() != 2 ||
		status.GetWorkloadsReady() != 1 || status.GetHubTerm() != 7 || status.GetHubAgeMs() < 0 {
		t.Errorf("got %v", status)
	}
}
