package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// applicant is a cluster that asks to join by hand.
func (w *world) applicant(name, cluster string) *agent {
	a := &agent{w: w, name: name, cluster: cluster, region: "ap-northeast", keys: newSealKeys(w.t)}
	a.serveAPI()
	return a
}

// apply sends the join request after change.
func (a *agent) apply(token federation.TokenReply, change func(*federation.JoinRequest)) error {
	a.w.t.Helper()
	public, _, err := nats.NewUserKey()
	must(a.w.t, err)
	r := a.request(token, public)
	if change != nil {
		change(&r)
	}
	_, err = a.w.ask(subject.HubJoin, federationv1.EncodeJoinRequest(r))
	return err
}

func TestJoin(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	token := w.token("tokyo")
	must(t, w.applicant("tokyo", "c1").apply(token, nil))

	entry, ok := w.entries(subject.Members)[subject.MemberKey("tokyo")]
	if !ok {
		t.Fatal("no record of the member that joined")
	}
	spec, err := federationv1.DecodeMemberSpec(entry.Value)
	must(t, err)
	if spec.ClusterID != "c1" || !spec.Place.Located() || !strings.HasPrefix(spec.Account, "A") || spec.JoinedAt.IsZero() {
		t.Errorf("got %+v", spec)
	}

	t.Run("again by the same cluster", func(t *testing.T) {
		if err := w.applicant("tokyo", "c1").apply(w.token("tokyo"), nil); err != nil {
			t.Errorf("a cluster that lost its agent's state cannot come back: %v", err)
		}
	})
}

func TestJoinAfterTheHubEndedInBetween(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	token, tokyo := w.token("tokyo"), w.applicant("tokyo", "c1")
	unused := w.stored(token)
	must(t, tokyo.apply(token, nil))
	w.store(unused) // as it is when the hub ends before it has consumed it
	if err := w.applicant("tokyo", "c2").apply(token, nil); err == nil {
		t.Error("the token joined another cluster")
	}
	must(t, tokyo.apply(token, nil))
	refusal(t, tokyo.apply(token, nil), messaging.Denied, `join of tokyo: the token was used already: make a new one with "hansa token create --member tokyo"`)
}

func TestJoinOfOneClusterUnderTwoNames(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	names := []string{"tokyo", "osaka"}
	results := make(chan error, len(names))
	for _, name := range names {
		token := w.token(name)
		a := w.applicant(name, "c1")
		go func() { results <- a.apply(token, nil) }()
	}
	joined := 0
	for range names {
		if err := <-results; err == nil {
			joined++
		} else {
			t.Log(err)
		}
	}
	if joined != 1 || len(w.entries(subject.Members)) != 1 {
		t.Errorf("%d joined, the store has %d members", joined, len(w.entries(subject.Members)))
	}
}

func TestJoinRefusals(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	used := w.token("tokyo")
	must(t, w.applicant("tokyo", "c1").apply(used, nil))
	fresh := func(name string) federation.TokenReply { return w.token(name) }
	again := func(name string) string {
		return fmt.Sprintf(": make a new one with \"hansa token create --member %s\"", name)
	}

	for _, c := range []struct {
		name   string
		token  federation.TokenReply
		member string
		change func(*federation.JoinRequest)
		kind   messaging.Kind
		text   string
	}{
		{"taken name", fresh("tokyo"), "tokyo", nil, messaging.Exists, "join of tokyo: another cluster has joined under this name: choose another name, or remove it with \"hansa leave tokyo\""},
		{"member under another name", fresh("osaka"), "osaka", func(r *federation.JoinRequest) { r.ClusterID = "c1" }, messaging.Exists, "join of osaka: the cluster is a member already, as tokyo: remove that first with \"hansa leave tokyo\""},
		{"cluster of another federation", fresh("osaka"), "osaka", func(r *federation.JoinRequest) { r.Federation = "F2" }, messaging.Exists, "join of osaka: the cluster belongs to another federation (F2, this is F1): remove it there with \"hansa leave\"; if it was removed without its agent, delete ConfigMap hansa-system/hansa-member in the cluster"},
		{"used token", used, "tokyo", nil, messaging.Denied, "join of tokyo: the token was used already" + again("tokyo")},
		{"unknown token", federation.TokenReply{ID: "none", Secret: "x"}, "osaka", nil, messaging.Denied, "join of osaka: the token is not known" + again("osaka")},
		{"wrong secret", federation.TokenReply{ID: fresh("osaka").ID, Secret: "guess"}, "osaka", nil, messaging.Denied, "join of osaka: the token is not known" + again("osaka")},
		{"expired token", w.expired("osaka"), "osaka", nil, messaging.Denied, "join of osaka: the token expired at 2020-01-02T03:04:05Z" + again("osaka")},
		{"another's token", fresh("osaka"), "kyoto", nil, messaging.Denied, "join of kyoto: the token is for member osaka" + again("kyoto")},
		{"bad name", fresh("osaka"), "Osaka!", nil, messaging.Invalid, "member name \"Osaka!\": want lower-case letters, digits and \"-\", at most 50 characters"},
		{"no cluster", fresh("osaka"), "osaka", func(r *federation.JoinRequest) { r.ClusterID = "" }, messaging.Invalid, "join of osaka: the cluster id is missing"},
		{"bad seal key", fresh("osaka"), "osaka", func(r *federation.JoinRequest) { r.SealKey = "nonsense" }, messaging.Invalid, "the seal key of osaka: seal: \"nonsense\" is not a public curve key"},
		{"no region", fresh("osaka"), "osaka", func(r *federation.JoinRequest) { r.Place = federation.Place{} }, messaging.Invalid, "join of osaka: the region is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.entries(subject.Members)
			refusal(t, w.applicant(c.member, "c2").apply(c.token, c.change), c.kind, c.text)
			after := w.entries(subject.Members)
			if len(after) != len(before) || after[subject.MemberKey("tokyo")].Revision != before[subject.MemberKey("tokyo")].Revision {
				t.Errorf("a refused join wrote: %d members before, %d after", len(before), len(after))
			}
		})
	}
	t.Run("bad user key", func(t *testing.T) {
		token := w.token("osaka")
		a := w.applicant("osaka", "c2")
		err := a.apply(token, func(r *federation.JoinRequest) { r.UserKey = "nonsense" })
		if err == nil || !strings.HasPrefix(err.Error(), "join of osaka: ") {
			t.Fatalf("got %v", err)
		}
		if err := a.apply(token, nil); err != nil {
			t.Errorf("a refused join consumed the token: %v", err)
		}
	})
}

