package federationv1

import (
	"github.com/hansa-io/hansa/federation"
)

// EncodeBeat writes a Beat.
func EncodeBeat(b federation.Beat) []byte {
	return encode(&Beat{
		Member: b.Member, Incarnation: uint64(b.Incarnation), Sequence: b.Sequence, Stall: fromDuration(b.Stall),
		HubSequence: b.HubSequence, HubAge: fromDuration(b.HubAge), HubTerm: b.HubTerm,
		Api: uint32(b.Layers.API), Etcd: uint32(b.Layers.Etcd), Ingress: uint32(b.Layers.Ingress),
		Nodes: b.Layers.Nodes, NodesReady: b.Layers.NodesReady,
		Peers: each(b.Peers, func(p federation.PeerObservation) *PeerObservation {
			return &PeerObservation{Member: p.Member, Ingress: uint32(p.Ingress), Age: fromDuration(p.Age), Detail: p.Detail}
		}),
		Goodbye: b.Goodbye, IngressAt: b.IngressAt,
	})
}

// DecodeBeat reads what EncodeBeat wrote.
func DecodeBeat(b []byte) (federation.Beat, error) {
	return decode("beat", b, &Beat{}, func(m *Beat) (federation.Beat, error) {
		signals, err := eachErr([]uint32{m.GetApi(), m.GetEtcd(), m.GetIngress()}, toSignal)
		if err != nil {
			return federation.Beat{}, err
		}
		peers, err := eachErr(m.GetPeers(), func(p *PeerObservation) (federation.PeerObservation, error) {
			s, err := toSignal(p.GetIngress())
			return federation.PeerObservation{Member: p.GetMember(), Ingress: s, Age: toDuration(p.GetAge()), Detail: p.GetDetail()}, err
		})
		if err != nil {
			return federation.Beat{}, err
		}
		return federation.Beat{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), Sequence: m.GetSequence(),
			Stall: toDuration(m.GetStall()), HubSequence: m.GetHubSequence(), HubAge: toDuration(m.GetHubAge()), HubTerm: m.GetHubTerm(),
			Layers: federation.Layers{
				API: signals[0], Etcd: signals[1], Ingress: signals[2], Nodes: m.GetNodes(), NodesReady: m.GetNodesReady(),
			},
			Peers: peers, Goodbye: m.GetGoodbye(), IngressAt: m.GetIngressAt(),
		}, named("member", m.GetMember())
	})
}

func fromHolding(h federation.Holding) *Holding {
	return &Holding{Workload: fromKey(h.Workload), Epoch: uint64(h.Epoch), Stopped: h.Stopped, Revision: uint64(h.Revision)}
}

func toHolding(h *Holding) (federation.Holding, error) {
	key, err := toNamedKey(h.GetWorkload())
	return federation.Holding{Workload: key, Epoch: federation.Epoch(h.GetEpoch()), Stopped: h.GetStopped(), Revision: federation.Revision(h.GetRevision())}, err
}

// EncodeHubBeat writes a HubBeat.
func EncodeHubBeat(b federation.HubBeat) []byte {
	return encode(&HubBeat{
		Term: b.Term, Sequence: b.Sequence, Frozen: b.Frozen, Full: b.Full, Heads: fromHeads(b.Heads), Hub: b.Hub, Hubs: b.Hubs, Imports: b.Imports,
		Members: each(b.Members, func(m federation.MemberBeat) *MemberBeat {
			return &MemberBeat{
				Member: m.Member, Health: m.Health.String(), Incarnation: uint64(m.Incarnation),
				Withdrawn: m.Withdrawn, HeardAge: fromDuration(m.HeardAge), Masked: m.Masked,
			}
		}),
		Masks: each(b.Masks, func(f federation.FaultMask) *FaultMask {
			return &FaultMask{Operation: f.Operation, Members: f.Members, Level: f.Level, Lifetime: fromDuration(f.Lifetime)}
		}),
		Looks: each(b.Looks, func(l federation.Look) *Look { return &Look{Member: l.Member, IngressAt: l.IngressAt} }),
	})
}

