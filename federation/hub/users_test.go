package hub_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// tenant is an agent that does nothing but keep its credentials, as the real one does.
type tenant struct {
	w     *world
	name  string
	life  federation.Incarnation
	lines chan string // the warnings of its keeper
	links []*nats.Conn

	keeper *access.Keeper

	mu   sync.Mutex
	disk access.State
}

// Write takes a line of the keeper's log.
func (a *tenant) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "level=WARN") {
		a.lines <- string(line)
	}
	return a.w.t.Output().Write(line)
}

func (w *world) newTenant(name string) *tenant {
	w.t.Helper()
	joins := w.applicant(name, "cluster-"+name)
	joins.join()
	return &tenant{w: w, name: name, lines: make(chan string, 100), disk: access.State{Credentials: access.Credentials{
		BusURLs: []string{w.server.URL()}, BusCA: w.ca, Account: joins.account, JWT: joins.creds.JWT, Seed: joins.creds.Seed,
	}}}
}

func (a *tenant) state() access.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.disk
}

func (a *tenant) user() federation.BusUser {
	u, err := nats.ReadUser(a.state().JWT)
	if err != nil {
		a.w.t.Error(err)
	}
	return u
}

// start begins a life.
func (a *tenant) start() {
	a.w.t.Helper()
	a.life++
	a.keeper = access.New(access.Options{
		Member: a.name, ClusterID: "cluster-" + a.name, Incarnation: a.life, Log: slog.New(slog.NewTextHandler(a, nil)),
		Keys: access.Keys{New: nats.NewUserKey, Sign: nats.Sign, Read: nats.ReadUser},
		Hub:  access.Hub{Bus: a.rotate, Gateway: a.w.renew, Rotated: a.rotated},
		Save: func(s access.State) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.disk = s
			return nil
		},
	}, a.state())
	a.links = []*nats.Conn{a.dial(a.keeper.Credentials, 1), a.dial(a.keeper.Credentials, 2)}
	a.keeper.Use(a.links[0], a.links[1])
	ctx, end := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := a.keeper.Run(ctx); err != nil {
			a.w.t.Error(err)
		}
	})
	a.w.t.Cleanup(func() { end(); ended.Wait() })
	_, err := a.links[0].Subscribe(ctx, subject.MemberDown(subject.DownRotate), func(m messaging.Message) {
		if o, err := federationv1.DecodeRotationOrder(m.Data); err == nil {
			a.keeper.Order(o)
		}
	})
	must(a.w.t, err)
}

// dial makes a connection with what the credentials are at each attempt.
func (a *tenant) dial(credentials func() access.Credentials, first int) *nats.Conn {
	a.w.t.Helper()
	o := nats.DialOptions{
		Source: func() (nats.Access, error) {
			c := credentials()
			return nats.Access{URLs: c.BusURLs, CA: c.BusCA, Credentials: nats.Credentials{JWT: c.JWT, Seed: c.Seed}}, nil
		},
		Name: a.name, Account: a.state().Account, First: first, Patient: true, Refused: func() {},
	}
	if a.keeper != nil {
		o.Refused = a.keeper.Refused
	}
	c, err := nats.Dial(o)
	must(a.w.t, err)
	a.w.t.Cleanup(c.Close)
	return c
}

func (a *tenant) rotate(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
	b, err := askUntilHeard(ctx, a.links[0], subject.MemberUp(subject.UpRotate), federationv1.EncodeRotation(r))
	if err != nil {
		return federation.RotationReply{}, err
	}
	return federationv1.DecodeRotationReply(b)
}

func (a *tenant) rotated(ctx context.Context, r federation.Rotated) error {
	_, err := askUntilHeard(ctx, a.links[0], subject.MemberUp(subject.UpRotated), federationv1.EncodeRotated(r))
	return err
}

// renew asks for a user as a gateway does.
func (w *world) renew(ctx context.Context, r federation.Rotation) (federation.RotationReply, error) {
	b, err := askUntilHeard(ctx, w.asks, subject.Hub(subject.HubRotate), federationv1.EncodeRotation(r))
	if err != nil {
		return federation.RotationReply{}, err
	}
	return federationv1.DecodeRotationReply(b)
}

// within waits until ok.
func (w *world) within(what string, ok func() bool) {
	w.t.Helper()
	looks := time.NewTicker(20 * time.Millisecond)
	defer looks.Stop()
	for limit := time.After(patience); !ok(); {
		select {
		case <-looks.C:
		case <-limit:
			w.t.Fatalf("%s does not happen", what)
		}
	}
}

