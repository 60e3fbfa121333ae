package nats

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// world is a bus under test.
type world struct {
	server   *Server   // the only one, or the first of a cluster; nil when it is in another process
	servers  []*Server // all that are in this process
	urls     []string
	ca       []byte
	keys     *Keys
	files    string // directory with credentials, of a server in another process
	replicas int
	register *Accounts
	accounts map[string]string // of members, by name
	options  ServerOptions     // with which it was started
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open starts one server in this process.
func open(t testing.TB) world {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "bus"))
}

// openWith lets a test say how the server runs.
func openWith(t testing.TB, change func(*ServerOptions)) world {
	t.Helper()
	return openChanged(t, filepath.Join(t.TempDir(), "bus"), change)
}

// openAt starts a server that keeps its data in bus.
func openAt(t testing.TB, bus string) world {
	t.Helper()
	return openChanged(t, bus, func(*ServerOptions) {})
}

func openChanged(t testing.TB, bus string, change func(*ServerOptions)) world {
	t.Helper()
	s, err := siteIn(t.TempDir())
	must(t, err)
	o := s.options("bus")
	o.Dir, o.Keys = bus, nil // those below it
	change(&o)
	server, err := StartServer(o)
	must(t, err)
	s.keys, err = ReadKeys(KeyDir(bus))
	must(t, err)
	t.Cleanup(server.Shutdown)
	return world{
		server: server, servers: []*Server{server}, urls: []string{server.URL()}, ca: s.ca, keys: s.keys,
		replicas: 1, register: server.Accounts, accounts: map[string]string{}, options: o,
	}
}

// dial connects a role, within the process if the bus is there. In a cluster the
// roles are at different servers.
func (w world) dial(t testing.TB, role Role) *Conn {
	t.Helper()
	c, err := w.dialNear(role)
	must(t, err)
	t.Cleanup(c.Close)
	if role == GatewayRole {
		w.serve(t, c)
	}
	return c
}

// serve lets a hub serve gateways until the test ends, and waits until the gateway is.
func (w world) serve(t testing.TB, gateway *Conn) {
	t.Helper()
	hub, err := w.dialNear(HubRole)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- hub.ServeGateways(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("serving gateways ended with %v", err)
		}
		hub.Close()
	})
	var refused *messaging.RemoteError
	if !within(longest, func() bool {
		_, err := gateway.Request(context.Background(), subject.Hub(subject.HubWrite), nil)
		return errors.As(err, &refused)
	}) {
		t.Fatal("no hub serves the gateway")
	}
}

func (w world) dialNear(role Role) (*Conn, error) {
	switch {
	case len(w.servers) == 0:
		return w.connect(role, w.urls)
	case role == GatewayRole:
		return w.servers[len(w.servers)-1].Dial(role)
	}
	return w.server.Dial(role)
}

// credentials of a new user of the member, whose account is made when it is new.
func (w world) credentials(t testing.TB, name string) (Credentials, string) {
	t.Helper()
	account, err := w.register.AddMember(t.Context(), federation.MemberSpec{Name: name, Account: w.accounts[name]})
	must(t, err)
	w.accounts[name] = account
	pub, seed, err := NewUserKey()
	must(t, err)
	token, _, err := w.register.SignUser(account, pub)
	must(t, err)
	return Credentials{JWT: token, Seed: seed}, account
}

func (w world) member(t testing.TB, hub *Conn, name string) (*Conn, string) {
	t.Helper()
	credentials, account := w.credentials(t, name)
	_, err := hub.WorkBucket(t.Context(), account)
	must(t, err)
	c, err := w.dialAs(credentials, name, account)
	must(t, err)
	t.Cleanup(c.Close)
	return c, account
}

func (w world) dialAs(c Credentials, name, account string) (*Conn, error) {
	return Dial(DialOptions{URLs: w.urls, CA: w.ca, Credentials: c, Name: name, Account: account})
}

// TestMember: everything that a member may do works.
func TestMember(t *testing.T) { everywhere(t, member) }

