package nats

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestGatewayRights: a gateway has desired state written, reads what it answers with,
// and nothing else.
func TestGatewayRights(t *testing.T) { everywhere(t, gatewayRights) }

func gatewayRights(t *testing.T, w world) {
	s := besiege(t, w)
	gateway := s.dial(t, GatewayRole)
	before := s.state(t)
	subjects := s.beyondGateways()
	if got := reached(t, gateway.nc, subjects); len(got) > 0 {
		t.Errorf("a gateway reaches %q", got)
	}
	hears := eavesdrop(t, gateway.nc, ">", "_INBOX.>", inbox+"*.>", subject.AnyUp(), subject.AnyDown(), subject.RecordPrefix(subject.Tokens)+">")
	must(t, s.victim.Publish(subject.MemberBeat(), []byte("beat")))
	must(t, s.victim.nc.Flush())
	_, err := s.hub.Bucket(t.Context(), subject.Tokens)
	must(t, err)
	must(t, gateway.nc.Flush())
	if got := hears(); len(got) > 0 {
		t.Errorf("a gateway hears %q", got)
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	for _, name := range append(subject.Durable(), subject.Rebuilt()...) {
		b, err := gateway.Bucket(t.Context(), name)
		must(t, err)
		_, err = b.Put(t.Context(), "shop.forged", []byte("forged"), messaging.AnyRevision)
		if may := slices.Contains(subject.Desired(), name); may != (err == nil) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
}

// beyondGateways are all subjects that a gateway has no business with.
func (s siege) beyondGateways() []string {
	work := subject.WorkPrefix(s.victims) + "shop.web"
	subjects := []string{
		subject.Beat(s.victims), subject.Up(s.victims, subject.UpStatus), subject.DownBeat(s.victims), subject.Down(s.victims, subject.DownProbe),
		work, subject.HubBeat(), subject.HubOpinion(), "$SYS.REQ.SERVER.PING", subject.Hub("unknown"),
	}
	subjects = append(subjects, api(subject.WorkBucket(s.victims), s.victims, work)...)
	for _, bucket := range append(subject.Durable(), subject.Rebuilt()...) {
		subjects = append(subjects, subject.RecordPrefix(bucket)+"forged")
		subjects = append(subjects, api(streamName(bucket), "c", subject.RecordPrefix(bucket)+"x")...)
	}
	for _, plain := range slices.Clone(subjects) {
		rest, ok := strings.CutPrefix(plain, "$JS.API.")
		if ok && !permitted(rest) {
			subjects = append(subjects, apiPrefix+"."+rest)
		}
		if ok {
			subjects = append(subjects, subject.API()+"."+rest)
		}
	}
	return append(subjects, ofServers(s.victims)...)
}

// permitted reports whether a gateway may ask JetStream for that.
func permitted(request string) bool {
	return slices.ContainsFunc(subject.Shown(), func(bucket string) bool {
		return slices.ContainsFunc(apiRequests(streamName(bucket)), func(r string) bool { return subject.Matches(r, request) })
	})
}

// freeGateway is a user of the account GATEWAY who may do everything in it, as none that
// a hub signs may: what it cannot do, the account alone prevents.
func (w world) freeGateway(t *testing.T) *nats.Conn {
	t.Helper()
	pub, seed, err := NewUserKey()
	must(t, err)
	token, err := jwt.NewUserClaims(pub).Encode(w.keys.gateway)
	must(t, err)
	return w.raw(t, Credentials{JWT: token, Seed: seed})
}

// oldGateway is a gateway as earlier versions made them: a user of the account HUB.
func (s siege) oldGateway(t *testing.T) *nats.Conn {
	t.Helper()
	pub, seed, err := NewUserKey()
	must(t, err)
	claims := jwt.NewUserClaims(pub)
	claims.Pub.Allow = jwt.StringList{subject.Hub(">"), "$JS.API.STREAM.MSG.GET." + streamName(subject.Workloads), "$JS.API.CONSUMER.MSG.NEXT." + streamName(subject.Workloads) + ".>"}
	claims.Sub.Allow = jwt.StringList{"_INBOX.>"}
	token, err := claims.Encode(s.keys.hub)
	must(t, err)
	return s.raw(t, Credentials{JWT: token, Seed: seed})
}

// raw connects with a client that keeps no rules.
func (w world) raw(t *testing.T, c Credentials) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(w.urls[0], nats.Secure(clientTLS(t, w.ca)), nats.UserJWTAndSeed(c.JWT, string(c.Seed)))
	must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// loaded makes a consumer whose next messages are the given ones: what it delivers to
// the subject of an answer is of the attacker's choice. The last is a deletion marker,
// which is empty, as some requests to JetStream have to be.
func (s siege) loaded(t *testing.T, values ...[]byte) (next func() string) {
	t.Helper()
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	for i, v := range values {
		_, err := workloads.Put(t.Context(), fmt.Sprint("evil.a", i), v, messaging.AnyRevision)
		must(t, err)
	}
	_, err = workloads.Put(t.Context(), "evil.z", nil, messaging.AnyRevision)
	must(t, err)
	must(t, workloads.Delete(t.Context(), "evil.z", messaging.AnyRevision))
	request, err := json.Marshal(followRequest{Bucket: subject.Workloads, Filter: "evil.*"})
	must(t, err)
	return func() string {
		answer, err := s.hub.followAsked(t.Context(), messaging.Message{Data: request})
		must(t, err)
		var a followAnswer
		must(t, json.Unmarshal(answer, &a))
		return a.Consumer
	}
}

// hijack asks everything that a gateway may ask, with an answer that is to go to reply.
func (s siege) hijack(t *testing.T, nc *nats.Conn, prefix, reply string, next func() string) {
	t.Helper()
	stream := streamName(subject.Workloads)
	for subj, data := range map[string]string{
		subject.Hub(subject.HubDescribe):                       "x",
		subject.Hub(subject.HubFollow):                         "x",
		prefix + ".STREAM.INFO." + stream:                      "",
		prefix + ".STREAM.MSG.GET." + stream:                   `{"last_by_subj":"` + subject.RecordPrefix(subject.Workloads) + `evil.a0"}`,
		prefix + ".CONSUMER.MSG.NEXT." + stream + "." + next(): `{"batch":10,"no_wait":true}`,
		prefix + ".CONSUMER.MSG.NEXT." + stream + "." + next(): `nonsense`,
		prefix + ".CONSUMER.INFO." + stream + "." + next():     "",
		prefix + ".CONSUMER.MSG.NEXT." + stream + ".nobody":    "",
	} {
		m := &nats.Msg{Subject: subj, Reply: reply, Data: []byte(data), Header: nats.Header{"Nats-Trace-Dest": {reply}, hubHeader: {"1"}}}
		must(t, nc.PublishMsg(m))
		m.Header = nil
		must(t, nc.PublishMsg(m))
	}
	must(t, nc.Flush())
}

// harmful are the subjects of HUB, and of others, to which no answer must go.
func (s siege) harmful() []string {
	out := []string{
		subject.WorkPrefix(s.victims) + "shop.web", subject.DownBeat(s.victims), subject.Down(s.victims, subject.DownRotate), subject.Beat(s.victims),
		subject.Up(s.victims, subject.UpStatus), subject.HubBeat(), subject.HubOpinion(), "_INBOX.victim", subject.Hub(subject.HubToken),
		"$JS.API.CONSUMER.DELETE." + subject.WorkBucket(s.victims) + "." + s.victims, "$JS.API.STREAM.DELETE." + subject.WorkBucket(s.victims),
	}
	for _, bucket := range append(subject.Durable(), subject.Rebuilt()...) {
		stream := streamName(bucket)
		out = append(out, "$JS.API.STREAM.DELETE."+stream, "$JS.API.STREAM.PURGE."+stream, "$JS.API.STREAM.UPDATE."+stream, subject.RecordPrefix(bucket)+"shop.forged")
	}
	return out
}

// TestGatewayReplies: whatever a gateway asks, and wherever it wants the answer, none goes
// to a subject of the hub, of a member, or of another gateway's ears.
func TestGatewayReplies(t *testing.T) { everywhere(t, gatewayReplies) }

func gatewayReplies(t *testing.T, w world) {
	s := besiege(t, w)
	answering(t, s.hub, subject.Hub(subject.HubDescribe), func(messaging.Message) ([]byte, error) { return nil, nil })
	next := s.loaded(t, []byte(`{"name":"R_members","subjects":["spied.>"],"storage":"memory"}`))
	other := s.dial(t, GatewayRole)
	beats := make(chan messaging.Message, 64)
	for _, subj := range subject.FromHubs() {
		_, err := other.Subscribe(t.Context(), subj, func(m messaging.Message) { beats <- m })
		must(t, err)
	}
	victimHears := eavesdrop(t, s.victim.nc, "_INBOX.>", subject.MemberDownAll())
	hubHears := eavesdrop(t, s.hub.nc, "_INBOX.victim", subject.Hub(subject.HubToken), subject.HubBeat(), subject.HubOpinion(), subject.AnyUp(), subject.AnyDown())
	honest := s.dial(t, GatewayRole)
	free := s.freeGateway(t)
	before := s.streams(t)
	for _, reply := range s.harmful() {
		s.hijack(t, honest.nc, apiPrefix, reply, next)
		s.hijack(t, free, apiPrefix, reply, next)
	}
	must(t, s.hub.nc.Flush())
	must(t, s.victim.nc.Flush())
	must(t, other.nc.Flush())
	if after := s.streams(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	for _, heard := range append(victimHears(), hubHears()...) {
		// A gateway may ask the hub for everything, by such a detour too.
		if !strings.HasSuffix(heard, ", asked as "+subject.Hub(subject.HubToken)) {
			t.Errorf("somebody hears %q", heard)
		}
	}
	if len(beats) > 0 {
		t.Errorf("another gateway takes an answer for a beat of the hub: %q", (<-beats).Data)
	}
	for _, subj := range subject.FromHubs() {
		must(t, s.hub.Publish(subj, []byte("beat")))
		select {
		case <-beats:
		case <-time.After(5 * time.Second):
			t.Errorf("the other gateway does not even hear the hub on %s", subj)
		}
	}

	t.Run("the check can fail", func(t *testing.T) {
		target := streamName(subject.Scores)
		s.hijack(t, s.oldGateway(t), "$JS.API", "$JS.API.STREAM.DELETE."+target, next)
		if !within(5*time.Second, func() bool { _, err := s.hub.js.Stream(t.Context(), target); return err != nil }) {
			t.Error("even a gateway within the account HUB does not delete a stream")
		}
		if !within(10*time.Second, func() bool { return s.hub.EnsureBuckets(t.Context()) == nil }) { // the stream is deleted several times
			t.Error("the stream cannot be made again")
		}
	})
}

// streams are the streams as they are, but for the consumers of who follows.
func (s siege) streams(t *testing.T) string {
	t.Helper()
	var out []string
	all := s.hub.js.ListStreams(t.Context())
	for info := range all.Info() {
		out = append(out, fmt.Sprintf("%s %v %d–%d, %d messages", info.Config.Name, info.Config.Subjects, info.State.FirstSeq, info.State.LastSeq, info.State.Msgs))
	}
	must(t, all.Err())
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestForgedAcknowledgements: no answer to a gateway acknowledges what a member was
// delivered. A server takes the subject of an acknowledgement from one account to another
// as it is, but takes it from no client as the place of an answer.
func TestForgedAcknowledgements(t *testing.T) { everywhere(t, forgedAcknowledgements) }

func forgedAcknowledgements(t *testing.T, w world) {
	s := besiege(t, w)
	answering(t, s.hub, subject.Hub(subject.HubDescribe), func(messaging.Message) ([]byte, error) { return nil, nil })
	consumer, err := s.victim.js.Consumer(t.Context(), subject.WorkBucket(s.victims), s.victims)
	must(t, err)
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(5*time.Second))
	must(t, err)
	handed := <-batch.Messages()
	if handed == nil {
		t.Fatal("the victim is handed nothing")
	}
	waiting := func() int {
		info, err := consumer.Info(t.Context())
		must(t, err)
		return info.NumAckPending
	}
	next := s.loaded(t, []byte("+ACK"), []byte("+TERM"))
	for _, nc := range []*nats.Conn{s.dial(t, GatewayRole).nc, s.freeGateway(t)} {
		s.hijack(t, nc, apiPrefix, handed.Reply(), next)
	}
	if within(patience, func() bool { return waiting() != 1 }) {
		t.Error("an answer to a gateway acknowledges the work of a member")
	}
	must(t, handed.DoubleAck(t.Context()))
	if waiting() != 0 {
		t.Error("not even the victim can acknowledge")
	}
}
