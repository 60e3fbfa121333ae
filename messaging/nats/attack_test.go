package nats

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// patience is how long an attack waits for an answer that must not come.
const patience = 500 * time.Millisecond

// siege is a federation of two members, of which one attacks the other with its
// own, valid credentials and a client that keeps no rules.
type siege struct {
	world
	hub           *Conn
	attacker      *nats.Conn
	victim        *Conn
	own, victims  string // account keys
	heardOfVictim func() []string
}

func besiege(t *testing.T, w world) siege {
	t.Helper()
	hub := w.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	attacker, own := w.member(t, hub, "frankfurt")
	victim, victims := w.member(t, hub, "tokyo")
	works, err := hub.WorkBucket(t.Context(), victims)
	must(t, err)
	_, err = works.Put(t.Context(), "shop.web", []byte("secret"), messaging.AnyRevision)
	must(t, err)
	return siege{
		world: w, hub: hub, attacker: attacker.nc, victim: victim, own: own, victims: victims,
		heardOfVictim: eavesdrop(t, hub.nc, subject.UpOf(victims), subject.DownOf(victims), subject.Hub(">"), subject.HubBeat(), subject.HubOpinion()),
	}
}

// eavesdrop collects everything on the subjects that c may hear.
func eavesdrop(t *testing.T, c *nats.Conn, subjects ...string) func() []string {
	t.Helper()
	var mu sync.Mutex
	var heard []string
	for _, s := range subjects {
		_, err := c.Subscribe(s, func(m *nats.Msg) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprintf("%s on %s, asked as %s", m.Data, m.Subject, s))
		})
		must(t, err)
	}
	_ = c.Flush() // a refused subscription is an error of the connection
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, heard...)
	}
}

// reached sends a request on each subject and returns those on which somebody
// answered, if only that it may not be.
func reached(t *testing.T, c *nats.Conn, subjects []string, headers ...string) []string {
	t.Helper()
	var out []string
	for _, a := range answers(t, c, subjects, headers...) {
		out = append(out, a.asked)
	}
	return out
}

type answer struct{ asked, data string }

// answers sends a request on each subject and returns what comes back.
func answers(t *testing.T, c *nats.Conn, subjects []string, headers ...string) []answer {
	t.Helper()
	var all []*nats.Msg
	for _, subj := range subjects {
		m := nats.NewMsg(subj)
		m.Data = attackOn(subj)
		for h := 0; h+1 < len(headers); h += 2 {
			m.Header.Set(headers[h], headers[h+1])
		}
		all = append(all, m)
	}
	return exchange(t, c, all)
}

// exchange sends requests and returns what comes back.
func exchange(t *testing.T, c *nats.Conn, all []*nats.Msg) []answer {
	t.Helper()
	inbox := c.NewInbox()
	back := make(chan *nats.Msg, 2*len(all))
	sub, err := c.ChanSubscribe(inbox+".*", back)
	must(t, err)
	defer func() { _ = sub.Unsubscribe() }()
	for i, m := range all {
		m.Reply = fmt.Sprintf("%s.%d", inbox, i)
		must(t, c.PublishMsg(m))
	}
	must(t, c.Flush())
	var out []answer
	for deadline := time.After(patience); ; {
		select {
		case m := <-back:
			subj := m.Subject // of a stream's message, which MSG.NEXT brings
			if i, err := strconv.Atoi(strings.TrimPrefix(m.Subject, inbox+".")); err == nil {
				subj = all[i].Subject
			}
			if m.Header.Get("Status") != "503" {
				out = append(out, answer{subj, string(m.Data)})
			}
		case <-deadline:
			return out
		}
	}
}

// attackOn is a request that the subject would answer.
func attackOn(subj string) []byte {
	switch {
	case strings.Contains(subj, "MSG.NEXT"):
		return []byte(`{"batch":1,"no_wait":true}`)
	case strings.Contains(subj, "MSG.GET"):
		return []byte(`{"seq":1}`)
	case strings.Contains(subj, "CONSUMER.CREATE"), strings.Contains(subj, "DURABLE.CREATE"):
		stream := strings.Split(strings.SplitAfterN(subj, "CREATE.", 2)[1], ".")[0]
		return fmt.Appendf(nil, `{"stream_name":%q,"config":{"name":"spy","durable_name":"spy","ack_policy":"none","deliver_policy":"all"}}`, stream)
	case strings.Contains(subj, "STREAM.CREATE."), strings.Contains(subj, "STREAM.UPDATE."):
		name := strings.SplitAfterN(subj, "ATE.", 2)[1]
		return fmt.Appendf(nil, `{"name":%q,"subjects":["spied.>"],"storage":"memory"}`, name)
	case strings.Contains(subj, ".INFO"), strings.Contains(subj, ".LIST"), strings.Contains(subj, ".NAMES"), strings.Contains(subj, ".DELETE"):
		return nil
	}
	return []byte("attack")
}

