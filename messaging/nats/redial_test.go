package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// longest bounds every wait here; nothing waits that long unless it is broken.
const longest = 20 * time.Second

// wallet is an access that changes, and knows when it was asked for.
type wallet struct {
	mu    sync.Mutex
	now   Access
	asked []time.Time
	news  chan struct{}
}

func (w world) wallet(c Credentials) *wallet {
	return &wallet{now: Access{URLs: []string{w.server.URL()}, CA: w.ca, Credentials: c}, news: make(chan struct{}, 1000)}
}

// source notes that it was asked; each attempt asks for the CA and for the user.
func (w *wallet) source() (Access, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, time.Now())
	w.news <- struct{}{}
	return w.now, nil
}

func (w *wallet) put(change func(*Access)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.now)
}

func (w world) dialWith(t *testing.T, wallet *wallet, account string, change func(*DialOptions)) *Conn {
	t.Helper()
	o := DialOptions{Source: wallet.source, Name: "tokyo", Account: account, Patient: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&o)
	}
	c, err := Dial(o)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// lines is a log that is written by many.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}

func happens(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(longest):
		t.Fatalf("%s does not happen", what)
	}
}

// TestSwitch: a connection changes its user and goes on; the old user can be ended then,
// and only that one is.
func TestSwitch(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	old, account := w.credentials(t, "tokyo")
	wallet := w.wallet(old)
	c := w.dialWith(t, wallet, account, nil)
	thief := w.dialWith(t, w.wallet(old), account, func(o *DialOptions) { o.Name = "thief" })
	heard := make(chan struct{}, 10)
	_, err := c.Subscribe(t.Context(), subject.MemberDownBeat(), func(messaging.Message) { heard <- struct{}{} })
	must(t, err)

	fresh, _ := w.credentials(t, "tokyo")
	wallet.put(func(a *Access) { a.Credentials = fresh })
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	must(t, c.Switch(ctx))
	if uses, _ := c.redial.state(); uses != fresh.JWT {
		t.Fatal("it does not use the new user")
	}
	user, err := ReadUser(old.JWT)
	must(t, err)
	cut := thief.nc.StatusChanged(nats.RECONNECTING)
	must(t, w.server.Accounts.RevokeUser(ctx, account, user.Key))
	select {
	case <-cut:
	case <-ctx.Done():
		t.Fatal("the old user stays")
	}
	must(t, hub.Publish(subject.DownBeat(account), nil))
	happens(t, "a message to the new user", heard)
	if !c.Connected() {
		t.Error("the new user is cut off as well")
	}
	must(t, c.Switch(ctx)) // nothing to do
}

