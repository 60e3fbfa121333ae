package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestBus: what the hub reports comes to callers whole, over gRPC and JSON, and is judged
// with what the gateway knows of the members.
func TestBus(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewEventsServiceClient(w.conn)
	answer := func([]byte) ([]byte, error) { return nil, messaging.Errorf(messaging.Unavailable, "not now") }
	w.hub(subject.HubBus, func(b []byte) ([]byte, error) { return answer(b) })
	_, err := api.GetBus(w.as(viewer), &gatewayv1.GetBusRequest{})
	refused(t, err, codes.Unavailable, "not now")

	report := federation.BusReport{
		At: time.Now(), Leader: "a", Wanted: 1, Omitted: []string{"routes"}, Orphans: []string{"AX"},
		Servers: []federation.BusServer{{
			Name: "a", JetStream: federation.BusStore{Enabled: true, SyncAlways: true}, Routes: []federation.BusRoute{{Server: "b", RTT: 1500 * time.Microsecond}},
		}},
		Streams:   []federation.BusStream{{Bucket: "works", Stream: "W_Atokyo", Member: "tokyo", Leader: "a", Replicas: []federation.BusReplica{{Server: "b", Current: true}}}},
		Consumers: []federation.BusConsumer{{Bucket: "works", Stream: "W_Atokyo", Member: "tokyo", Pending: 5000}},
		Connections: []federation.BusConnection{
			{Server: "a", Member: "tokyo", Name: "tokyo", RTT: 250 * time.Microsecond, Expires: time.Now().Add(36 * time.Hour), Since: time.Now()},
		},
	}
	answer = func([]byte) ([]byte, error) { return federationv1.EncodeBusReport(report), nil }
	w.beat(healthy("tokyo"), healthy("frankfurt"))
	got, err := api.GetBus(w.as(viewer), &gatewayv1.GetBusRequest{})
	must(t, err)
	found := map[string]string{}
	for _, f := range got.GetFindings() {
		found[f.GetCheck()] = f.GetAbout()
	}
	for check, about := range map[string]string{"works": "member tokyo", "expiry": "member tokyo", "accounts": "bus"} {
		if found[check] != about {
			t.Errorf("%s: found about %q, want %q", check, found[check], about)
		}
	}
	if len(got.GetFindings()) != 3 || got.GetLeader() != "a" || got.GetWanted() != 1 || len(got.GetOmitted()) != 1 || len(got.GetOrphans()) != 1 ||
		got.GetServers()[0].GetRoutes()[0].GetRttMs() != 1.5 || got.GetConnections()[0].GetRttMs() != 0.25 || got.GetStreams()[0].GetReplicas()[0].GetServer() != "b" ||
		got.GetConsumers()[0].GetPending() != 5000 {
		t.Errorf("got %v", got)
	}
	code, body := w.call(viewer, http.MethodGet, "/v1/bus", nil)
	var decoded struct{ Servers []struct{ Name string } }
	if err := json.Unmarshal(body, &decoded); code != http.StatusOK || err != nil || len(decoded.Servers) != 1 || decoded.Servers[0].Name != "a" {
		t.Errorf("JSON: %d %s", code, body)
	}
}
