package nats

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// hostile are headers that JetStream reads, with what would do harm.
func hostile() map[string][]string {
	target := subject.RecordPrefix(subject.Workloads) + "shop.evil"
	elsewhere := subject.RecordPrefix(subject.Assignments) + "shop.evil"
	return map[string][]string{
		"roll up all":                 {"Nats-Rollup", "all"},
		"roll up the record":          {"Nats-Rollup", "sub"},
		"roll up nothing":             {"Nats-Rollup", "nothing"},
		"lifetime":                    {"Nats-TTL", "1"},
		"no lifetime":                 {"Nats-TTL", "x"},
		"schedule":                    {"Nats-Schedule", "@every 1s", "Nats-Schedule-Target", elsewhere},
		"schedule of another":         {"Nats-Schedule", "@every 1s", "Nats-Schedule-Target", elsewhere, "Nats-Schedule-Source", target, "Nats-Schedule-Rollup", "sub"},
		"end of a schedule":           {"Nats-Schedule-Next", "purge", "Nats-Scheduler", elsewhere},
		"counter":                     {"Nats-Incr", "+1"},
		"counter of another":          {"Nats-Incr", "+1", "Nats-Counter-Sources", `{"x":{"y":"1"}}`},
		"source":                      {"Nats-Stream-Source", "x 1 > > x"},
		"another stream":              {"Nats-Expected-Stream", streamName(subject.Assignments)},
		"another end":                 {"Nats-Expected-Last-Sequence", "999999"},
		"another id":                  {"Nats-Expected-Last-Msg-Id", "x"},
		"another record of the bus":   {"Nats-Expected-Last-Subject-Sequence", "1", "Nats-Expected-Last-Subject-Sequence-Subject", elsewhere},
		"a record without a number":   {"Nats-Expected-Last-Subject-Sequence-Subject", elsewhere},
		"a batch without a number":    {"Nats-Batch-Id", "x"},
		"a batch from the middle":     {"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "7"},
		"a batch with a bad end":      {"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "maybe"},
		"a batch and another id":      {"Nats-Batch-Id", "y", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1", "Nats-Expected-Last-Msg-Id", "x"},
		"a header above the limit":    {"X", strings.Repeat("x", 70<<10)},
		"a level that nobody has yet": {"Nats-Required-Api-Level", "9999", "Nats-Rollup", "all"},
	}
}

func withHeaders(subj string, data []byte, headers []string) *nats.Msg {
	m := nats.NewMsg(subj)
	m.Data = data
	for h := 0; h+1 < len(headers); h += 2 {
		m.Header.Set(headers[h], headers[h+1])
	}
	return m
}

// TestHeaderStopsStream: who publishes into a replicated stream of nats-server 2.15.2 can
// stop it with one header, and with no other: the stream's leader proposes it unchecked,
// and each replica finds a "critical write error". That is why gateways ask hubs to write.
// Should it fail since nothing stops a stream any more, they could write themselves.
func TestHeaderStopsStream(t *testing.T) {
	w := sharedCluster.open(t)
	hub := w.dial(t, HubRole)
	for name, headers := range hostile() {
		t.Run(name, func(t *testing.T) {
			stream := "X_" + strings.ReplaceAll(name, " ", "_")
			config := bucketConfig("x", jetstream.FileStorage)
			config.Name, config.Subjects = stream, []string{stream + ".>"}
			must(t, hub.ensure(t.Context(), config))
			defer func() { must(t, hub.js.DeleteStream(t.Context(), stream)) }()
			_, err := hub.js.Publish(t.Context(), stream+".a", nil)
			must(t, err)
			must(t, hub.nc.PublishMsg(withHeaders(stream+".b", []byte("attack"), headers)))
			goesOn := within(2*time.Second, func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := hub.js.Publish(ctx, stream+".c", nil)
				return err == nil
			})
			if stops := name == "another id"; goesOn == stops {
				t.Errorf("it goes on: %v", goesOn)
			}
		})
	}
}

// TestGatewayHeaders: no header that a gateway sends along, to a stream or to a hub that
// writes for it, makes the bus do more than the gateway may, and none stops a stream.
func TestGatewayHeaders(t *testing.T) { everywhere(t, gatewayHeaders) }

func gatewayHeaders(t *testing.T, w world) {
	s := besiege(t, w)
	gateway := s.dial(t, GatewayRole)
	workloads, err := gateway.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	kept, err := workloads.Put(t.Context(), "shop.kept", []byte("kept"), 0)
	must(t, err)
	before := s.state(t)
	request, err := encodeWrites(subject.Workloads, false, []messaging.Write{{Key: "shop.kept", Value: []byte("evil"), Expected: kept + 1}})
	must(t, err)
	var all []*nats.Msg
	for name, headers := range hostile() {
		all = append(all, withHeaders(subject.RecordPrefix(subject.Workloads)+"shop.evil", []byte(name), headers), withHeaders(subject.Hub(subject.HubWrite), request, headers))
	}
	refused := exchange(t, gateway.nc, all)
	if len(refused) != len(hostile()) {
		t.Errorf("of %d requests %d are answered", len(hostile()), len(refused))
	}
	for _, a := range refused {
		if !strings.Contains(a.data, `"conflict"`) {
			t.Errorf("answered with %s", a.data)
		}
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	next, err := encodeWrites(subject.Workloads, false, []messaging.Write{{Key: "shop.kept", Value: []byte("new"), Expected: kept}})
	must(t, err)
	for _, headers := range hostile() {
		must(t, gateway.nc.PublishMsg(withHeaders(subject.Hub(subject.HubWrite), next, headers))) // one of them is carried out
	}
	must(t, gateway.nc.Flush())
	var e messaging.Entry
	if !within(5*time.Second, func() bool {
		e, err = workloads.Get(t.Context(), "shop.kept")
		return err == nil && string(e.Value) == "new"
	}) {
		t.Fatalf("the record is %+v, %v", e, err)
	}
	if _, err := workloads.Put(t.Context(), "shop.kept", []byte("last"), e.Revision); err != nil {
		t.Errorf("the stream does not go on: %v", err)
	}
}

// TestWriteRequests: whatever a gateway asks hubs to write, nothing but records of
// desired state is written.
func TestWriteRequests(t *testing.T) {
	s := besiege(t, open(t))
	gateway := s.dial(t, GatewayRole)
	before := s.state(t)
	for _, data := range []string{
		"", "{}", "null", "[]", `{"Bucket":"workloads"}`, `{"Bucket":"workloads","Writes":[{"Key":"a"},{"Key":"b"}]}`,
		`{"Bucket":"assignments","Writes":[{"Key":"a"}]}`, `{"Bucket":"tokens","Writes":[{"Key":"a"}]}`, `{"Bucket":"","Writes":[{"Key":"a"}]}`,
		`{"Bucket":"workloads.x","Writes":[{"Key":"a"}]}`, `{"Bucket":"workloads","Writes":[{"Key":""}]}`, `{"Bucket":"workloads","Writes":[{"Key":"a..b"}]}`,
		`{"Bucket":"workloads","Writes":[{"Key":"*"}]}`, `{"Bucket":"workloads","Writes":[{"Key":"a.>"}]}`, `{"Bucket":"workloads","Writes":[{"Key":"a b"}]}`,
		`{"Bucket":"workloads","Writes":[{"Key":"a\r\nPUB x 0\r\n"}]}`, `{"Bucket":"workloads","Writes":[{"Key":"a","Size":1}]}`,
		`{"Bucket":"workloads","Writes":[{"Key":"a","Size":-1}]}`, `{"Bucket":"workloads","Batch":true,"Writes":[{"Key":"a","Size":9223372036854775807},{"Key":"b"}]}`,
		`{"Bucket":"workloads","Batch":true,"Writes":[` + strings.Repeat(`{"Key":"a"},`, maxBatch) + `{"Key":"a"}]}`,
	} {
		if got, err := gateway.Request(t.Context(), subject.Hub(subject.HubWrite), []byte(data)); err == nil {
			t.Errorf("%.80s is answered with %s", data, got)
		}
	}
	for _, data := range []string{"", `{"Bucket":"tokens","Filter":">"}`, `{"Bucket":"leases","Filter":">"}`, `{"Bucket":"workloads","Filter":"a.>.b"}`, `{"Bucket":"workloads","Filter":""}`, `{"Bucket":"workloads","Filter":"x y"}`} {
		if got, err := gateway.Request(t.Context(), subject.Hub(subject.HubFollow), []byte(data)); err == nil {
			t.Errorf("%s is answered with %s", data, got)
		}
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	workloads, err := gateway.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	for _, expected := range []federation.Revision{0, 1} {
		if _, err := workloads.Put(t.Context(), "shop.web", []byte("x"), expected); err != nil {
			t.Errorf("expecting %d: %v", expected, err)
		}
	}
}

// TestMessageIDs: whoever guesses the ids of another's messages makes none of them a
// duplicate, since none has an id.
func TestMessageIDs(t *testing.T) { everywhere(t, messageIDs) }

func messageIDs(t *testing.T, w world) {
	s := besiege(t, w)
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	one, err := workloads.Put(t.Context(), "shop.web", []byte("by the hub"), messaging.AnyRevision)
	must(t, err)
	_, err = workloads.WriteAll(t.Context(), []messaging.Write{{Key: "shop.web", Value: []byte("by a batch"), Expected: one}})
	must(t, err)
	_, err = s.hub.Acquire(t.Context(), "hub", []byte("x"), time.Minute, 0)
	must(t, err)
	target := subject.RecordPrefix(subject.Workloads) + "shop.web"
	for stream, subj := range map[string]string{streamName(subject.Workloads): target, streamName(subject.Leases): subject.RecordPrefix(subject.Leases) + "hub"} {
		st, err := s.hub.js.Stream(t.Context(), stream)
		must(t, err)
		var m *jetstream.RawStreamMsg
		if !within(20*time.Second, func() bool { m, err = st.GetLastMsgForSubject(t.Context(), subj); return err == nil }) { // a server may be behind
			t.Fatal(err)
		}
		if id := m.Header.Get(nats.MsgIdHdr); id != "" {
			t.Errorf("%s has the id %s", subj, id)
		}
	}
}

// TestOversizedLines: what is too long for the protocol ends the connection of who sent
// it, and nobody else's.
func TestOversizedLines(t *testing.T) { everywhere(t, oversizedLines) }

func oversizedLines(t *testing.T, w world) {
	s := besiege(t, w)
	before := s.state(t)
	answering(t, s.hub, subject.Up("*", subject.UpHello), func(messaging.Message) ([]byte, error) { return nil, nil })
	_, err := asked(t, s.victim, nil)
	must(t, err)
	credentials, _ := s.credentials(t, "frankfurt")
	for name, send := range map[string]func(*nats.Conn) error{
		"subject": func(c *nats.Conn) error { return c.Publish(subject.MemberBeat()+strings.Repeat(".x", 40<<10), nil) },
		"reply": func(c *nats.Conn) error {
			return c.PublishRequest(subject.MemberBeat(), strings.Repeat("x.", 40<<10)+"x", nil)
		},
		"subscription": func(c *nats.Conn) error {
			_, err := c.Subscribe("_INBOX"+strings.Repeat(".x", 40<<10), func(*nats.Msg) {})
			return err
		},
		"header": func(c *nats.Conn) error {
			m := nats.NewMsg(subject.MemberBeat())
			m.Header.Set("X", string(bytes.Repeat([]byte("x"), memberPayload+1)))
			return c.PublishMsg(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := nats.Connect(s.urls[0], nats.Secure(clientTLS(t, s.ca)), nats.UserJWTAndSeed(credentials.JWT, string(credentials.Seed)), nats.NoReconnect())
			must(t, err)
			defer c.Close()
			if send(c) != nil {
				return // the client knows the limit
			}
			if !within(5*time.Second, func() bool { _ = c.FlushTimeout(time.Second); return c.IsClosed() }) {
				t.Error("it is taken")
			}
		})
	}
	if _, err := asked(t, s.victim, nil); err != nil || !s.victim.Connected() {
		t.Errorf("the victim is not answered any more: %v", err)
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
