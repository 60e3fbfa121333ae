package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mirror"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// patience bounds every wait; nothing waits that long unless it is broken.
const patience = 60 * time.Second

// bus is what hubs under test run on.
type bus interface {
	Dial(nats.Role) (*nats.Conn, error)
	Advertised([]string) []string
	RecordKeys() (federation.SealKeys, []byte, error)
	Inspector(*nats.Conn) *nats.Inspector
}

// world is a real bus in the process, and what a gateway may do on it.
type world struct {
	t       testing.TB
	server  *nats.Server
	outside *nats.External // instead of server, when others run the bus
	options nats.ServerOptions
	data    string                 // the hubs' data directory
	full    atomic.Pointer[string] // why nothing new is to be written
	ca      []byte
	works   hub.WorkBuckets // of hubs that start; nil: those of records
	records *nats.Conn      // with the hub's rights
	asks    *nats.Conn      // with a gateway's rights
	urls    []string        // of the bus, as its next hub tells agents; nil: its own
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, nats.ServerOptions{})
}

// newWorldAt keeps the bus's data in a directory.
func newWorldAt(t testing.TB, bus string) *world {
	t.Helper()
	return newWorldOf(t, nats.ServerOptions{Dir: bus})
}

// newWorldOf has a bus with these options and a certificate.
func newWorldOf(t testing.TB, o nats.ServerOptions) *world {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	must(t, os.WriteFile(crt, pair.Certificate, 0o600))
	must(t, os.WriteFile(key, pair.Key, 0o600))
	o.Listen, o.CertFile, o.KeyFile = "127.0.0.1:0", crt, key
	if o.Dir == "" {
		o.Dir = filepath.Join(dir, "bus")
	}
	w := &world{t: t, data: t.TempDir(), ca: authority.Pair().Certificate, options: o}
	w.full.Store(new(string))
	w.server, err = nats.StartServer(w.options)
	must(t, err)
	t.Cleanup(func() { w.server.Shutdown() })
	w.records, w.asks = w.dial(nats.HubRole), w.dial(nats.GatewayRole)
	must(t, w.records.EnsureBuckets(t.Context()))
	w.serveGateways()
	return w
}

// serveGateways does what every hub does, leading or not, until the test ends.
func (w *world) serveGateways() {
	records := w.records
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- records.ServeGateways(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
}

// grow starts another server of the same federation. It stands for itself: what is on
// one bus is not on the other.
func (w *world) grow() *nats.Server {
	w.t.Helper()
	keys, err := nats.ReadKeys(nats.KeyDir(w.options.Dir))
	must(w.t, err)
	dir := w.t.TempDir()
	server, err := nats.StartServer(nats.ServerOptions{
		Dir: dir, Keys: keys, Name: "second", Listen: "127.0.0.1:0", CertFile: w.options.CertFile, KeyFile: w.options.KeyFile,
	})
	must(w.t, err)
	w.t.Cleanup(server.Shutdown)
	return server
}

func (w *world) bus() bus {
	if w.outside != nil {
		return w.outside
	}
	return w.server
}

func (w *world) addresses() []string {
	if w.urls == nil {
		return w.bus().Advertised(nil)
	}
	return w.urls
}

func (w *world) accounts() *nats.Accounts {
	if w.outside != nil {
		return w.outside.Accounts
	}
	return w.server.Accounts
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) dial(role nats.Role) *nats.Conn {
	w.t.Helper()
	c, err := w.bus().Dial(role)
	must(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// running is a hub under test.
type running struct {
	t       testing.TB
	stop    func() // ends it and waits until it has ended
	metrics *prometheus.Registry
}

// mirroredBus is a connection whose buckets are followed in mirrors, as in a hub's
// process.
type mirroredBus struct {
	*nats.Conn
	records *mirror.Set
}

func (b mirroredBus) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	return b.records.Over(b.Conn).Bucket(ctx, name)
}

// startHub runs a hub until it is stopped or the test ends.
func (w *world) startHub(name string) running { return w.startInstance(name, name) }

// startInstance is startHub for one of several that may have the same name.
func (w *world) startInstance(name, instance string) running {
	w.t.Helper()
	registry := prometheus.NewRegistry()
	conn := w.dial(nats.HubRole)
	records, err := mirror.Open(w.t.Context(), conn, mirror.Options{Buckets: hub.Followed(), Dir: w.t.TempDir()})
	must(w.t, err)
	works := w.works
	if works == nil {
		works = w.records
	}
	h, err := hub.New(hub.Options{
		Bus: mirroredBus{conn, records}, Ears: w.dial(nats.HubRole), Accounts: w.accounts(), Suspend: w.accounts().Suspend, Disconnects: w.accounts().Disconnects, Works: works, Sealing: w.sealing(), Authority: newAuthority(w.t), Inspector: w.bus().Inspector(w.records), Name: name, Instance: instance,
		Full: func() string { return *w.full.Load() }, Version: "v1.2.3", Keys: nats.KeyFiles(nats.KeyDir(w.options.Dir)), DataDir: w.data,
		BusURLs: w.addresses(), BusCA: w.ca, Federation: "F1", Stabilise: 200 * time.Millisecond,
		Metrics: registry, Log: slog.New(slog.NewTextHandler(w.t.Output(), nil)),
	})
	must(w.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var mirrors sync.WaitGroup
		mirrors.Go(func() { _ = records.Run(ctx) }) // ends with ctx
		err := h.Run(ctx)
		mirrors.Wait()
		done <- err
	}()
	stopped := false
	r := running{t: w.t, metrics: registry, stop: func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("hub %s: %v", name, err)
			}
		case <-time.After(patience):
			w.t.Errorf("hub %s did not stop", name)
		}
	}}
	w.t.Cleanup(r.stop)
	return r
}