func member(t *testing.T, w world) {
	hub := w.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	member, account := w.member(t, hub, "tokyo")
	ctx := t.Context()

	heard := make(chan messaging.Message, 100)
	_, err := hub.Subscribe(ctx, subject.Beat("*"), func(m messaging.Message) { heard <- m })
	must(t, err)
	if m := saidUntilHeard(t, func() error { return member.Publish(subject.MemberBeat(), []byte("beat")) }, heard); m.Subject != subject.Beat(account) || string(m.Data) != "beat" {
		t.Errorf("the hub hears %q on %s", m.Data, m.Subject)
	}

	answering(t, hub, subject.Up("*", subject.UpHello), func(m messaging.Message) ([]byte, error) {
		from, err := subject.AccountOf(m.Subject)
		if string(m.Data) == "refuse" {
			err = messaging.Errorf(messaging.Refused, "no %s", m.Data)
		}
		return []byte(from), err
	})
	answer, err := asked(t, member, nil)
	if err != nil || string(answer) != account {
		t.Errorf("the hub answers %q, %v", answer, err)
	}
	var remote *messaging.RemoteError
	if _, err := member.Request(ctx, subject.MemberUp(subject.UpHello), []byte("refuse")); !errors.As(err, &remote) || remote.Text != "no refuse" {
		t.Errorf("the hub refuses with %v", err)
	}

	down := make(chan messaging.Message, 100)
	_, err = member.Subscribe(ctx, subject.MemberDown("probe"), func(m messaging.Message) { down <- m })
	must(t, err)
	if got := saidUntilHeard(t, func() error { return hub.Publish(subject.Down(account, "probe"), []byte("p")) }, down); string(got.Data) != "p" {
		t.Errorf("the member hears %q", got.Data)
	}

	works, err := hub.WorkBucket(ctx, account)
	must(t, err)
	_, err = works.Put(ctx, "shop.web", []byte("work"), messaging.AnyRevision)
	must(t, err)
	read := errors.New("read")
	err = member.Works().Follow(ctx, func(changes []messaging.Change) error {
		for _, c := range changes {
			if c.Key == "shop.web" && string(c.Value) == "work" {
				return read
			}
		}
		return nil
	})
	if !errors.Is(err, read) {
		t.Errorf("the member's works end with %v", err)
	}
}

// said sends until it is heard: another server of a cluster may not know yet who hears.
func saidUntilHeard(t *testing.T, send func() error, heard <-chan messaging.Message) messaging.Message {
	t.Helper()
	limit := time.After(20 * time.Second)
	for ticks := time.NewTicker(20 * time.Millisecond); ; {
		must(t, send())
		select {
		case m := <-heard:
			return m
		case <-ticks.C:
		case <-limit:
			t.Fatal("nobody hears")
		}
	}
}

// asked sends hello until the member's server knows who answers.
func asked(t *testing.T, member *Conn, data []byte) ([]byte, error) {
	t.Helper()
	var answer []byte
	var err error
	within(20*time.Second, func() bool {
		answer, err = member.Request(t.Context(), subject.MemberUp(subject.UpHello), data)
		return !errors.Is(err, messaging.ErrNoResponder)
	})
	return answer, err
}

// answering lets c answer requests until the test ends; it waits until c does.
func answering(t *testing.T, c *Conn, subj string, answer func(messaging.Message) ([]byte, error)) {
	t.Helper()
	others := c.nc.NumSubscriptions()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Respond(ctx, subj, func(_ context.Context, m messaging.Message) ([]byte, error) { return answer(m) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the responder ended with %v", err)
		}
	})
	for subscribed := false; !subscribed; {
		must(t, c.nc.Flush())
		subscribed = c.nc.NumSubscriptions() > others
		select {
		case err := <-ended:
			t.Fatal(err)
		default:
		}
	}
	must(t, c.nc.Flush())
}

func TestCredentialsFile(t *testing.T) {
	w := open(t)
	credentials, err := w.keys.Credentials(GatewayRole, 0)
	must(t, err)
	text, err := credentials.Encode()
	must(t, err)
	path := filepath.Join(t.TempDir(), "gateway.creds")
	must(t, os.WriteFile(path, text, 0o600))
	got, err := ReadCredentials(path)
	if err != nil || got.JWT != credentials.JWT || string(got.Seed) != string(credentials.Seed) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "x", "-----BEGIN NATS USER JWT-----\nx\n------END NATS USER JWT------\n"} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if _, err := ReadCredentials(path); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, err := ReadCredentials(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
