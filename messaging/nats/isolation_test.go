package nats

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestAccountsAlone: the account of a member keeps it apart also if its user may do
// everything within it, as no user that the hub signs may.
func TestAccountsAlone(t *testing.T) { everywhere(t, accountsAlone) }

func accountsAlone(t *testing.T, w world) {
	s := besiege(t, w)
	pub, seed, err := NewUserKey()
	must(t, err)
	claims := jwt.NewUserClaims(pub)
	claims.IssuerAccount = s.own
	token, err := claims.Encode(s.keys.signer)
	must(t, err)
	free, err := nats.Connect(s.urls[0], nats.Secure(clientTLS(t, s.ca)), nats.UserJWTAndSeed(token, string(seed)))
	must(t, err)
	defer free.Close()

	before := s.state(t)
	hears := eavesdrop(t, free, subject.UpOf(s.victims), subject.DownOf(s.victims), subject.RecordPrefix(subject.Workloads)+">", subject.HubBeat(), subject.HubOpinion(), subject.Hub(">"), "$JS.>", "$SYS.>")
	for _, headers := range [][]string{nil, {"Nats-Rollup", "all", "Nats-Msg-Id", "m1"}} {
		for _, a := range answers(t, free, s.targets(), headers...) {
			if strings.Contains(a.data, "secret") || strings.Contains(strings.ReplaceAll(a.data, a.asked, ""), s.victims) {
				t.Errorf("%s is answered with %s", a.asked, a.data)
			}
		}
	}
	must(t, s.victim.Publish(subject.MemberBeat(), []byte("victim's beat")))
	must(t, s.victim.nc.Flush())
	must(t, s.hub.Publish(subject.DownBeat(s.victims), []byte("for the victim")))
	must(t, s.hub.nc.Flush())
	must(t, free.Flush())
	for _, heard := range hears() {
		if strings.Contains(heard, "victim's beat") || strings.Contains(heard, "for the victim") {
			t.Errorf("it hears %q", heard)
		}
	}
	for _, heard := range s.heardOfVictim() {
		if strings.HasPrefix(heard, "attack") {
			t.Errorf("heard as another: %q", heard)
		}
	}
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// TestForeignAcknowledgements: what a member has been handed stays its own to
// acknowledge.
func TestForeignAcknowledgements(t *testing.T) { everywhere(t, foreignAcknowledgements) }

func foreignAcknowledgements(t *testing.T, w world) {
	s := besiege(t, w)
	consumer, err := s.victim.js.Consumer(t.Context(), subject.WorkBucket(s.victims), s.victims)
	must(t, err)
	batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(5*time.Second))
	must(t, err)
	var handed jetstream.Msg
	for m := range batch.Messages() {
		handed = m
	}
	if handed == nil {
		t.Fatal("the victim is handed nothing")
	}
	reply := handed.Reply()
	before := s.state(t)
	local := strings.Replace(reply, s.victims+"."+s.victims, s.own+"."+s.own, 1)
	for _, subj := range []string{reply, local, strings.Replace(reply, "$JS.ACK.", "$JS.ACK.*.", 1), "HJS.ACK." + strings.TrimPrefix(reply, "$JS.ACK.")} {
		for _, what := range []string{"+ACK", "-NAK", "+WPI", "+TERM", "+NXT", `+NXT {"batch":10}`} {
			must(t, s.attacker.PublishRequest(subj, "_INBOX.attack", []byte(what)))
		}
	}
	must(t, s.attacker.Flush())
	gateway := s.dial(t, GatewayRole).nc
	must(t, gateway.Publish(reply, []byte("+TERM")))
	must(t, gateway.Flush())
	if after := s.state(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	must(t, handed.DoubleAck(t.Context()))
	if s.state(t) == before {
		t.Error("not even the victim can acknowledge")
	}
}

// TestSuspend: a member that is suspended is cut off and stays out, nobody else is, and
// it comes in again when it is added again.
func TestSuspend(t *testing.T) { everywhere(t, suspend) }

func suspend(t *testing.T, w world) {
	s := besiege(t, w)
	credentials, _ := s.credentials(t, "frankfurt")
	dial := func() error {
		c, err := s.dialAs(credentials, "frankfurt", s.own)
		if err == nil {
			c.Close()
		}
		return err
	}
	must(t, s.register.Suspend(t.Context(), "frankfurt", s.own))
	if !within(10*time.Second, func() bool { return !s.attacker.IsConnected() && dial() != nil }) {
		t.Error("it is not cut off")
	}
	if !s.victim.Connected() {
		t.Error("the victim is cut off as well")
	}
	_, err := s.register.AddMember(t.Context(), federation.MemberSpec{Name: "frankfurt", Account: s.own})
	must(t, err)
	if !within(10*time.Second, func() bool { return dial() == nil }) {
		t.Errorf("it does not come in again: %v", dial())
	}
	if !within(10*time.Second, s.attacker.IsConnected) {
		t.Error("its old connection does not come back")
	}
	works, err := s.hub.WorkBucket(t.Context(), s.own)
	must(t, err)
	_, err = works.Put(t.Context(), "shop.web", []byte("x"), messaging.AnyRevision)
	must(t, err)
}