// ask sends a request as a gateway would; it waits for a hub that starts.
func (w *world) ask(method string, data []byte) ([]byte, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return askUntilHeard(ctx, w.asks, subject.Hub(method), data)
}

// askUntilHeard asks again while nobody listens or has time for it, until ctx ends, as
// agents do.
func askUntilHeard(ctx context.Context, c messaging.Requester, subj string, data []byte) ([]byte, error) {
	for {
		b, err := c.Request(ctx, subj, data)
		var remote *messaging.RemoteError
		passing := errors.As(err, &remote) && remote.Kind == messaging.Unavailable && slices.ContainsFunc(soon, func(text string) bool { return strings.HasPrefix(remote.Text, text) })
		if !errors.Is(err, messaging.ErrNoResponder) && !passing || ctx.Err() != nil {
			return b, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// soon are the refusals that pass by themselves.
var soon = []string{"the hub has not read", "the hub is reading", "another change of member"}

// refusal checks that err is one line of the kind.
func refusal(t testing.TB, err error, kind messaging.Kind, text string) {
	t.Helper()
	var remote *messaging.RemoteError
	if !errors.As(err, &remote) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if remote.Kind != kind || remote.Text != text {
		t.Errorf("got  %s: %s\nwant %s: %s", remote.Kind, remote.Text, kind, text)
	}
}

func (w *world) token(member string) federation.TokenReply {
	w.t.Helper()
	b, err := w.ask(subject.HubToken, federationv1.EncodeTokenRequest(federation.TokenRequest{Member: member, TTL: time.Hour}))
	must(w.t, err)
	reply, err := federationv1.DecodeTokenReply(b)
	must(w.t, err)
	return reply
}

// entries returns the present records of a bucket by key.
func (w *world) entries(bucket string) map[string]messaging.Entry {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), bucket)
	must(w.t, err)
	out := map[string]messaging.Entry{}
	whole := errors.New("whole")
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	err = b.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			return whole
		case !c.Reset:
			out[c.Key] = c.Entry
		}
		return nil
	})
	if !errors.Is(err, whole) {
		w.t.Fatalf("read bucket %s: %v", bucket, err)
	}
	return out
}

// record tells await where a kind of record is and how it is read.
type record[V any] struct {
	bucket string
	decode func([]byte) (V, error)
}

var (
	assignments = record[federation.Assignment]{subject.Assignments, federationv1.DecodeAssignment}
	healths     = record[federation.HealthRecord]{subject.Health, federationv1.DecodeHealthRecord}

	statuses = record[federation.WorkStatus]{subject.Status, federationv1.DecodeWorkStatus}
)

// await follows a record until a version of it satisfies ok, and returns that.
func await[V any](w *world, r record[V], key string, ok func(V) bool) V {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), r.bucket)
	must(w.t, err)
	var last V
	found := errors.New("found")
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	err = b.Follow(ctx, "", func(c messaging.Change) error {
		if c.Synced || c.Reset || c.Deleted || c.Key != key {
			return nil
		}
		v, err := r.decode(c.Value)
		if err != nil {
			return err
		}
		last = v
		if ok(v) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		w.t.Fatalf("await %s %s: %v; last seen: %s", r.bucket, key, err, fmt.Sprintf("%+v", last))
	}
	return last
}

// gone waits until the record is not there.
func (w *world) gone(bucket, key string) {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), bucket)
	must(w.t, err)
	there, found := false, errors.New("found")
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	err = b.Follow(ctx, "", func(c messaging.Change) error {
		if c.Key == key {
			there = !c.Deleted
		}
		if c.Synced && !there || c.Key == key && c.Deleted {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		w.t.Fatalf("%s %s is still there: %v", bucket, key, err)
	}
}

// asRemote returns err as a refusal.
func asRemote(t testing.TB, err error) *messaging.RemoteError {
	t.Helper()
	var remote *messaging.RemoteError
	if !errors.As(err, &remote) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return remote
}

// waitUntilSilent returns when no hub answers any more.
func waitUntilSilent(w *world, term uint64) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		_, err := w.asks.Request(w.t.Context(), subject.Hub(subject.HubDescribe), federationv1.EncodeDescribeRequest("nobody"))
		if errors.Is(err, messaging.ErrNoResponder) {
			return
		}
		select {
		case <-deadline:
			w.t.Fatalf("the hub of term %d still answers", term)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
