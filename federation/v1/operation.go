package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

// EncodeOperation writes an Operation.
func EncodeOperation(o federation.Operation) []byte {
	var plan []byte
	if o.Plan != nil {
		plan = EncodeSimulation(*o.Plan)
	}
	return encode(&Operation{
		Plan: plan,
		Id:   o.ID, Request: fromOperationRequest(o.Request), State: string(o.State), Verdict: string(o.Verdict), Reason: o.Reason,
		Members: o.Members, SimulationHash: o.SimulationHash, PreviousHash: o.PreviousHash, Hash: o.Hash, Marks: fromMarks(o.Marks),
		Workloads: each(o.Workloads, func(w federation.WorkloadReport) *WorkloadReport {
			return &WorkloadReport{
				Workload: fromKey(w.Workload), Marks: fromMarks(w.Marks), Objective: fromObjective(w.Objective),
				Achieved: fromAchieved(w.Achieved), From: w.From, To: w.To, Verdict: string(w.Verdict), Reason: w.Reason,
				Before: each(w.Before, fromAssignedMember), After: each(w.After, fromAssignedMember),
			}
		}),
		Timeline: each(o.Timeline, func(t federation.TimelineEntry) *TimelineEntry {
			return &TimelineEntry{At: fromTime(t.At), Text: t.Text}
		}),
		Objective: fromObjective(o.Objective), Achieved: fromAchieved(o.Achieved), CreatedAt: fromTime(o.CreatedAt),
	})
}

// DecodeOperation reads what EncodeOperation wrote.
func DecodeOperation(b []byte) (federation.Operation, error) {
	return decode("operation", b, &Operation{}, func(m *Operation) (federation.Operation, error) {
		request, err := toOperationRequest(m.GetRequest())
		if err != nil {
			return federation.Operation{}, err
		}
		reports, err := eachErr(m.GetWorkloads(), toWorkloadReport)
		if err != nil {
			return federation.Operation{}, err
		}
		plan, err := toPlan(m.GetPlan())
		if err != nil {
			return federation.Operation{}, err
		}
		return federation.Operation{
			ID: m.GetId(), Request: request, State: federation.OperationState(m.GetState()), Verdict: federation.Verdict(m.GetVerdict()),
			Reason: m.GetReason(), Members: m.GetMembers(), SimulationHash: m.GetSimulationHash(), PreviousHash: m.GetPreviousHash(),
			Hash: m.GetHash(), Marks: toMarks(m.GetMarks()), Workloads: reports,
			Timeline: each(m.GetTimeline(), func(t *TimelineEntry) federation.TimelineEntry {
				return federation.TimelineEntry{At: toTime(t.GetAt()), Text: t.GetText()}
			}),
			Objective: toObjective(m.GetObjective()), Achieved: toAchieved(m.GetAchieved()), CreatedAt: toTime(m.GetCreatedAt()),
			Plan: plan,
		}, named("id", m.GetId())
	})
}

func toPlan(b []byte) (*federation.Simulation, error) {
	if len(b) == 0 {
		return nil, nil
	}
	s, err := DecodeSimulation(b)
	return &s, err
}

func toWorkloadReport(w *WorkloadReport) (federation.WorkloadReport, error) {
	key, err := toNamedKey(w.GetWorkload())
	return federation.WorkloadReport{
		Workload: key, Marks: toMarks(w.GetMarks()), Objective: toObjective(w.GetObjective()), Achieved: toAchieved(w.GetAchieved()),
		From: w.GetFrom(), To: w.GetTo(), Verdict: federation.Verdict(w.GetVerdict()), Reason: w.GetReason(),
		Before: each(w.GetBefore(), toAssignedMember), After: each(w.GetAfter(), toAssignedMember),
	}, err
}

// EncodeOperationRequest writes an OperationRequest.
func EncodeOperationRequest(r federation.OperationRequest) []byte {
	return encode(fromOperationRequest(r))
}

// DecodeOperationRequest reads what EncodeOperationRequest wrote.
func DecodeOperationRequest(b []byte) (federation.OperationRequest, error) {
	return decode("operation request", b, &OperationRequest{}, toOperationRequest)
}

func fromOperationRequest(r federation.OperationRequest) *OperationRequest {
	return &OperationRequest{
		Verb: r.Verb, Scope: r.Scope.String(), Mode: string(r.Mode), Level: r.Level, Hold: fromDuration(r.Hold),
		Initiator: r.Initiator, Reason: r.Reason, Budget: r.Budget,
		To: fromScope(r.To),
	}
}

