package federationv1

import "github.com/hansa-io/hansa/federation"

// EncodeStatusRule writes a StatusRule; its Revision is the store's and not part of it.
func EncodeStatusRule(r federation.StatusRule) []byte { return encode(fromStatusRule(r)) }

// DecodeStatusRule reads what EncodeStatusRule wrote; the caller sets Revision.
func DecodeStatusRule(b []byte) (federation.StatusRule, error) {
	return decode("status rule", b, &StatusRule{}, func(m *StatusRule) (federation.StatusRule, error) {
		return toStatusRule(m), named("name", m.GetName())
	})
}

func fromStatusRule(r federation.StatusRule) *StatusRule {
	s := r.Spec
	return &StatusRule{
		Name: r.Name, Group: s.Target.Group, Kind: s.Target.Kind,
		Ready: s.Ready, Progressing: s.Progressing, Failed: s.Failed, Replicas: s.Replicas, ReadyReplicas: s.ReadyReplicas, Message: s.Message,
		Source: r.Source, AppliedAt: fromTime(r.AppliedAt), AppliedBy: r.AppliedBy,
	}
}

func toStatusRule(m *StatusRule) federation.StatusRule {
	return federation.StatusRule{
		Name: m.GetName(), Source: m.GetSource(), AppliedAt: toTime(m.GetAppliedAt()), AppliedBy: m.GetAppliedBy(),
		Spec: federation.StatusRuleSpec{
			Target: federation.GroupKind{Group: m.GetGroup(), Kind: m.GetKind()},
			Ready:  m.GetReady(), Progressing: m.GetProgressing(), Failed: m.GetFailed(),
			Replicas: m.GetReplicas(), ReadyReplicas: m.GetReadyReplicas(), Message: m.GetMessage(),
		},
	}
}
