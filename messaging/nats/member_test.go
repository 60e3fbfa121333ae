package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// limit bounds every wait.
const limit = 20 * time.Second

// member is one on an external bus, and the hub's side of it.
type member struct {
	bus      *bus
	hub      *nats.Conn
	accounts *nats.Accounts
	urls     []string // where it connects; those of the bus by default

	name, account string
	conn          *nats.Conn
}

// joined makes the account of a new member, and connects it.
func joined(t *testing.T, m member) member {
	t.Helper()
	var err error
	m.name = "tokyo"
	m.account, err = m.accounts.AddMember(t.Context(), federation.MemberSpec{Name: m.name})
	must(t, err)
	if m.urls == nil {
		m.urls = m.bus.options.URLs
	}
	m.conn = m.dial(t)
	return m
}

func (m member) dial(t *testing.T) *nats.Conn {
	t.Helper()
	key, seed, err := nats.NewUserKey()
	must(t, err)
	token, _, err := m.accounts.SignUser(m.account, key)
	must(t, err)
	c, err := nats.Dial(nats.DialOptions{
		URLs: m.urls, CA: m.bus.files.CA, Credentials: nats.Credentials{JWT: token, Seed: seed}, Name: m.name, Account: m.account,
	})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// until does something again and again while it fails.
func until(t *testing.T, do func() error) {
	t.Helper()
	ctx := bounded(t)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for err := do(); err != nil; err = do() {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// answer lets the hub answer the member's requests with their sender, until the test ends.
func (m member) answer(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.hub.Respond(ctx, subject.Up("*", subject.UpHello), func(_ context.Context, m messaging.Message) ([]byte, error) {
			from, err := subject.AccountOf(m.Subject)
			return []byte(from), err
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	until(t, m.ask)
}

// ask is one request of the member; the answer must say that it is this member.
func (m member) ask() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	got, err := m.conn.Request(ctx, subject.MemberUp(subject.UpHello), nil)
	if err == nil && string(got) != m.account {
		err = errors.New("the hub takes it for " + string(got))
	}
	return err
}

// speaks: beats and requests arrive under the member's account, and orders of the hub.
func (m member) speaks(t *testing.T) {
	t.Helper()
	heard := make(chan messaging.Message, 100)
	stop, err := m.hub.Subscribe(t.Context(), subject.Beat("*"), func(m messaging.Message) { heard <- m })
	must(t, err)
	defer stop()
	until(t, func() error { // the other cluster learns of a subscription a moment later
		must(t, m.conn.Publish(subject.MemberBeat(), []byte("beat")))
		select {
		case got := <-heard:
			if got.Subject != subject.Beat(m.account) {
				t.Errorf("a beat is heard on %s", got.Subject)
			}
			return nil
		default:
			return errors.New("no beat is heard")
		}
	})
	m.answer(t)
	down := make(chan messaging.Message, 100)
	stop, err = m.conn.Subscribe(t.Context(), subject.MemberDown("probe"), func(m messaging.Message) { down <- m })
	must(t, err)
	defer stop()
	until(t, func() error {
		must(t, m.hub.Publish(subject.Down(m.account, "probe"), []byte("p")))
		select {
		case <-down:
			return nil
		default:
			return errors.New("the member hears nothing")
		}
	})
}

// works: the member reads its works, those of before and a new one.
func (m member) works(t *testing.T) {
	t.Helper()
	ctx := bounded(t)
	works, err := m.hub.WorkBucket(ctx, m.account)
	must(t, err)
	put := func(key string) {
		if _, err := works.Put(ctx, key, []byte(key), messaging.AnyRevision); err != nil {
			t.Error(err)
		}
	}
	put("shop.web")
	enough := errors.New("enough")
	err = m.conn.Works().Follow(ctx, func(changes []messaging.Change) error {
		for _, c := range changes {
			switch {
			case c.Synced:
				put("shop.db")
			case c.Key == "shop.db":
				return enough
			}
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatalf("the member's works end with %v", err)
	}
}

// revoked: the live connection of the member is cut, and it does not come back.
func (m member) revoked(t *testing.T) {
	t.Helper()
	must(t, m.accounts.Revoke(t.Context(), m.account))
	until(t, func() error {
		if m.conn.Connected() {
			return errors.New("it is connected")
		}
		return nil
	})
	if _, err := nats.Dial(nats.DialOptions{URLs: m.urls, CA: m.bus.files.CA, Name: m.name, Account: m.account}); err == nil {
		t.Error("somebody without credentials is let in")
	}
	key, seed, err := nats.NewUserKey()
	must(t, err)
	token, _, err := m.accounts.SignUser(m.account, key)
	must(t, err)
	if _, err := nats.Dial(nats.DialOptions{
		URLs: m.urls, CA: m.bus.files.CA, Credentials: nats.Credentials{JWT: token, Seed: seed}, Name: m.name, Account: m.account,
	}); err == nil {
		t.Error("a new user of the revoked account is let in")
	}
}

// roles are those of the suite, on empty buckets.
func (m member) roles(t *testing.T, gateway *nats.Conn) messagingtest.Roles {
	t.Helper()
	empty(t, m.hub)
	m = joined(t, m)
	works, err := m.hub.WorkBucket(t.Context(), m.account)
	must(t, err)
	return messagingtest.Roles{
		Publisher: gateway, Subscriber: m.hub, Requester: gateway, Responder: m.hub, Buckets: m.hub, Leaser: m.hub,
		Works: works, Orders: m.conn.Works(), MaxPayload: nats.MaxPayload,
	}
}