// uses waits until the record names a user that satisfies ok, and nothing else is open.
func (w *world) uses(member string, ok func(federation.BusUser) bool) federation.BusUser {
	w.t.Helper()
	return await(w, members, subject.MemberKey(member), func(s federation.MemberSpec) bool {
		return ok(s.User) && s.NextUser.Key == "" && len(s.EndedUsers) == 0 && s.RotateBy.IsZero()
	}).User
}

// TestRenewal: users are replaced while the agent works, and each old one ends.
func TestRenewal(t *testing.T) {
	w := newWorldOf(t, nats.ServerOptions{UserLifetime: 6 * time.Second})
	w.startHub("hub")
	a := w.newTenant("tokyo")
	first := a.user()
	if got := w.uses("tokyo", func(u federation.BusUser) bool { return u.Key == first.Key }); got.ExpiresAt.Sub(first.ExpiresAt).Abs() > time.Second {
		t.Errorf("the record says %v, the JWT %v", got.ExpiresAt, first.ExpiresAt)
	}
	joined := a.state()
	thief := a.dial(func() access.Credentials { return joined.Credentials }, 0)
	a.start()
	second := w.uses("tokyo", func(u federation.BusUser) bool { return u.Key != first.Key })
	w.within("the end of the copied credentials", func() bool { return !thief.Connected() })
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key != first.Key && u.Key != second.Key })
	if a.links[0].Server() == "" || a.links[1].Server() == "" || len(a.lines) > 0 {
		t.Errorf("it is connected to %q and %q, and %d warnings were logged", a.links[0].Server(), a.links[1].Server(), len(a.lines))
	}
}

// command is what an operator asks about a member.
func (w *world) command(member, action string, argument ...string) error {
	w.t.Helper()
	_, err := w.ask(subject.HubMember, federationv1.EncodeMemberChange(federation.MemberChange{Member: member, Action: action, Argument: strings.Join(argument, " "), Who: "ann"}))
	return err
}

// TestRotateAtOnce: an operator has credentials replaced; who has a copy is cut off. One
// that joins again has ended what it had before.
func TestRotateAtOnce(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	a := w.newTenant("tokyo")
	joined := a.state()
	a.start()
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key == a.user().Key })
	thief := a.dial(func() access.Credentials { return joined.Credentials }, 0)
	w.within("the copy", thief.Connected)
	must(t, w.command("tokyo", "rotate"))
	before := w.uses("tokyo", func(u federation.BusUser) bool { return u.Key == a.user().Key && a.state().JWT != joined.JWT })
	w.within("the end of the copy", func() bool { return !thief.Connected() })
	w.within("the change of every connection", func() bool { return a.links[0].Connected() && a.links[1].Connected() })

	again := w.applicant("tokyo", "cluster-tokyo")
	again.join()
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key != before.Key })
	w.within("the end of what it had before it joined again", func() bool { return !a.links[0].Connected() && !a.links[1].Connected() })
}

// TestLeaveCutsOff: an agent whose member left is cut off, says so once, and gets nothing.
func TestLeaveCutsOff(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	a := w.newTenant("tokyo")
	a.start()
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key == a.user().Key })
	must(t, w.command("tokyo", "leave", "forget"))
	w.within("the end of the connections", func() bool { return !a.links[0].Connected() && !a.links[1].Connected() })
	for said, patient := false, time.After(patience); !said; {
		select {
		case line := <-a.lines: // that it could not be heard, or answered, while it was cut off may come first
			said = strings.Contains(line, "tokyo is no member any more: join again with a new token")
			if !said && !strings.Contains(line, "bus not reachable") && !strings.Contains(line, "no answer in time") || strings.Count(line, "\n") != 1 {
				t.Errorf("it says %s", line)
			}
		case <-patient:
			t.Fatal("it does not say why")
		}
	}
	if u := a.user(); a.state().Next == nil || u.Key == a.state().Next.Public {
		t.Error("it has other credentials now")
	}
}