// state is everything in the streams and consumers that an attack could change.
func (s siege) state(t *testing.T) string {
	t.Helper()
	var out []string
	streams := s.hub.js.ListStreams(t.Context())
	for info := range streams.Info() {
		out = append(out, fmt.Sprintf("%s %d–%d, %d messages, %d consumers", info.Config.Name, info.State.FirstSeq, info.State.LastSeq, info.State.Msgs, info.State.Consumers))
	}
	must(t, streams.Err())
	consumer, err := s.hub.js.Consumer(t.Context(), subject.WorkBucket(s.victims), s.victims)
	must(t, err)
	info, err := consumer.Info(t.Context())
	must(t, err)
	return strings.Join(append(out, fmt.Sprintf("delivered %d, acknowledged %d, waiting for %d", info.Delivered.Consumer, info.AckFloor.Consumer, info.NumAckPending)), "\n")
}

// api lists the requests to JetStream by which somebody could read or change the
// stream.
func api(stream, consumer, record string) []string {
	return []string{
		"$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer, "$JS.API.CONSUMER.INFO." + stream + "." + consumer,
		"$JS.API.CONSUMER.CREATE." + stream, "$JS.API.CONSUMER.CREATE." + stream + ".spy", "$JS.API.CONSUMER.CREATE." + stream + ".spy." + record,
		"$JS.API.CONSUMER.DURABLE.CREATE." + stream + ".spy", "$JS.API.CONSUMER.DELETE." + stream + "." + consumer,
		"$JS.API.CONSUMER.PAUSE." + stream + "." + consumer, "$JS.API.CONSUMER.RESET." + stream + "." + consumer, "$JS.API.CONSUMER.UNPIN." + stream + "." + consumer,
		"$JS.API.CONSUMER.LIST." + stream, "$JS.API.CONSUMER.NAMES." + stream,
		"$JS.API.STREAM.INFO." + stream, "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.MSG.GET." + stream,
		"$JS.API.STREAM.MSG.DELETE." + stream, "$JS.API.STREAM.PURGE." + stream, "$JS.API.STREAM.DELETE." + stream,
		"$JS.API.STREAM.UPDATE." + stream, "$JS.API.STREAM.CREATE." + stream, "$JS.API.STREAM.CREATE.spy", "$JS.API.STREAM.SNAPSHOT." + stream,
		"$JS.API.STREAM.RESTORE." + stream, "$JS.API.DIRECT.GET." + stream, "$JS.API.DIRECT.GET." + stream + "." + record,
		"$JS.ACK." + stream + "." + consumer + ".1.1.1.1.1", "$JS.API.INFO", "$JS.API.ACCOUNT.PURGE." + stream,
		"$JS.API.SERVER.REMOVE", "$JS.API.SERVER.EVACUATE", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.META.RESCUE",
		"$JS.API.STREAM.LEADER.STEPDOWN." + stream, "$JS.API.STREAM.PEER.REMOVE." + stream, "$JS.API.STREAM.PEER.EVACUATE." + stream, "$JS.API.STREAM.CANCEL_MOVE." + stream,
		"$JS.API.CONSUMER.LEADER.STEPDOWN." + stream + "." + consumer, "$JS.API.CONSUMER.PEER.REMOVE." + stream + "." + consumer,
		// What a flow of messages, a key-value store and an object store would be asked.
		"$JS.FC." + stream + "." + consumer + ".x", "$JS.ACK." + stream + "." + consumer + ".>", "$KV." + stream + ".x", "$O." + stream + ".C.x",
		// Names with wildcards.
		"$JS.API.CONSUMER.MSG.NEXT.*.*", "$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.INFO." + stream + ".*", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.INFO.>",
		"$JS.API.CONSUMER.MSG.NEXT.*." + consumer, "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.*", "$JS.API.>", "$JS.>",
	}
}

