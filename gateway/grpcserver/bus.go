package grpcserver

import (
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/busdoctor"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// GetBus asks the hub how the bus is, and judges that together with what the gateway
// knows.
func (s *Server) GetBus(ctx context.Context, _ *gatewayv1.GetBusRequest) (*gatewayv1.GetBusResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	b, err := s.opts.Hub.Request(ctx, subject.Hub(subject.HubBus), federationv1.EncodeBusRequest(struct{}{}))
	if err != nil {
		return nil, err
	}
	report, err := federationv1.DecodeBusReport(b)
	if err != nil {
		return nil, err
	}
	out := toBus(report)
	for _, f := range busdoctor.Check(s.world(table, report)) {
		out.Findings = append(out.Findings, &gatewayv1.BusFinding{Check: f.Check, About: f.About, Found: f.Found, Why: f.Why, Do: f.Do})
	}
	return out, nil
}

// world is what the report is judged with.
func (s *Server) world(table *route.Table, report federation.BusReport) busdoctor.World {
	w := busdoctor.World{Now: time.Now(), Report: report, Full: table.Full}
	for _, name := range slices.Sorted(maps.Keys(table.Members)) {
		m := table.Members[name]
		w.Members = append(w.Members, busdoctor.Member{
			Name: name, Account: m.Spec.Account, Healthy: m.Health() == federation.Healthy, CredentialsEnd: m.Spec.User.ExpiresAt, CredentialsLate: m.Spec.User.LateAt(),
		})
	}
	for _, der := range s.opts.Certificate.Present().Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			w.Expiries = append(w.Expiries, federation.Expiry{Kind: "certificate", About: "this gateway (" + c.Subject.CommonName + ")", Ends: c.NotAfter})
		}
	}
	return w
}

func toBus(r federation.BusReport) *gatewayv1.GetBusResponse {
	out := &gatewayv1.GetBusResponse{At: toTime(r.At), Leader: r.Leader, Wanted: int64(r.Wanted), Orphans: r.Orphans, Omitted: r.Omitted}
	for _, v := range r.Servers {
		out.Servers = append(out.Servers, toBusServer(v))
	}
	for _, v := range r.Streams {
		out.Streams = append(out.Streams, toBusStream(v))
	}
	for _, v := range r.Consumers {
		out.Consumers = append(out.Consumers, &gatewayv1.BusConsumer{
			Bucket: v.Bucket, Stream: v.Stream, Name: v.Name, Member: v.Member, Durable: v.Durable,
			Pending: v.Pending, Unacked: v.Unacked, Redelivered: v.Redelivered,
		})
	}
	for _, v := range r.Connections {
		out.Connections = append(out.Connections, &gatewayv1.BusConnection{
			Server: v.Server, Member: v.Member, Role: v.Role, Name: v.Name, Account: v.Account, User: v.User, Address: v.Address,
			RttMs: roundTrip(v.RTT), Since: toTime(v.Since), Pending: v.Pending, Stalls: v.Stalls, Expires: toTime(v.Expires),
			Closed: toTime(v.Closed), Reason: v.Reason,
		})
	}
	return out
}

func toBusServer(v federation.BusServer) *gatewayv1.BusServer {
	out := &gatewayv1.BusServer{
		Name: v.Name, Id: v.ID, Version: v.Version, Started: toTime(v.Started), ClockOffsetMs: toMillis(v.ClockOffset), Cpu: v.CPU,
		Memory: v.Memory, Connections: v.Connections, SlowClients: v.SlowClients, Leads: v.Leads, LeadsCluster: v.LeadsCluster,
		JetStream: &gatewayv1.BusStore{
			Enabled: v.JetStream.Enabled, SyncAlways: v.JetStream.SyncAlways, Domain: v.JetStream.Domain,
			Used: v.JetStream.Used, Limit: v.JetStream.Limit, Memory: v.JetStream.Memory,
		},
		MaxPayload: v.MaxPayload, MaxControl: v.MaxControl, CertificateEnds: toTime(v.CertificateEnds), Lacks: v.Lacks,
	}
	for _, r := range v.Routes {
		out.Routes = append(out.Routes, &gatewayv1.BusRoute{Server: r.Server, RttMs: roundTrip(r.RTT), Pending: r.Pending})
	}
	return out
}

func toBusStream(v federation.BusStream) *gatewayv1.BusStream {
	out := &gatewayv1.BusStream{
		Bucket: v.Bucket, Stream: v.Stream, Member: v.Member, Missing: v.Missing, Records: v.Records, Bytes: v.Bytes, Leader: v.Leader, Wrong: v.Wrong,
	}
	for _, r := range v.Replicas {
		out.Replicas = append(out.Replicas, &gatewayv1.BusReplica{Server: r.Server, Current: r.Current, Offline: r.Offline, Lag: r.Lag})
	}
	return out
}

// roundTrip is in milliseconds, with their parts.
func roundTrip(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
