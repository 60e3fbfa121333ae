package federationv1

import "github.com/hansa-io/hansa/federation"

// EncodeBusRequest writes the request, which says nothing.
func EncodeBusRequest(struct{}) []byte { return encode(&BusRequest{}) }

// DecodeBusRequest reads what EncodeBusRequest wrote.
func DecodeBusRequest(b []byte) (struct{}, error) {
	return decode("bus request", b, &BusRequest{}, func(*BusRequest) (struct{}, error) { return struct{}{}, nil })
}

// EncodeBusReport writes a BusReport.
func EncodeBusReport(r federation.BusReport) []byte {
	return encode(&BusReport{
		At: fromTime(r.At), Leader: r.Leader, Wanted: int64(r.Wanted), Servers: each(r.Servers, fromBusServer),
		Streams: each(r.Streams, fromBusStream), Consumers: each(r.Consumers, fromBusConsumer),
		Connections: each(r.Connections, fromBusConnection), Orphans: r.Orphans, Omitted: r.Omitted,
	})
}

// DecodeBusReport reads what EncodeBusReport wrote.
func DecodeBusReport(b []byte) (federation.BusReport, error) {
	return decode("bus report", b, &BusReport{}, func(m *BusReport) (federation.BusReport, error) {
		return federation.BusReport{
			At: toTime(m.GetAt()), Leader: m.GetLeader(), Wanted: int(m.GetWanted()), Servers: each(m.GetServers(), toBusServer),
			Streams: each(m.GetStreams(), toBusStream), Consumers: each(m.GetConsumers(), toBusConsumer),
			Connections: each(m.GetConnections(), toBusConnection), Orphans: m.GetOrphans(), Omitted: m.GetOmitted(),
		}, nil
	})
}

func fromBusServer(s federation.BusServer) *BusServer {
	return &BusServer{
		Name: s.Name, Id: s.ID, Version: s.Version, Started: fromTime(s.Started), ClockOffset: fromDuration(s.ClockOffset), Cpu: s.CPU,
		Memory: s.Memory, Connections: s.Connections, SlowClients: s.SlowClients, Leads: s.Leads, LeadsCluster: s.LeadsCluster,
		Routes: each(s.Routes, func(r federation.BusRoute) *BusRoute {
			return &BusRoute{Server: r.Server, Rtt: fromDuration(r.RTT), Pending: r.Pending}
		}),
		JetStream: &BusStore{
			Enabled: s.JetStream.Enabled, SyncAlways: s.JetStream.SyncAlways, Domain: s.JetStream.Domain,
			Used: s.JetStream.Used, Limit: s.JetStream.Limit, Memory: s.JetStream.Memory,
		},
		MaxPayload: s.MaxPayload, MaxControl: s.MaxControl, CertificateEnds: fromTime(s.CertificateEnds), Lacks: s.Lacks,
	}
}

func toBusServer(m *BusServer) federation.BusServer {
	store := m.GetJetStream()
	return federation.BusServer{
		Name: m.GetName(), ID: m.GetId(), Version: m.GetVersion(), Started: toTime(m.GetStarted()), ClockOffset: toDuration(m.GetClockOffset()),
		CPU: m.GetCpu(), Memory: m.GetMemory(), Connections: m.GetConnections(), SlowClients: m.GetSlowClients(), Leads: m.GetLeads(),
		LeadsCluster: m.GetLeadsCluster(),
		Routes: each(m.GetRoutes(), func(r *BusRoute) federation.BusRoute {
			return federation.BusRoute{Server: r.GetServer(), RTT: toDuration(r.GetRtt()), Pending: r.GetPending()}
		}),
		JetStream: federation.BusStore{
			Enabled: store.GetEnabled(), SyncAlways: store.GetSyncAlways(), Domain: store.GetDomain(),
			Used: store.GetUsed(), Limit: store.GetLimit(), Memory: store.GetMemory(),
		},
		MaxPayload: m.GetMaxPayload(), MaxControl: m.GetMaxControl(), CertificateEnds: toTime(m.GetCertificateEnds()), Lacks: m.GetLacks(),
	}
}

func fromBusStream(s federation.BusStream) *BusStream {
	return &BusStream{
		Bucket: s.Bucket, Stream: s.Stream, Member: s.Member, Missing: s.Missing, Records: s.Records, Bytes: s.Bytes, Leader: s.Leader,
		Replicas: each(s.Replicas, func(r federation.BusReplica) *BusReplica {
			return &BusReplica{Server: r.Server, Current: r.Current, Offline: r.Offline, Lag: r.Lag}
		}),
		Wrong: s.Wrong,
	}
}

func toBusStream(m *BusStream) federation.BusStream {
	return federation.BusStream{
		Bucket: m.GetBucket(), Stream: m.GetStream(), Member: m.GetMember(), Missing: m.GetMissing(), Records: m.GetRecords(),
		Bytes: m.GetBytes(), Leader: m.GetLeader(),
		Replicas: each(m.GetReplicas(), func(r *BusReplica) federation.BusReplica {
			return federation.BusReplica{Server: r.GetServer(), Current: r.GetCurrent(), Offline: r.GetOffline(), Lag: r.GetLag()}
		}),
		Wrong: m.GetWrong(),
	}
}

func fromBusConsumer(c federation.BusConsumer) *BusConsumer {
	return &BusConsumer{
		Bucket: c.Bucket, Stream: c.Stream, Name: c.Name, Member: c.Member, Durable: c.Durable,
		Pending: c.Pending, Unacked: c.Unacked, Redelivered: c.Redelivered,
	}
}

func toBusConsumer(m *BusConsumer) federation.BusConsumer {
	return federation.BusConsumer{
		Bucket: m.GetBucket(), Stream: m.GetStream(), Name: m.GetName(), Member: m.GetMember(), Durable: m.GetDurable(),
		Pending: m.GetPending(), Unacked: m.GetUnacked(), Redelivered: m.GetRedelivered(),
	}
}

func fromBusConnection(c federation.BusConnection) *BusConnection {
	return &BusConnection{
		Server: c.Server, Member: c.Member, Role: c.Role, Name: c.Name, Account: c.Account, User: c.User, Address: c.Address,
		Rtt: fromDuration(c.RTT), Since: fromTime(c.Since), Pending: c.Pending, Stalls: c.Stalls, Expires: fromTime(c.Expires),
		Closed: fromTime(c.Closed), Reason: c.Reason,
	}
}

func toBusConnection(m *BusConnection) federation.BusConnection {
	return federation.BusConnection{
		Server: m.GetServer(), Member: m.GetMember(), Role: m.GetRole(), Name: m.GetName(), Account: m.GetAccount(), User: m.GetUser(),
		Address: m.GetAddress(), RTT: toDuration(m.GetRtt()), Since: toTime(m.GetSince()), Pending: m.GetPending(), Stalls: m.GetStalls(),
		Expires: toTime(m.GetExpires()), Closed: toTime(m.GetClosed()), Reason: m.GetReason(),
	}
}