// ofServers lists requests to the servers themselves.
func ofServers(account string) []string {
	var all []string
	for _, what := range []string{"PING", "VARZ", "CONNZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "SUBSZ", "ACCOUNTZ", "JSZ", "HEALTHZ", "STATSZ", "PROFILEZ", "EXPVARZ", "RELOAD", "KICK", "LDM"} {
		all = append(all, "$SYS.REQ.SERVER.PING."+what, "$SYS.REQ.SERVER.x."+what, "$SYS.REQ.ACCOUNT."+account+"."+what, "$SYS.REQ.ACCOUNT.PING."+what)
	}
	return append(all, "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT."+account+".CLAIMS.LOOKUP", "$SYS.REQ.ACCOUNT."+account+".INFO",
		"$SYS.REQ.ACCOUNT.NSUBS", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.LIST", "$SYS.REQ.CLAIMS.PACK", "$SYS.REQ.USER.INFO.x",
		"$SYS.ACCOUNT."+account+".CONNECT", "$SYS.ACCOUNT."+account+".CLAIMS.UPDATE", "$SYS.SERVER.x.SHUTDOWN", "$SYS.DEBUG.SUBSCRIBERS", "$SYS.LATENCY.M2.x", "$SYS._INBOX.x")
}

// TestMemberAttacks: whatever one member sends, nobody hears it as another's,
// nothing of another is read, and no stream changes.
func TestMemberAttacks(t *testing.T) { everywhere(t, memberAttacks) }

func memberAttacks(t *testing.T, w world) {
	s := besiege(t, w)
	before := s.state(t)
	work := subject.WorkPrefix(s.victims) + "shop.web"
	subjects := s.targets()
	if got := reached(t, s.attacker, subjects); len(got) > 0 {
		t.Errorf("a member reaches %q", got)
	}
	if got := reached(t, s.attacker, subjects, "Nats-Rollup", "all", "Nats-Msg-Id", "m1"); len(got) > 0 {
		t.Errorf("with headers a member reaches %q", got)
	}
	must(t, s.hub.nc.Flush())
	if heard := s.heardOfVictim(); len(heard) > 0 {
		t.Errorf("heard as another: %q", heard)
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}

	t.Run("the check can fail", func(t *testing.T) {
		want := append(api(subject.WorkBucket(s.victims), s.victims, work)[:2], "$JS.API.STREAM.INFO."+subject.WorkBucket(s.victims), work)
		if got := reached(t, s.hub.nc, want); len(got) != len(want) {
			t.Errorf("the hub reaches %q only", got)
		}
		if got := reached(t, s.attacker, []string{apiPrefix + ".CONSUMER.INFO." + subject.WorkBucket(s.own) + "." + s.own}); len(got) != 1 {
			t.Error("the attacker does not even reach what is its own")
		}
		if s.state(t) == before {
			t.Error("a write does not change the state")
		}
		must(t, s.victim.Publish(subject.MemberBeat(), nil))
		must(t, s.victim.nc.Flush())
		must(t, s.hub.nc.Flush())
		if len(s.heardOfVictim()) == 0 {
			t.Error("not even the victim is heard")
		}
	})
}

// targets are all subjects that a member has no business with.
func (s siege) targets() []string {
	work := subject.WorkPrefix(s.victims) + "shop.web"
	subjects := append(api(subject.WorkBucket(s.victims), s.victims, work), api(streamName(subject.Assignments), "c", subject.RecordPrefix(subject.Assignments)+"a")...)
	for _, plain := range append([]string{}, subjects...) {
		if rest, ok := strings.CutPrefix(plain, "$JS.API."); ok {
			subjects = append(subjects, apiPrefix+"."+rest, "$JS.hansa.API."+rest)
		}
	}
	subjects = append(subjects, ofServers(s.victims)...)
	return append(subjects,
		// As another member, as the hub, and into the hub's records.
		subject.Beat(s.victims), subject.Up(s.victims, subject.UpStatus), subject.Up(s.victims, subject.UpHello), subject.DownBeat(s.victims),
		subject.Down(s.victims, subject.DownProbe), work, subject.HubBeat(), subject.HubOpinion(), subject.GatewayBeat(), subject.MemberDownBeat(), subject.MemberDown("x"),
		subject.Hub(subject.HubToken), subject.Hub(subject.HubMember), subject.Hub(subject.HubOperation),
		subject.RecordPrefix(subject.Assignments)+"shop.web", subject.RecordPrefix(subject.Members)+"tokyo", subject.RecordPrefix(subject.Leases)+"hub",
		subject.Beat("*"), subject.AnyUp(), subject.AnyDown(), "_INBOX.victim",
	)
}

// TestMemberEavesdrops: a member that subscribes to everything hears what is sent
// to it, and nothing else.
func TestMemberEavesdrops(t *testing.T) { everywhere(t, memberEavesdrops) }

