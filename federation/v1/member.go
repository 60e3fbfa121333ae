package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

// EncodeMemberSpec writes a MemberSpec.
func EncodeMemberSpec(s federation.MemberSpec) []byte {
	return encode(fromMemberSpec(s))
}

func fromMemberSpec(s federation.MemberSpec) *MemberSpec {
	return &MemberSpec{
		Name: s.Name, Place: fromPlace(s.Place), Labels: s.Labels, Cordoned: s.Cordoned, Draining: s.Draining,
		Taints:  each(s.Taints, fromTaint),
		Account: s.Account, ClusterId: s.ClusterID, ProbeUrl: s.ProbeURL, ProbeCa: s.ProbeCA, JoinedAt: fromTime(s.JoinedAt),
		SealKey: s.SealKey, SealedTo: s.SealedTo,
		User: fromBusUser(s.User), NextUser: fromBusUser(s.NextUser), EndedUsers: s.EndedUsers, RotateBy: fromTime(s.RotateBy),
		Leaving: fromLeaving(s.Leaving), AgentAt: s.AgentAt, Peers: fromNamedPeers(s.Peers),
	}
}

// DecodeMemberSpec reads what EncodeMemberSpec wrote.
func DecodeMemberSpec(b []byte) (federation.MemberSpec, error) {
	return decode("member", b, &MemberSpec{}, func(m *MemberSpec) (federation.MemberSpec, error) {
		return toMemberSpec(m), named("name", m.GetName())
	})
}

func toMemberSpec(m *MemberSpec) federation.MemberSpec {
	return federation.MemberSpec{
		Name: m.GetName(), Place: toPlace(m.GetPlace()), Labels: m.GetLabels(), Cordoned: m.GetCordoned(), Draining: m.GetDraining(),
		Taints:  each(m.GetTaints(), toTaint),
		Account: m.GetAccount(), ClusterID: m.GetClusterId(), ProbeURL: m.GetProbeUrl(), ProbeCA: m.GetProbeCa(),
		JoinedAt: toTime(m.GetJoinedAt()), SealKey: m.GetSealKey(), SealedTo: m.GetSealedTo(),
		User: toBusUser(m.GetUser()), NextUser: toBusUser(m.GetNextUser()), EndedUsers: m.GetEndedUsers(), RotateBy: toTime(m.GetRotateBy()),
		Leaving: toLeaving(m.GetLeaving()), AgentAt: m.GetAgentAt(), Peers: toNamedPeers(m.GetPeers()),
	}
}

// EncodeMemberFacts writes a MemberFacts.
func EncodeMemberFacts(f federation.MemberFacts) []byte {
	return encode(fromMemberFacts(f))
}

func fromMemberFacts(f federation.MemberFacts) *MemberFacts {
	return &MemberFacts{
		Member: f.Member, Incarnation: uint64(f.Incarnation), Sequence: f.Sequence, KubernetesVersion: f.KubernetesVersion,
		Nodes: f.Nodes, NodesReady: f.NodesReady, NodeKind: f.NodeKind, NodeKinds: f.NodeKinds,
		Allocatable: fromResources(f.Allocatable), Free: fromResources(f.Free),
		Classes: each(f.Classes, fromNodeClass), Tainted: each(f.Tainted, fromNodeClass),
		Kinds: f.Kinds, ObservedAt: fromTime(f.ObservedAt),
		Quotas: each(f.Quotas, func(q federation.Quota) *Quota { return &Quota{Namespace: q.Namespace, Free: q.Free} }),
	}
}

// DecodeMemberFacts reads what EncodeMemberFacts wrote.
func DecodeMemberFacts(b []byte) (federation.MemberFacts, error) {
	return decode("member facts", b, &MemberFacts{}, func(m *MemberFacts) (federation.MemberFacts, error) {
		return toMemberFacts(m), named("member", m.GetMember())
	})
}

func toMemberFacts(m *MemberFacts) federation.MemberFacts {
	return federation.MemberFacts{
		Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(),
		KubernetesVersion: m.GetKubernetesVersion(), Nodes: m.GetNodes(), NodesReady: m.GetNodesReady(), NodeKind: m.GetNodeKind(), NodeKinds: m.GetNodeKinds(),
		Allocatable: toResources(m.GetAllocatable()), Free: toResources(m.GetFree()),
		Classes: each(m.GetClasses(), toNodeClass), Tainted: each(m.GetTainted(), toNodeClass),
		Quotas: each(m.GetQuotas(), func(q *Quota) federation.Quota {
			return federation.Quota{Namespace: q.GetNamespace(), Free: q.GetFree()}
		}),
		Kinds: m.GetKinds(), ObservedAt: toTime(m.GetObservedAt()),
	}
}

