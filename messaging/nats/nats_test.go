package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// world is a server with its certificate.
type world struct {
	server *Server
	ca     []byte
}

func open(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	for path, data := range map[string][]byte{crt: pair.Certificate, key: pair.Key} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := StartServer(ServerOptions{Dir: filepath.Join(dir, "bus"), Listen: "127.0.0.1:0", CertFile: crt, KeyFile: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return world{server: s, ca: authority.Pair().Certificate}
}

func (w world) dial(t *testing.T, role Role) *Conn {
	t.Helper()
	creds, err := w.server.Accounts.Credentials(role)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(DialOptions{Server: w.server, Credentials: creds, Name: string(role)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (w world) member(t *testing.T, hub *Conn, name string) (*Conn, string) {
	t.Helper()
	account, err := w.server.Accounts.AddMember(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.WorkBucket(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	pub, seed, err := NewUserKey()
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := w.server.Accounts.SignUser(account, pub)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(DialOptions{
		URLs: []string{w.server.URL()}, CA: w.ca, Credentials: Credentials{JWT: token, Seed: seed}, Name: name, Account: account,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, account
}

func TestSmoke(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	ctx := t.Context()
	if err := hub.EnsureBuckets(ctx); err != nil {
		t.Fatal(err)
	}
	b, _ := hub.Bucket(ctx, subject.Workloads)
	rev, err := b.Put(ctx, "a.b", []byte("1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, "a.b", []byte("2"), 0); !errors.Is(err, messaging.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	if err := b.Delete(ctx, "a.b", rev); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(ctx, "a.b"); !errors.Is(err, messaging.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	if rev, err = b.Put(ctx, "a.b", []byte("3"), 0); err != nil {
		t.Fatal(err)
	}
	revs, err := b.WriteAll(ctx, []messaging.Write{{Key: "a.b", Value: []byte("4"), Expected: rev}, {Key: "a.c", Value: []byte("5")}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(ctx, "a.c")
	if err != nil || e.Revision != revs[1] {
		t.Fatalf("got %v %v want %v", e, err, revs)
	}
	gateway := w.dial(t, GatewayRole)
	gb, _ := gateway.Bucket(ctx, subject.Workloads)
	ctx2, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var seen []string
	done := errors.New("done")
	err = gb.Follow(ctx2, "", func(c messaging.Change) error {
		seen = append(seen, fmt.Sprintf("%s=%s %v", c.Key, c.Value, c.Synced))
		if c.Synced {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatalf("follow: %v, seen %v", err, seen)
	}
	ga, _ := gateway.Bucket(ctx, subject.Assignments)
	short, cancel2 := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel2()
	if _, err := ga.Put(short, "x.y", []byte("forged"), 0); err == nil {
		t.Fatal("a gateway wrote a decision")
	}
	member, account := w.member(t, hub, "tokyo")
	heard := make(chan messaging.Message, 1)
	if _, err := hub.Subscribe(ctx, subject.Beat("*"), func(m messaging.Message) { heard <- m }); err != nil {
		t.Fatal(err)
	}
	if err := member.Publish(subject.MemberBeat(), []byte("beat")); err != nil {
		t.Fatal(err)
	}
	m := <-heard
	if a, _ := subject.AccountOf(m.Subject); a != account {
		t.Fatalf("beat on %s", m.Subject)
	}
	respond := func(subj string, answer func(context.Context, messaging.Message) ([]byte, error)) {
		if err := hub.Respond(ctx, subj, answer); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	go respond(subject.Up("*", subject.UpHello), func(_ context.Context, m messaging.Message) ([]byte, error) {
		return nil, messaging.Errorf(messaging.Refused, "no %s", m.Data)
	})
	var remote *messaging.RemoteError
	for {
		_, err := member.Request(ctx, subject.MemberUp(subject.UpHello), []byte("x"))
		if errors.Is(err, messaging.ErrNoResponder) {
			continue
		}
		if !errors.As(err, &remote) || remote.Text != "no x" {
			t.Fatalf("got %v", err)
		}
		break
	}
	down := make(chan messaging.Message, 1)
	if _, err := member.Subscribe(ctx, subject.MemberDown("probe"), func(m messaging.Message) { down <- m }); err != nil {
		t.Fatal(err)
	}
	if err := hub.Publish(subject.Down(account, "probe"), []byte("p")); err != nil {
		t.Fatal(err)
	}
	if got := <-down; string(got.Data) != "p" {
		t.Fatal(got)
	}
	wb, err := hub.WorkBucket(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wb.Put(ctx, "shop.web", []byte("work"), messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	err = member.Works().Follow(ctx2, "", func(c messaging.Change) error {
		if c.Synced {
			return nil
		}
		if c.Key != "shop.web" || string(c.Value) != "work" {
			return fmt.Errorf("got %+v", c)
		}
		return done
	})
	if !errors.Is(err, done) {
		t.Fatalf("works: %v", err)
	}
	lr, err := hub.Acquire(ctx, "hub", []byte("a"), 2*time.Second, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Acquire(ctx, "hub", []byte("b"), 2*time.Second, 0); !errors.Is(err, messaging.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	if _, err := hub.Acquire(ctx, "hub", []byte("a"), 2*time.Second, lr); err != nil {
		t.Fatal(err)
	}
	_ = federation.Revision(0)
}