func memberEavesdrops(t *testing.T, w world) {
	s := besiege(t, w)
	heard := eavesdrop(t, s.attacker, ">", "*.>", "hansa.>", "_INBOX.>", "$SYS.>", "$JS.>", subject.UpOf(s.victims), subject.DownOf(s.victims),
		subject.RecordPrefix(subject.Workloads)+">", subject.HubBeat(), subject.HubOpinion(), subject.MemberUpAll(), subject.MemberDownAll())
	answering(t, s.hub, subject.Up("*", subject.UpHello), func(messaging.Message) ([]byte, error) { return []byte("of the victim"), nil })

	own := func(text string) { // is heard, so that what was asked to be heard is known to every server
		t.Helper()
		if !within(20*time.Second, func() bool {
			must(t, s.hub.Publish(subject.DownBeat(s.own), []byte("own: "+text)))
			return slices.ContainsFunc(heard(), func(h string) bool { return strings.HasPrefix(h, "own: "+text) })
		}) {
			t.Fatal("the attacker does not even hear what is sent to it")
		}
	}
	own("before")

	// What happens in a federation: beats, requests, works, records.
	must(t, s.victim.Publish(subject.MemberBeat(), []byte("victim's beat")))
	_, err := asked(t, s.victim, []byte("victim's hello"))
	must(t, err)
	must(t, s.hub.Publish(subject.DownBeat(s.victims), []byte("for the victim")))
	for _, subj := range subject.FromHubs() {
		must(t, s.hub.Publish(subj, []byte("for gateways")))
	}
	workloads, err := s.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	_, err = workloads.Put(t.Context(), "shop.web", []byte("a workload"), 0)
	must(t, err)
	works, err := s.hub.WorkBucket(t.Context(), s.victims)
	must(t, err)
	_, err = works.Put(t.Context(), "shop.new", []byte("a work"), 0)
	must(t, err)
	must(t, s.victim.nc.Flush())
	must(t, s.hub.nc.Flush())
	own("after")
	for _, h := range heard() {
		if !strings.HasPrefix(h, "own: ") || !strings.Contains(h, " on "+subject.MemberDownBeat()+",") {
			t.Errorf("the attacker hears %q", h)
		}
	}
}

// TestReplyHijack: what the hub answers to a member goes to no place of the
// member's choice but its own.
func TestReplyHijack(t *testing.T) { everywhere(t, replyHijack) }

func replyHijack(t *testing.T, w world) {
	s := besiege(t, w)
	before := s.state(t)
	answered := make(chan string, 16)
	answering(t, s.hub, subject.Up("*", subject.UpHello), func(m messaging.Message) ([]byte, error) {
		if string(m.Data) != "ready?" {
			answered <- string(m.Data)
		}
		return []byte("hijacked"), nil
	})
	victimHears := eavesdrop(t, s.victim.nc, "_INBOX.>", subject.MemberDownAll())
	hubHears := eavesdrop(t, s.hub.nc, "_INBOX.victim", subject.Hub(">"), subject.HubBeat(), subject.HubOpinion(), "$JS.API.>")
	replies := []string{
		"_INBOX.victim", subject.MemberDownBeat(), subject.DownBeat(s.victims), subject.WorkPrefix(s.victims) + "shop.web",
		subject.RecordPrefix(subject.Assignments) + "shop.web", subject.Hub(subject.HubToken), subject.HubBeat(), subject.HubOpinion(),
		"$JS.API.STREAM.DELETE." + streamName(subject.Workloads),
	}
	ready := eavesdrop(t, s.attacker, "_INBOX.ready")
	if !within(20*time.Second, func() bool {
		must(t, s.attacker.PublishRequest(subject.MemberUp(subject.UpHello), "_INBOX.ready", []byte("ready?")))
		return len(ready()) > 0
	}) {
		t.Fatal("the hub does not answer the attacker")
	}
	for i, reply := range replies {
		must(t, s.attacker.PublishRequest(subject.MemberUp(subject.UpHello), reply, fmt.Appendf(nil, "%d", i)))
	}
	must(t, s.attacker.Flush())
	for range replies {
		select {
		case <-answered:
		case <-time.After(5 * time.Second):
			t.Fatal("a request did not reach the hub: the check could not fail")
		}
	}
	must(t, s.hub.nc.Flush())
	must(t, s.victim.nc.Flush())
	if v, h := victimHears(), hubHears(); len(v)+len(h) > 0 {
		t.Errorf("the victim hears %q, the hub %q", v, h)
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