// fromScope writes no scope as nothing.
func fromScope(s federation.Scope) string {
	if s == (federation.Scope{}) {
		return ""
	}
	return s.String()
}

func toScope(s string) (federation.Scope, error) {
	if s == "" {
		return federation.Scope{}, nil
	}
	return federation.ParseScope(s)
}

func toOperationRequest(r *OperationRequest) (federation.OperationRequest, error) {
	scope, err := federation.ParseScope(r.GetScope())
	if err != nil {
		return federation.OperationRequest{}, err
	}
	to, err := toScope(r.GetTo())
	if err != nil {
		return federation.OperationRequest{}, err
	}
	return federation.OperationRequest{
		Verb: r.GetVerb(), Scope: scope, To: to, Mode: federation.Mode(r.GetMode()), Level: r.GetLevel(), Hold: toDuration(r.GetHold()),
		Initiator: r.GetInitiator(), Reason: r.GetReason(), Budget: r.GetBudget(),
	}, nil
}

func fromObjective(o federation.ObjectiveSpec) *Objective {
	return &Objective{Rto: fromDuration(o.RTO.D()), Rpo: fromDuration(o.RPO.D())}
}

func toObjective(o *Objective) federation.ObjectiveSpec {
	return federation.ObjectiveSpec{
		RTO: federation.Duration(toDuration(o.GetRto())), RPO: federation.Duration(toDuration(o.GetRpo())),
	}
}

func fromAchieved(a federation.Achieved) *Achieved {
	return &Achieved{Rto: fromDuration(a.RTO), Downtime: fromDuration(a.Downtime), Detect: fromDuration(a.Detect)}
}

func toAchieved(a *Achieved) federation.Achieved {
	return federation.Achieved{RTO: toDuration(a.GetRto()), Downtime: toDuration(a.GetDowntime()), Detect: toDuration(a.GetDetect())}
}

// EncodeAbortRequest writes an AbortRequest.
func EncodeAbortRequest(r federation.AbortRequest) []byte {
	return encode(&AbortRequest{Id: r.ID, Reason: r.Reason, Who: r.Who})
}

// DecodeAbortRequest reads what EncodeAbortRequest wrote.
func DecodeAbortRequest(b []byte) (federation.AbortRequest, error) {
	return decode("abort request", b, &AbortRequest{}, func(m *AbortRequest) (federation.AbortRequest, error) {
		return federation.AbortRequest{ID: m.GetId(), Reason: m.GetReason(), Who: m.GetWho()}, named("id", m.GetId())
	})
}

// EncodeApproveRequest writes an ApproveRequest.
func EncodeApproveRequest(r federation.ApproveRequest) []byte {
	return encode(&ApproveRequest{Id: r.ID, Who: r.Who})
}

// DecodeApproveRequest reads what EncodeApproveRequest wrote.
func DecodeApproveRequest(b []byte) (federation.ApproveRequest, error) {
	return decode("approve request", b, &ApproveRequest{}, func(m *ApproveRequest) (federation.ApproveRequest, error) {
		return federation.ApproveRequest{ID: m.GetId(), Who: m.GetWho()}, named("id", m.GetId())
	})
}

// EncodeFreezeRequest writes a FreezeRequest.
func EncodeFreezeRequest(r federation.FreezeRequest) []byte {
	return encode(&FreezeRequest{Frozen: r.Frozen, Reason: r.Reason, Who: r.Who})
}

// DecodeFreezeRequest reads what EncodeFreezeRequest wrote.
func DecodeFreezeRequest(b []byte) (federation.FreezeRequest, error) {
	return decode("freeze request", b, &FreezeRequest{}, func(m *FreezeRequest) (federation.FreezeRequest, error) {
		return federation.FreezeRequest{Frozen: m.GetFrozen(), Reason: m.GetReason(), Who: m.GetWho()}, nil
	})
}

// EncodeEvent writes an Event; its Revision is the store's and not part of it.
func EncodeEvent(e federation.Event) []byte {
	return encode(&Event{At: fromTime(e.At), Type: e.Type, About: e.About, Who: e.Who, Text: e.Text, Trace: e.Trace})
}

// DecodeEvent reads what EncodeEvent wrote; the caller sets Revision.
func DecodeEvent(b []byte) (federation.Event, error) {
	return decode("event", b, &Event{}, func(m *Event) (federation.Event, error) {
		return federation.Event{
			At: toTime(m.GetAt()), Type: m.GetType(), About: m.GetAbout(), Who: m.GetWho(), Text: m.GetText(), Trace: m.GetTrace(),
		}, nil
	})
}
