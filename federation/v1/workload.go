package federationv1

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hansa-io/hansa/federation"
)

// EncodeWorkload writes a Workload; its Revision is the store's and not part of it.
func EncodeWorkload(w federation.Workload) []byte {
	spec, err := json.Marshal(w.Placement)
	if err != nil {
		panic(fmt.Sprintf("encode workload %s: %v", w.Key, err)) // a Patch that is not JSON; package document refuses it
	}
	return encode(&Workload{
		Key: fromKey(w.Key), Placement: spec, ObjectsZstd: fromObjects(w.Objects),
		Source: w.Source, AppliedAt: fromTime(w.AppliedAt), AppliedBy: w.AppliedBy, Sealed: fromSealed(w.Sealed), Digest: w.Digest,
	})
}

// DecodeWorkload reads what EncodeWorkload wrote; the caller sets Revision.
func DecodeWorkload(b []byte) (federation.Workload, error) {
	return decode("workload", b, &Workload{}, func(m *Workload) (federation.Workload, error) {
		key, err := toNamedKey(m.GetKey())
		if err != nil {
			return federation.Workload{}, err
		}
		var spec federation.PlacementSpec
		if err := json.NewDecoder(bytes.NewReader(m.GetPlacement())).Decode(&spec); err != nil {
			return federation.Workload{}, fmt.Errorf("placement of %s: %w", key, err)
		}
		objects, err := toObjects(m.GetObjectsZstd())
		if err != nil {
			return federation.Workload{}, err
		}
		return federation.Workload{
			Key: key, Placement: spec, Objects: objects,
			Source: m.GetSource(), AppliedAt: toTime(m.GetAppliedAt()), AppliedBy: m.GetAppliedBy(),
			Sealed: toSealed(m.GetSealed()), Digest: m.GetDigest(),
		}, nil
	})
}

// EncodeAssignment writes an Assignment.
func EncodeAssignment(a federation.Assignment) []byte {
	return encode(&Assignment{
		Workload: fromKey(a.Workload), WorkloadRevision: uint64(a.WorkloadRevision), Epoch: uint64(a.Epoch),
		Members: each(a.Members, fromAssignedMember),
		Unmet:   a.Unmet, Explanation: fromExplanation(a.Explanation), InputsHash: a.InputsHash, Reason: a.Reason,
		DecidedAt: fromTime(a.DecidedAt), Operation: a.Operation, ReadyIn: fromDuration(a.ReadyIn), Grown: a.Grown, Strays: a.Strays,
	})
}

// DecodeAssignment reads what EncodeAssignment wrote.
func DecodeAssignment(b []byte) (federation.Assignment, error) {
	return decode("assignment", b, &Assignment{}, func(m *Assignment) (federation.Assignment, error) {
		key, err := toNamedKey(m.GetWorkload())
		if err != nil {
			return federation.Assignment{}, err
		}
		return federation.Assignment{
			Workload: key, WorkloadRevision: federation.Revision(m.GetWorkloadRevision()), Epoch: federation.Epoch(m.GetEpoch()),
			Members: each(m.GetMembers(), toAssignedMember),
			Unmet:   m.GetUnmet(), Explanation: toExplanation(m.GetExplanation()), InputsHash: m.GetInputsHash(), Reason: m.GetReason(),
			DecidedAt: toTime(m.GetDecidedAt()), Operation: m.GetOperation(), ReadyIn: toDuration(m.GetReadyIn()), Grown: m.GetGrown(), Strays: m.GetStrays(),
		}, nil
	})
}

func fromAssignedMember(m federation.AssignedMember) *AssignedMember {
	return &AssignedMember{Member: m.Member, Replicas: m.Replicas, Since: uint64(m.Since), Shifted: m.Shifted}
}

func toAssignedMember(a *AssignedMember) federation.AssignedMember {
	return federation.AssignedMember{
		Member: a.GetMember(), Replicas: a.GetReplicas(), Since: federation.Epoch(a.GetSince()), Shifted: a.GetShifted(),
	}
}

func fromExplanation(e federation.Explanation) *Explanation {
	return &Explanation{
		Summary: e.Summary, Rules: e.Rules, Relaxation: e.Relaxation,
		Changes: each(e.Changes, func(d federation.Difference) *Difference {
			return &Difference{Member: d.Member, From: d.From, To: d.To, Before: d.Before, After: d.After}
		}),
		Members: each(e.Members, func(m federation.MemberExplanation) *MemberExplanation {
			return &MemberExplanation{
				Member: m.Member, Chosen: m.Chosen, Filter: m.Filter, Reason: m.Reason, Remedy: m.Remedy,
				Scores: each(m.Scores, func(s federation.Score) *Score {
					return &Score{Name: s.Name, Value: s.Value, Weight: s.Weight, Detail: s.Detail}
				}),
				Total: m.Total, Replicas: m.Replicas, Fits: m.Fits,
			}
		}),
	}
}