// expired puts a token in the store whose time is over: no request can make one.
func (w *world) expired(member string) federation.TokenReply {
	w.t.Helper()
	fresh := w.token(member)
	stored := w.stored(fresh)
	stored.ExpiresAt = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	w.store(stored)
	return fresh
}

// stored returns what the store has of a token.
func (w *world) stored(token federation.TokenReply) federation.Token {
	w.t.Helper()
	stored, err := federationv1.DecodeToken(w.entries(subject.Tokens)[subject.Token(token.ID)].Value)
	must(w.t, err)
	return stored
}

// store overwrites a token.
func (w *world) store(token federation.Token) {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), subject.Tokens)
	must(w.t, err)
	_, err = b.Put(w.t.Context(), subject.Token(token.ID), federationv1.EncodeToken(token), messaging.AnyRevision)
	must(w.t, err)
}

// TestTokens: tokens are listed without what could be used of them, one that was revoked
// joins nobody, and what nobody can use is forgotten.
func TestTokens(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	kept, gone := w.token("osaka"), w.token("seoul")
	w.expired("lima")
	tokens := func(revoke string) []federation.Token {
		b, err := w.ask(subject.HubTokens, federationv1.EncodeTokensRequest(federation.TokensRequest{Revoke: revoke}))
		must(t, err)
		reply, err := federationv1.DecodeTokensReply(b)
		must(t, err)
		return reply.Tokens
	}
	all := tokens("")
	if len(all) != 2 || all[0].ID != kept.ID || all[0].Member != "osaka" || all[1].ID != gone.ID || all[0].SecretHash != nil || all[0].Used {
		t.Errorf("tokens: %+v", all)
	}
	if left := tokens(gone.ID); len(left) != 1 || left[0].ID != kept.ID {
		t.Errorf("after one was revoked: %+v", left)
	}
	if n := len(w.entries(subject.Tokens)); n != 1 {
		t.Errorf("%d tokens are stored", n)
	}
	_, err := w.ask(subject.HubTokens, federationv1.EncodeTokensRequest(federation.TokensRequest{Revoke: gone.ID}))
	refusal(t, err, messaging.NotFound, "token "+gone.ID+" does not exist: see \"hansa token list\"")
}

func TestTokenRefusals(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	for _, c := range []struct {
		name    string
		request federation.TokenRequest
		text    string
	}{
		{"bad name", federation.TokenRequest{Member: "a b", TTL: time.Hour}, "member name \"a b\": want lower-case letters, digits and \"-\", at most 50 characters"},
		{"long name", federation.TokenRequest{Member: strings.Repeat("x", 51), TTL: time.Hour}, "member name \"" + strings.Repeat("x", 51) + "\": want lower-case letters, digits and \"-\", at most 50 characters"},
		{"short life", federation.TokenRequest{Member: "osaka", TTL: time.Second}, "token for osaka: a lifetime of 1s is not between 1m0s and 168h0m0s"},
		{"long life", federation.TokenRequest{Member: "osaka", TTL: 1000 * time.Hour}, "token for osaka: a lifetime of 1000h0m0s is not between 1m0s and 168h0m0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.ask(subject.HubToken, federationv1.EncodeTokenRequest(c.request))
			refusal(t, err, messaging.Invalid, c.text)
		})
	}
	if n := len(w.entries(subject.Tokens)); n != 0 {
		t.Errorf("refused requests stored %d tokens", n)
	}
}

// TestTokenSecretIsNotStored: what can be read from the store joins nobody.
func TestTokenSecretIsNotStored(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	token := w.token("tokyo")
	entry := w.entries(subject.Tokens)[subject.Token(token.ID)]
	if len(entry.Value) == 0 || strings.Contains(string(entry.Value), token.Secret) {
		t.Errorf("stored %q", entry.Value)
	}
}