// DecodeHubBeat reads what EncodeHubBeat wrote.
func DecodeHubBeat(b []byte) (federation.HubBeat, error) {
	return decode("hub beat", b, &HubBeat{}, func(m *HubBeat) (federation.HubBeat, error) {
		members, err := eachErr(m.GetMembers(), func(v *MemberBeat) (federation.MemberBeat, error) {
			h, err := federation.ParseHealth(v.GetHealth())
			return federation.MemberBeat{
				Member: v.GetMember(), Health: h, Incarnation: federation.Incarnation(v.GetIncarnation()),
				Withdrawn: v.GetWithdrawn(), HeardAge: toDuration(v.GetHeardAge()), Masked: v.GetMasked(),
			}, err
		})
		if err != nil {
			return federation.HubBeat{}, err
		}
		return federation.HubBeat{
			Term: m.GetTerm(), Sequence: m.GetSequence(), Members: members, Frozen: m.GetFrozen(), Full: m.GetFull(),
			Masks: each(m.GetMasks(), func(f *FaultMask) federation.FaultMask {
				return federation.FaultMask{
					Operation: f.GetOperation(), Members: f.GetMembers(), Level: f.GetLevel(), Lifetime: toDuration(f.GetLifetime()),
				}
			}),
			Heads: toHeads(m.GetHeads()), Hub: m.GetHub(), Hubs: m.GetHubs(), Imports: m.GetImports(),
			Looks: each(m.GetLooks(), func(l *Look) federation.Look {
				return federation.Look{Member: l.GetMember(), IngressAt: l.GetIngressAt()}
			}),
		}, nil
	})
}

func fromHeads(m map[string]federation.Revision) map[string]uint64 {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]uint64, len(m))
	for bucket, revision := range m {
		out[bucket] = uint64(revision)
	}
	return out
}

func toHeads(m map[string]uint64) map[string]federation.Revision {
	if m == nil {
		return nil
	}
	out := make(map[string]federation.Revision, len(m))
	for bucket, revision := range m {
		out[bucket] = federation.Revision(revision)
	}
	return out
}

// EncodeOpinion writes an Opinion.
func EncodeOpinion(o federation.Opinion) []byte {
	return encode(&Opinion{
		Hub: o.Hub, Name: o.Name, Term: o.Term, Sequence: o.Sequence,
		Members: each(o.Members, func(m federation.MemberOpinion) *MemberOpinion {
			return &MemberOpinion{
				Member: m.Member, Health: m.Health.String(), Verdict: m.Verdict, Reason: m.Reason,
				Silent: m.Silent, HeardAge: fromDuration(m.HeardAge), Withdrawn: m.Withdrawn, Api: uint32(m.API), Agent: uint32(m.Agent),
			}
		}),
	})
}

// DecodeOpinion reads what EncodeOpinion wrote.
func DecodeOpinion(b []byte) (federation.Opinion, error) {
	return decode("opinion", b, &Opinion{}, func(m *Opinion) (federation.Opinion, error) {
		members, err := eachErr(m.GetMembers(), func(v *MemberOpinion) (federation.MemberOpinion, error) {
			h, err := federation.ParseHealth(v.GetHealth())
			if err != nil {
				return federation.MemberOpinion{}, err
			}
			seen, err := eachErr([]uint32{v.GetApi(), v.GetAgent()}, toSignal)
			if err != nil {
				return federation.MemberOpinion{}, err
			}
			return federation.MemberOpinion{
				Member: v.GetMember(), Health: h, Verdict: v.GetVerdict(), Reason: v.GetReason(),
				Silent: v.GetSilent(), HeardAge: toDuration(v.GetHeardAge()), Withdrawn: v.GetWithdrawn(),
				API: seen[0], Agent: seen[1],
			}, nil
		})
		if err != nil {
			return federation.Opinion{}, err
		}
		return federation.Opinion{
			Hub: m.GetHub(), Name: m.GetName(), Term: m.GetTerm(), Sequence: m.GetSequence(), Members: members,
		}, named("hub", m.GetHub())
	})
}

// EncodeGatewayBeat writes a GatewayBeat.
func EncodeGatewayBeat(b federation.GatewayBeat) []byte {
	return encode(&GatewayBeat{Gateway: b.Gateway, Term: b.Term, Sequence: b.Sequence, Withdrawn: b.Withdrawn})
}