// TestOffTheBus: an agent that was away for longer than its user lived comes back by a
// gateway; nobody else does.
func TestOffTheBus(t *testing.T) {
	w := newWorldOf(t, nats.ServerOptions{UserLifetime: 2 * time.Second})
	w.startHub("hub")
	a := w.newTenant("tokyo")
	old := a.user()
	public, _, err := nats.NewUserKey()
	must(t, err)
	_, foreign, err := nats.NewUserKey()
	must(t, err)
	w.within("the end of its user", func() bool { return time.Now().After(old.ExpiresAt.Add(time.Second)) })
	for _, c := range []struct {
		name   string
		change func(*federation.Rotation)
		seed   []byte
		kind   messaging.Kind
		text   string
	}{
		{"another's key", nil, foreign, messaging.Denied, "new credentials for tokyo: the signature is not of the key " + old.Key},
		{"no key", func(r *federation.Rotation) { r.Key = "x" }, a.disk.Seed, messaging.Denied, "new credentials for tokyo: \"x\" is not a public user key"},
		{"no new key", func(r *federation.Rotation) { r.NewKey = "x" }, a.disk.Seed, messaging.Invalid, "new credentials for tokyo: \"x\" is not a public user key"},
		{"unknown member", func(r *federation.Rotation) { r.Member = "osaka" }, a.disk.Seed, messaging.NotFound, "osaka is no member any more: join again with a new token"},
		{"another cluster", func(r *federation.Rotation) { r.ClusterID = "c9" }, a.disk.Seed, messaging.Denied, "new credentials for tokyo: another cluster has this name: join under another"},
		{"replayed", func(r *federation.Rotation) { r.At = r.At.Add(-2 * time.Minute) }, a.disk.Seed, messaging.Denied, "new credentials for tokyo: the clock of the agent is 2m0s off: set it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := federation.Rotation{Member: "tokyo", ClusterID: "cluster-tokyo", Key: old.Key, NewKey: public, At: time.Now()}
			if c.change != nil {
				c.change(&r)
			}
			r.Signature, err = nats.Sign(c.seed, r.Text())
			must(t, err)
			_, err := w.renew(t.Context(), r)
			refusal(t, err, c.kind, c.text)
		})
	}
	t.Run("another text", func(t *testing.T) {
		r := federation.Rotation{Member: "tokyo", ClusterID: "cluster-tokyo", Key: old.Key, NewKey: public, At: time.Now()}
		r.Signature, err = nats.Sign(a.disk.Seed, r.Text())
		must(t, err)
		r.NewKey, _, err = nats.NewUserKey()
		must(t, err)
		_, err := w.renew(t.Context(), r)
		refusal(t, err, messaging.Denied, "new credentials for tokyo: the signature is not of the key "+old.Key)
	})
	if spec := await(w, members, subject.MemberKey("tokyo"), func(federation.MemberSpec) bool { return true }); spec.NextUser.Key != "" {
		t.Errorf("a refused request changed the record: %+v", spec)
	}
	a.start()
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key != old.Key })
	w.within("the way back", func() bool { return a.links[0].Connected() && a.links[1].Connected() })
}

// TestFederationGrows: agents that joined when there was one server learn of others from
// the next hub, and go there when the first one ends.
func TestFederationGrows(t *testing.T) {
	w := newWorld(t)
	h := w.startHub("hub")
	a := w.newTenant("tokyo")
	a.start()
	w.uses("tokyo", func(u federation.BusUser) bool { return u.Key == a.user().Key })
	h.stop()
	second := w.grow()
	w.urls = []string{w.server.URL(), second.URL()}
	w.startHub("hub")
	b, err := askUntilHeard(t.Context(), a.links[0], subject.MemberUp(subject.UpHello), federationv1.EncodeHello(federation.Hello{
		Member: "tokyo", Incarnation: 1, Sequence: 1, ClusterID: "cluster-tokyo",
	}))
	must(t, err)
	reply, err := federationv1.DecodeHelloReply(b)
	must(t, err)
	a.keeper.Learn(reply.BusURLs, reply.BusCA)
	if got := a.state(); strings.Join(got.BusURLs, " ") != strings.Join(w.urls, " ") {
		t.Fatalf("the agent knows %q", got.BusURLs)
	}
	_, err = second.Accounts.AddMember(t.Context(), federation.MemberSpec{Name: "tokyo", Account: a.state().Account})
	must(t, err)
	must(t, a.links[1].Move(t.Context()))
	w.within("the change of one connection", func() bool { return "tls://"+a.links[1].Server() == second.URL() })
	if at := "tls://" + a.links[0].Server(); at != w.server.URL() {
		t.Errorf("the other connection went to %s", at)
	}
}