// TestRefused: who is refused is told once, tries again seldom, and is let in as soon as
// there are other credentials.
func TestRefused(t *testing.T) {
	w := open(t)
	old, account := w.credentials(t, "tokyo")
	wallet := w.wallet(old)
	var log lines
	c := w.dialWith(t, wallet, account, func(o *DialOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	const wait = 300 * time.Millisecond
	c.redial.mu.Lock()
	c.redial.patient = wait
	c.redial.mu.Unlock()
	user, err := ReadUser(old.JWT)
	must(t, err)
	cut := c.nc.StatusChanged(nats.RECONNECTING)
	must(t, w.server.Accounts.RevokeUser(t.Context(), account, user.Key))
	<-cut
	wallet.put(func(*Access) { wallet.asked = nil })
	for len(wallet.news) > 0 {
		<-wallet.news
	}
	for range 8 { // the first comes at once
		happens(t, "an attempt", wallet.news)
	}
	fresh, _ := w.credentials(t, "tokyo")
	wallet.put(func(a *Access) { a.Credentials = fresh })
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	must(t, c.Switch(ctx))
	c.Close()
	if n := strings.Count(log.String(), "get new ones"); n != 1 {
		t.Errorf("told %d times:\n%s", n, &log)
	}
	wallet.mu.Lock()
	defer wallet.mu.Unlock()
	if took := wallet.asked[7].Sub(wallet.asked[3]); took < 2*wait {
		t.Errorf("three attempts within %v, want at least %v between two", took, wait)
	}
}

// TestRefusedAtFirst: also who was never let in learns that it is refused.
func TestRefusedAtFirst(t *testing.T) {
	w := open(t)
	c, account := w.credentials(t, "tokyo")
	user, err := ReadUser(c.JWT)
	must(t, err)
	must(t, w.server.Accounts.RevokeUser(t.Context(), account, user.Key))
	refusals := make(chan struct{}, 1)
	w.dialWith(t, w.wallet(c), account, func(o *DialOptions) { o.Refused = func() { refusals <- struct{}{} } })
	happens(t, "the refusal", refusals)
}

// TestForeignBus: a bus whose certificate another CA signed is told once, and tried on.
func TestForeignBus(t *testing.T) {
	w := open(t)
	credentials, account := w.credentials(t, "tokyo")
	wallet := w.wallet(credentials)
	wallet.now.CA = open(t).ca
	var log lines
	c := w.dialWith(t, wallet, account, func(o *DialOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for range 6 {
		happens(t, "an attempt", wallet.news)
	}
	c.Close()
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "the given CA did not sign the bus's certificate") {
		t.Errorf("told %d lines:\n%s", n, &log)
	}
}

// TestNext: servers in turn, without a wait until each was tried once; then with one.
func TestNext(t *testing.T) {
	pool := func(hosts ...string) []nats.Server {
		var out []nats.Server
		for _, h := range hosts {
			out = append(out, nats.Server{URL: mustURL(t, "tls://"+h)})
		}
		return out
	}
	var got []string
	r, err := newRedial(DialOptions{Name: "tokyo", First: 1})
	must(t, err)
	r.at = "b:1"
	for range 6 {
		s, wait := r.next(pool("a:1", "b:1", "c:1"), nats.ServerInfo{})
		got = append(got, fmt.Sprintf("%s waits=%v", s.URL.Host, wait > 0))
	}
	r.refused = true
	_, wait := r.next(pool("a:1"), nats.ServerInfo{})
	want := "c:1 waits=false, a:1 waits=false, b:1 waits=true, c:1 waits=false, a:1 waits=false, b:1 waits=true"
	if strings.Join(got, ", ") != want || wait < 5*time.Second || wait > 10*time.Second {
		t.Errorf("got %q and %v after a refusal", got, wait)
	}
	if urls := r.ordered([]string{"a", "b", "c"}); !slices.Equal(urls, []string{"b", "c", "a"}) {
		t.Errorf("the first URLs are %q", urls)
	}
}

// TestRefresh: a connection learns where other servers are, and goes there when its own
// ends.
func TestRefresh(t *testing.T) {
	w, other := open(t), open(t)
	credentials, account := w.credentials(t, "tokyo")
	wallet := w.wallet(credentials)
	c := w.dialWith(t, wallet, account, nil)
	if c.Server() != strings.TrimPrefix(w.server.URL(), "tls://") {
		t.Errorf("it is connected to %q", c.Server())
	}
	if err := c.Trusts(other.ca); err == nil {
		t.Error("the certificate counts as one of another CA")
	}
	must(t, c.Trusts(w.ca))
	foreign, _ := other.credentials(t, "tokyo")
	wallet.put(func(a *Access) {
		a.URLs, a.CA, a.Credentials = []string{w.server.URL(), other.server.URL()}, slices.Concat(w.ca, other.ca), foreign
	})
	must(t, c.Refresh())
	w.server.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	must(t, c.Switch(ctx))
	if c.Server() != strings.TrimPrefix(other.server.URL(), "tls://") {
		t.Errorf("it is connected to %q", c.Server())
	}
}

// TestNonce: nothing long is signed for a server.
func TestNonce(t *testing.T) {
	pub, seed, err := NewUserKey()
	must(t, err)
	r, err := newRedial(DialOptions{Credentials: Credentials{Seed: seed}})
	must(t, err)
	if _, err := r.user(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.sign(make([]byte, longestNonce+1)); err == nil {
		t.Error("a text of a server's choice is signed")
	}
	text := []byte("challenge")
	signature, err := r.sign(text)
	must(t, err)
	var a Accounts
	must(t, a.CheckSignature(pub, text, signature))
	for name, err := range map[string]error{
		"another text": a.CheckSignature(pub, []byte("x"), signature), "no key": a.CheckSignature("x", text, signature), "nothing": a.CheckSignature(pub, text, nil),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := Sign([]byte("x"), text); err == nil {
		t.Error("signed without a seed")
	}
}

// TestForgottenAccount: servers that have lost an account, and with it what they had to
// refuse, refuse the users from before the present one.
func TestForgottenAccount(t *testing.T) {
	w := open(t)
	key, err := nkeys.CreateAccount()
	must(t, err)
	account := public(key)
	user := func(issued time.Time) Credentials {
		pub, seed, err := NewUserKey()
		must(t, err)
		token, _, err := w.server.Accounts.SignUser(account, pub)
		must(t, err)
		claims, err := jwt.DecodeUserClaims(token)
		must(t, err)
		present := federation.BusUser{Key: pub, IssuedAt: time.Unix(claims.IssuedAt, 0).Add(time.Since(issued))}
		_, err = w.server.Accounts.AddMember(t.Context(), federation.MemberSpec{Name: "tokyo", Account: account, User: present})
		must(t, err)
		return Credentials{JWT: token, Seed: seed}
	}
	if c, err := w.dialAs(user(time.Now()), "tokyo", account); err != nil {
		t.Errorf("the present user is refused: %v", err)
	} else {
		c.Close()
	}
	key, err = nkeys.CreateAccount()
	must(t, err)
	account = public(key)
	if c, err := w.dialAs(user(time.Now().Add(-time.Minute)), "tokyo", account); err == nil {
		c.Close()
		t.Error("a user from before the present one is let in")
	}
}

// TestRevocationsArePruned: a revocation is remembered for as long as its user could live.
func TestRevocationsArePruned(t *testing.T) {
	w := open(t)
	_, account := w.credentials(t, "tokyo")
	ctx := t.Context()
	held, err := w.server.Accounts.lookUp(ctx, account)
	must(t, err)
	stale, _, err := NewUserKey()
	must(t, err)
	recent, _, err := NewUserKey()
	must(t, err)
	held.RevokeAt(stale, time.Now().Add(-oldLifetime-time.Hour))
	held.RevokeAt(recent, time.Now().Add(-oldLifetime+time.Hour))
	must(t, w.server.Accounts.push(ctx, held))
	now, _, err := NewUserKey()
	must(t, err)
	must(t, w.server.Accounts.RevokeUser(ctx, account, now))
	held, err = w.server.Accounts.lookUp(ctx, account)
	must(t, err)
	if got := slices.Sorted(maps.Keys(held.Revocations)); !slices.Equal(got, slices.Sorted(slices.Values([]string{now, recent}))) {
		t.Errorf("%d revocations, of which %v", len(got), held.Revocations)
	}
	if err := w.server.Accounts.RevokeUser(ctx, account, jwt.All); err == nil {
		t.Error("all users end as one")
	}
	if err := w.server.Accounts.RevokeUser(ctx, held.Subject[:55]+"X", now); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an account that is none: %v", err)
	}
}
