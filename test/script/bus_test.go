package script

import (
	"context"
	"fmt"
	"time"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// GetBus tells of three servers, of which one is behind, and of what is wrong with them
// until automation is frozen.
func (s events) GetBus(context.Context, *gatewayv1.GetBusRequest) (*gatewayv1.GetBusResponse, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	if s.f.frozen != "" {
		return &gatewayv1.GetBusResponse{At: s.f.ago(0), Leader: "a", Wanted: 1, Servers: []*gatewayv1.BusServer{s.f.server("a")}}, nil
	}
	answer := &gatewayv1.GetBusResponse{
		At: s.f.ago(4 * time.Minute), Leader: "a", Wanted: 3, Omitted: []string{"the accounts that servers hold: no answer in time"},
		Servers: []*gatewayv1.BusServer{s.f.server("a", "b", "c"), s.f.server("b", "a", "c"), s.f.server("c", "a", "b")},
		Streams: []*gatewayv1.BusStream{
			{Bucket: "workloads", Stream: "R_workloads", Records: 12, Bytes: 34_567, Leader: "b", Replicas: []*gatewayv1.BusReplica{{Server: "a", Current: true}, {Server: "c", Offline: true}}},
			{Bucket: "events", Stream: "R_events", Missing: true},
			{Bucket: "health", Stream: "R_health", Records: 3, Bytes: 600, Leader: "a", Replicas: []*gatewayv1.BusReplica{{Server: "b", Current: true}, {Server: "c", Current: true}}},
		},
		Findings: []*gatewayv1.BusFinding{
			{Check: "streams", About: "bucket events", Found: "stream R_events is not there", Why: "nothing of it can be read or written", Do: "start the hub again"},
			{Check: "places", About: "member tokyo", Found: "it connects from 10.0.0.1, 10.0.0.2", Why: "two agents take each other's orders", Do: "stop one"},
		},
	}
	for i := range 12 {
		name := fmt.Sprintf("edge-%02d", i)
		answer.Streams = append(answer.Streams, &gatewayv1.BusStream{Bucket: "works", Stream: "W_" + name, Member: name, Records: 2, Bytes: 4096, Leader: "a"})
		answer.Consumers = append(answer.Consumers, &gatewayv1.BusConsumer{Bucket: "works", Stream: "W_" + name, Name: name, Member: name, Durable: true, Pending: int64(max(0, 9-6*i))})
		if i > 0 {
			answer.Connections = append(answer.Connections, &gatewayv1.BusConnection{
				Server: "a", Member: name, Name: name, Account: "A" + name, User: "U" + name, Address: "10.0.0.7", RttMs: 12.34, Since: s.f.ago(3 * time.Hour),
			})
		}
	}
	answer.Connections = append(answer.Connections, &gatewayv1.BusConnection{
		Server: "b", Role: "gateway", Name: "gateway", RttMs: 0.2, Since: s.f.ago(3 * time.Hour), Closed: s.f.ago(4 * time.Minute), Reason: "Slow Consumer (Pending Bytes)",
	})
	return answer, nil
}

func (f *federation) server(name string, routes ...string) *gatewayv1.BusServer {
	s := &gatewayv1.BusServer{
		Name: name, Id: "N" + name, Version: "2.15.2", Started: f.ago(3 * time.Hour), Cpu: 4, Memory: 66 << 20, Connections: 5, Leads: 2, LeadsCluster: name == "a",
		JetStream: &gatewayv1.BusStore{Enabled: true, SyncAlways: true, Domain: "hansa", Used: 5 << 20, Limit: 40 << 30}, MaxPayload: 8 << 20, MaxControl: 32 << 10,
	}
	for _, r := range routes {
		s.Routes = append(s.Routes, &gatewayv1.BusRoute{Server: r, RttMs: 1.2})
	}
	return s
}