// toExplanation keeps one copy of each text: what is said of a thousand members differs in
// little.
func toExplanation(e *Explanation) federation.Explanation {
	texts := map[string]string{}
	once := func(s string) string {
		if known, ok := texts[s]; ok {
			return known
		}
		texts[s] = s
		return s
	}
	return federation.Explanation{
		Summary: e.GetSummary(), Rules: e.GetRules(), Relaxation: e.GetRelaxation(),
		Changes: each(e.GetChanges(), func(d *Difference) federation.Difference {
			return federation.Difference{Member: d.GetMember(), From: d.GetFrom(), To: d.GetTo(), Before: d.GetBefore(), After: d.GetAfter()}
		}),
		Members: each(e.GetMembers(), func(m *MemberExplanation) federation.MemberExplanation {
			return federation.MemberExplanation{
				Member: m.GetMember(), Chosen: m.GetChosen(), Filter: once(m.GetFilter()), Reason: once(m.GetReason()), Remedy: once(m.GetRemedy()),
				Scores: each(m.GetScores(), func(s *Score) federation.Score {
					return federation.Score{Name: once(s.GetName()), Value: s.GetValue(), Weight: s.GetWeight(), Detail: once(s.GetDetail())}
				}),
				Total: m.GetTotal(), Replicas: m.GetReplicas(), Fits: m.GetFits(),
			}
		}),
	}
}

// EncodeWork writes a Work: one message with all its objects, so that a member
// gets all of a revision or nothing of it.
func EncodeWork(w federation.Work) []byte {
	return encode(&Work{
		Workload: fromKey(w.Workload), Member: w.Member, Epoch: uint64(w.Epoch), WorkloadRevision: uint64(w.WorkloadRevision),
		Replicas: w.Replicas, Takeover: w.Landing.Takeover, Drift: w.Landing.Drift, Deletion: w.Landing.Deletion, Immutable: w.Landing.Immutable,
		Continuity: string(w.Continuity), Tier: int32(w.Tier), ObjectsZstd: fromObjects(w.Objects), Removed: w.Removed,
		Sealed: fromSealed(w.Sealed), StatusRules: each(w.StatusRules, fromStatusRule), Variant: w.Variant,
	})
}

// DecodeWork reads what EncodeWork wrote.
func DecodeWork(b []byte) (federation.Work, error) {
	return decode("work", b, &Work{}, func(m *Work) (federation.Work, error) {
		key, err := toNamedKey(m.GetWorkload())
		if err != nil {
			return federation.Work{}, err
		}
		objects, err := toObjects(m.GetObjectsZstd())
		if err != nil {
			return federation.Work{}, err
		}
		return federation.Work{
			Workload: key, Member: m.GetMember(), Epoch: federation.Epoch(m.GetEpoch()),
			WorkloadRevision: federation.Revision(m.GetWorkloadRevision()), Replicas: m.GetReplicas(),
			Landing:    federation.LandingSpec{Takeover: m.GetTakeover(), Drift: m.GetDrift(), Deletion: m.GetDeletion(), Immutable: m.GetImmutable()},
			Continuity: federation.Continuity(m.GetContinuity()), Tier: int(m.GetTier()), Objects: objects, Removed: m.GetRemoved(),
			Sealed: toSealed(m.GetSealed()), StatusRules: each(m.GetStatusRules(), toStatusRule), Variant: m.GetVariant(),
		}, named("member", m.GetMember())
	})
}

// EncodeWorkStatus writes a WorkStatus.
func EncodeWorkStatus(s federation.WorkStatus) []byte {
	return encode(&WorkStatus{
		Workload: fromKey(s.Workload), Member: s.Member, Incarnation: uint64(s.Incarnation), Sequence: s.Sequence,
		Epoch: uint64(s.Epoch), WorkloadRevision: uint64(s.WorkloadRevision), State: string(s.State), Message: s.Message,
		Replicas: s.Replicas, Ready: s.Ready, Unschedulable: s.Unschedulable, RulesDigest: s.RulesDigest, Variant: s.Variant,
		Objects:    each(s.Objects, fromObjectStatus),
		ObservedAt: fromTime(s.ObservedAt),
	})
}

// DecodeWorkStatus reads what EncodeWorkStatus wrote.
func DecodeWorkStatus(b []byte) (federation.WorkStatus, error) {
	return decode("work status", b, &WorkStatus{}, func(m *WorkStatus) (federation.WorkStatus, error) {
		key, err := toNamedKey(m.GetWorkload())
		if err != nil {
			return federation.WorkStatus{}, err
		}
		return federation.WorkStatus{
			Workload: key, Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(),
			Epoch: federation.Epoch(m.GetEpoch()), WorkloadRevision: federation.Revision(m.GetWorkloadRevision()),
			State: federation.WorkState(m.GetState()), Message: m.GetMessage(), Replicas: m.GetReplicas(), Ready: m.GetReady(), Unschedulable: m.GetUnschedulable(), RulesDigest: m.GetRulesDigest(), Variant: m.GetVariant(),
			Objects:    each(m.GetObjects(), toObjectStatus),
			ObservedAt: toTime(m.GetObservedAt()),
		}, named("member", m.GetMember())
	})
}

func fromObjectStatus(o federation.ObjectStatus) *ObjectStatus {
	return &ObjectStatus{
		Id: o.ID, State: string(o.State), Message: o.Message, CorrectedAt: fromTime(o.CorrectedAt),
		Drift: each(o.Drift, func(d federation.FieldDrift) *FieldDrift {
			return &FieldDrift{Path: d.Path, Manager: d.Manager, Wanted: d.Wanted, Found: d.Found}
		}),
	}
}

func toObjectStatus(o *ObjectStatus) federation.ObjectStatus {
	return federation.ObjectStatus{
		ID: o.GetId(), State: federation.WorkState(o.GetState()), Message: o.GetMessage(), CorrectedAt: toTime(o.GetCorrectedAt()),
		Drift: each(o.GetDrift(), func(d *FieldDrift) federation.FieldDrift {
			return federation.FieldDrift{Path: d.GetPath(), Manager: d.GetManager(), Wanted: d.GetWanted(), Found: d.GetFound()}
		}),
	}
}