func fromNodeClass(c federation.NodeClass) *NodeClass {
	return &NodeClass{
		Name: c.Name, Nodes: c.Nodes, Allocatable: fromResources(c.Allocatable),
		Free: each(c.Free, fromResources), Room: fromResources(c.Room), Taints: each(c.Taints, fromTaint),
	}
}

func toNodeClass(c *NodeClass) federation.NodeClass {
	return federation.NodeClass{
		Name: c.GetName(), Nodes: c.GetNodes(), Allocatable: toResources(c.GetAllocatable()),
		Free: each(c.GetFree(), toResources), Room: toResources(c.GetRoom()), Taints: each(c.GetTaints(), toTaint),
	}
}

func fromTaint(t federation.Taint) *Taint {
	return &Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)}
}

func toTaint(t *Taint) federation.Taint {
	return federation.Taint{Key: t.GetKey(), Value: t.GetValue(), Effect: federation.TaintEffect(t.GetEffect())}
}

// EncodeHealthRecord writes a HealthRecord.
func EncodeHealthRecord(r federation.HealthRecord) []byte {
	return encode(&HealthRecord{
		Member: r.Member, Health: r.Health.String(), Incarnation: uint64(r.Incarnation), Verdict: r.Verdict,
		Reason: r.Reason, Since: fromTime(r.Since), Masked: r.Masked, Ingress: r.Ingress,
	})
}

// DecodeHealthRecord reads what EncodeHealthRecord wrote.
func DecodeHealthRecord(b []byte) (federation.HealthRecord, error) {
	return decode("health record", b, &HealthRecord{}, func(m *HealthRecord) (federation.HealthRecord, error) {
		h, err := federation.ParseHealth(m.GetHealth())
		if err != nil {
			return federation.HealthRecord{}, err
		}
		return federation.HealthRecord{
			Member: m.GetMember(), Health: h, Incarnation: federation.Incarnation(m.GetIncarnation()), Verdict: m.GetVerdict(),
			Reason: m.GetReason(), Since: toTime(m.GetSince()), Masked: m.GetMasked(), Ingress: m.GetIngress(),
		}, named("member", m.GetMember())
	})
}

// EncodeExport writes an Export.
func EncodeExport(e federation.Export) []byte {
	return encode(&Export{
		Member: e.Member, Incarnation: uint64(e.Incarnation), Sequence: e.Sequence, Service: fromKey(e.Service), Type: e.Type,
		Ports: each(e.Ports, func(p federation.Port) *Port {
			return &Port{Name: p.Name, Protocol: p.Protocol, Port: p.Port, Target: p.Target, AppProtocol: p.AppProtocol}
		}),
		Endpoints: each(e.Endpoints, func(p federation.Endpoint) *Endpoint {
			return &Endpoint{
				Address: p.Address, Ready: p.Ready, Serving: p.Serving, Terminating: p.Terminating,
				Zone: p.Zone, Node: p.Node, Hostname: p.Hostname,
			}
		}),
		ExportedAt: fromTime(e.ExportedAt), ObservedAt: fromTime(e.ObservedAt), Removed: e.Removed,
	})
}

// DecodeExport reads what EncodeExport wrote.
func DecodeExport(b []byte) (federation.Export, error) {
	return decode("export", b, &Export{}, func(m *Export) (federation.Export, error) {
		service, err := toNamedKey(m.GetService())
		if err != nil {
			return federation.Export{}, err
		}
		return federation.Export{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(),
			Service: service, Type: m.GetType(),
			Ports: each(m.GetPorts(), func(p *Port) federation.Port {
				return federation.Port{
					Name: p.GetName(), Protocol: p.GetProtocol(), Port: p.GetPort(), Target: p.GetTarget(), AppProtocol: p.GetAppProtocol(),
				}
			}),
			Endpoints: each(m.GetEndpoints(), func(p *Endpoint) federation.Endpoint {
				return federation.Endpoint{
					Address: p.GetAddress(), Ready: p.GetReady(), Serving: p.GetServing(), Terminating: p.GetTerminating(),
					Zone: p.GetZone(), Node: p.GetNode(), Hostname: p.GetHostname(),
				}
			}),
			ExportedAt: toTime(m.GetExportedAt()), ObservedAt: toTime(m.GetObservedAt()), Removed: m.GetRemoved(),
		}, named("member", m.GetMember())
	})
}
