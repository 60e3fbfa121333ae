package nats

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestGatewayHeaders: a gateway may write workloads, and no header that it adds makes
// the bus do more than that.
func TestGatewayHeaders(t *testing.T) { everywhere(t, gatewayHeaders) }

func gatewayHeaders(t *testing.T, w world) {
	s := besiege(t, w)
	gateway := s.dial(t, GatewayRole).nc
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	kept, err := workloads.Put(t.Context(), "shop.kept", []byte("kept"), 0)
	must(t, err)
	before := s.state(t)
	target := subject.RecordPrefix(subject.Workloads) + "shop.evil"
	elsewhere := subject.RecordPrefix(subject.Assignments) + "shop.evil"
	attacks := map[string][]string{
		"roll up all":                 {"Nats-Rollup", "all"},
		"roll up the record":          {"Nats-Rollup", "sub"},
		"lifetime":                    {"Nats-TTL", "1"},
		"schedule":                    {"Nats-Schedule", "@every 1s", "Nats-Schedule-Target", elsewhere},
		"schedule of another":         {"Nats-Schedule", "@every 1s", "Nats-Schedule-Target", elsewhere, "Nats-Schedule-Source", target, "Nats-Schedule-Rollup", "sub"},
		"counter":                     {"Nats-Incr", "+1"},
		"counter of another":          {"Nats-Incr", "+1", "Nats-Counter-Sources", `{"x":{"y":"1"}}`},
		"another stream":              {"Nats-Expected-Stream", streamName(subject.Assignments)},
		"another end":                 {"Nats-Expected-Last-Sequence", "999999"},
		"another id":                  {"Nats-Expected-Last-Msg-Id", "x"},
		"another record of the bus":   {"Nats-Expected-Last-Subject-Sequence", "1", "Nats-Expected-Last-Subject-Sequence-Subject", elsewhere},
		"a batch without a number":    {"Nats-Batch-Id", "x"},
		"a batch from the middle":     {"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "7"},
		"a batch with a bad end":      {"Nats-Batch-Id", "x", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "maybe"},
		"a header above the limit":    {"X", strings.Repeat("x", 70<<10)},
		"a level that nobody has yet": {"Nats-Required-Api-Level", "9999", "Nats-Rollup", "all"},
	}
	if w.replicas > 1 {
		// NOT BOUNDED: nats-server 2.15.2 proposes this header to the replicas unchecked, and
		// each then stops the stream with a "critical write error". A gateway can do that to
		// workloads and scores for as long as it may publish into their streams itself.
		delete(attacks, "another id")
	}
	var all []*nats.Msg
	for name, headers := range attacks {
		m := nats.NewMsg(target)
		m.Data = []byte(name)
		for h := 0; h+1 < len(headers); h += 2 {
			m.Header.Set(headers[h], headers[h+1])
		}
		all = append(all, m)
	}
	for _, a := range exchange(t, gateway, all) {
		if !strings.Contains(a.data, `"error"`) {
			t.Errorf("answered with %s", a.data)
		}
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if e, err := workloads.Get(t.Context(), "shop.kept"); err != nil || e.Revision != kept {
		t.Errorf("the record that was kept is %+v, %v", e, err)
	}
	if got := answers(t, gateway, []string{target}, "X", "y"); len(got) != 1 || strings.Contains(got[0].data, `"error"`) {
		t.Errorf("without them it cannot write either: %v", got)
	}
}

// TestMessageIDs: whoever guesses the ids of another's messages makes none of them a
// duplicate, since none has an id.
func TestMessageIDs(t *testing.T) { everywhere(t, messageIDs) }

func messageIDs(t *testing.T, w world) {
	s := besiege(t, w)
	gateway := s.dial(t, GatewayRole).nc
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	target := subject.RecordPrefix(subject.Workloads) + "shop.web"
	looked := within(20*time.Second, func() bool { // the window of ids is a second
		got := answers(t, gateway, []string{target}, "Nats-Msg-Id", "m1")
		return len(got) == 1 && strings.Contains(got[0].data, `"duplicate"`)
	})
	if !looked {
		t.Fatal("the bus does not look at ids: the check could not fail")
	}
	one, err := workloads.Put(t.Context(), "shop.web", []byte("by the hub"), messaging.AnyRevision)
	must(t, err)
	_, err = workloads.WriteAll(t.Context(), []messaging.Write{{Key: "shop.web", Value: []byte("by a batch"), Expected: one}})
	must(t, err)
	_, err = s.hub.Acquire(t.Context(), "hub", []byte("x"), time.Minute, 0)
	must(t, err)
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

// TestOpenBatches: batches that a gateway begins and does not end keep nobody from
// writing decisions, and after some time nobody from anything.
func TestOpenBatches(t *testing.T) { everywhere(t, openBatches) }

func openBatches(t *testing.T, w world) {
	s := besiege(t, w)
	gateway := s.dial(t, GatewayRole)
	for i := range 300 {
		m := nats.NewMsg(subject.RecordPrefix(subject.Workloads) + fmt.Sprint("open.", i))
		m.Header.Set("Nats-Batch-Id", fmt.Sprint("open", i))
		m.Header.Set("Nats-Batch-Sequence", "1")
		must(t, gateway.nc.PublishMsg(m))
	}
	must(t, gateway.nc.Flush())
	assignments, err := s.hub.Bucket(t.Context(), subject.Assignments)
	must(t, err)
	_, err = assignments.WriteAll(t.Context(), []messaging.Write{{Key: "shop.web", Value: []byte("x")}, {Key: "shop.db", Value: []byte("x")}})
	must(t, err)
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	_, err = workloads.Put(t.Context(), "shop.web", []byte("x"), 0)
	must(t, err)
	_, err = workloads.Get(t.Context(), "open.1")
	if !errors.Is(err, messaging.ErrNotFound) {
		t.Errorf("a batch that was not ended is there: %v", err)
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