// DecodeGatewayBeat reads what EncodeGatewayBeat wrote.
func DecodeGatewayBeat(b []byte) (federation.GatewayBeat, error) {
	return decode("gateway beat", b, &GatewayBeat{}, func(m *GatewayBeat) (federation.GatewayBeat, error) {
		return federation.GatewayBeat{
			Gateway: m.GetGateway(), Term: m.GetTerm(), Sequence: m.GetSequence(), Withdrawn: m.GetWithdrawn(),
		}, named("gateway", m.GetGateway())
	})
}

// EncodeQueryReport writes a QueryReport.
func EncodeQueryReport(r federation.QueryReport) []byte {
	return encode(&QueryReport{Gateway: r.Gateway, Counts: each(r.Counts, func(c federation.QueryCount) *QueryCount {
		return &QueryCount{Service: fromKey(c.Service), At: c.At, Queries: c.Queries}
	})})
}

// DecodeQueryReport reads what EncodeQueryReport wrote.
func DecodeQueryReport(b []byte) (federation.QueryReport, error) {
	return decode("query report", b, &QueryReport{}, func(m *QueryReport) (federation.QueryReport, error) {
		counts, err := eachErr(m.GetCounts(), func(c *QueryCount) (federation.QueryCount, error) {
			key, err := toNamedKey(c.GetService())
			return federation.QueryCount{Service: key, At: c.GetAt(), Queries: c.GetQueries()}, err
		})
		if err != nil {
			return federation.QueryReport{}, err
		}
		return federation.QueryReport{Gateway: m.GetGateway(), Counts: counts}, named("gateway", m.GetGateway())
	})
}

// EncodeHello writes a Hello.
func EncodeHello(h federation.Hello) []byte {
	return encode(&Hello{
		Member: h.Member, Incarnation: uint64(h.Incarnation), ClusterId: h.ClusterID,
		Holdings: each(h.Holdings, fromHolding), Synced: h.Synced, Sequence: h.Sequence, Held: uint64(h.Held),
		AgentAt: h.AgentAt,
	})
}

// DecodeHello reads what EncodeHello wrote.
func DecodeHello(b []byte) (federation.Hello, error) {
	return decode("hello", b, &Hello{}, func(m *Hello) (federation.Hello, error) {
		holdings, err := eachErr(m.GetHoldings(), toHolding)
		if err != nil {
			return federation.Hello{}, err
		}
		return federation.Hello{
			Member: m.GetMember(), Incarnation: federation.Incarnation(m.GetIncarnation()), ClusterID: m.GetClusterId(),
			Holdings: holdings, Synced: m.GetSynced(), Sequence: m.GetSequence(), Held: federation.Revision(m.GetHeld()),
			AgentAt: m.GetAgentAt(),
		}, named("member", m.GetMember())
	})
}

// EncodeHelloReply writes a HelloReply.
func EncodeHelloReply(r federation.HelloReply) []byte {
	return encode(&HelloReply{
		Term: r.Term, Health: r.Health.String(), Keep: each(r.Keep, fromHolding), Stop: each(r.Stop, fromHolding), Reason: r.Reason, Synced: r.Synced,
		BusUrls: r.BusURLs, BusCa: r.BusCA,
	})
}

// DecodeHelloReply reads what EncodeHelloReply wrote.
func DecodeHelloReply(b []byte) (federation.HelloReply, error) {
	return decode("hello reply", b, &HelloReply{}, func(m *HelloReply) (federation.HelloReply, error) {
		h, err := federation.ParseHealth(m.GetHealth())
		if err != nil {
			return federation.HelloReply{}, err
		}
		keep, err := eachErr(m.GetKeep(), toHolding)
		if err != nil {
			return federation.HelloReply{}, err
		}
		stop, err := eachErr(m.GetStop(), toHolding)
		return federation.HelloReply{
			Term: m.GetTerm(), Health: h, Keep: keep, Stop: stop, Reason: m.GetReason(), Synced: m.GetSynced(),
			BusURLs: m.GetBusUrls(), BusCA: m.GetBusCa(),
		}, err
	})
}
