package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/gateway"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mirror"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/seal"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement/catalogue"
)

// patience bounds every wait; nothing waits that long unless it is broken.
const patience = 60 * time.Second

// Tokens of the three roles.
const (
	viewer   = "viewer-token-0123456789"
	operator = "operator-token-0123456789"
	admin    = "admin-token-0123456789"
)

// world is a gateway on a real bus. Records are written by hand, and requests to
// the hub are answered by hand.
type world struct {
	t       testing.TB
	bus     *nats.Server
	records *nats.Conn // with the hub's rights
	gateway *gateway.Gateway
	mirrors *mirror.Set
	conn    *grpc.ClientConn
	web     *http.Client
	beats   uint64

	mu    sync.Mutex
	asked []messaging.Message // what the hub was asked
}

// mirroredBus is a connection whose buckets are followed in mirrors, as in a gateway's
// process.
type mirroredBus struct {
	*nats.Conn
	records *mirror.Set
}

func (b mirroredBus) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	return b.records.Over(b.Conn).Bucket(ctx, name)
}

// newWorld starts a gateway that has read everything.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := newBus(t)
	must(t, w.records.EnsureBuckets(t.Context()))
	w.ready()
	return w
}

// newBus starts a gateway on a bus without buckets.
func newBus(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "hansa", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, data, 0o600))
		return path
	}
	crt, key := file("crt", pair.Certificate), file("key", pair.Key)
	tokens := file("tokens", fmt.Appendf(nil, "tokens:\n- {name: eve, role: viewer, token: %s}\n- {name: olga, role: operator, token: %s}\n- {name: anna, role: admin, token: %s}\n", viewer, operator, admin))
	bus, err := nats.StartServer(nats.ServerOptions{Dir: filepath.Join(dir, "bus"), Listen: "127.0.0.1:0", CertFile: crt, KeyFile: key})
	must(t, err)
	t.Cleanup(bus.Shutdown)
	w := &world{t: t, bus: bus}
	w.records = w.dial(nats.HubRole)
	w.serveGateways()
	answers := w.dial(nats.GatewayRole)
	w.mirrors, err = mirror.Open(t.Context(), answers, mirror.Options{Buckets: gateway.Followed()})
	must(t, err)
	w.gateway, err = gateway.New(gateway.Options{
		Bus: mirroredBus{answers, w.mirrors}, Seal: seal.Seal, Connected: answers.Connected, Listen: "127.0.0.1:0", MetricsListen: "127.0.0.1:0", CertFile: crt, KeyFile: key,
		TokensFile: tokens, Place: place(t, "osaka"), Version: "v1.2.3",
	})
	must(t, err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.Pair().Certificate) {
		t.Fatal("no CA")
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	w.conn, err = grpc.NewClient(w.gateway.Addr(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(t, err)
	transport := &http.Transport{TLSClientConfig: config}
	w.web = &http.Client{Transport: transport}
	t.Cleanup(func() { w.conn.Close(); transport.CloseIdleConnections() })
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func place(t testing.TB, name string) federation.Place {
	t.Helper()
	p, err := catalogue.Parse(name)
	must(t, err)
	return p
}

func (w *world) dial(role nats.Role) *nats.Conn {
	w.t.Helper()
	c, err := w.bus.Dial(role)
	must(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// serveGateways does what every hub does, until the test ends.
func (w *world) serveGateways() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.records.ServeGateways(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Error(err)
		}
	})
}

// start runs the gateway until the test ends.
func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		var mirrors sync.WaitGroup
		mirrors.Go(func() { _ = w.mirrors.Run(ctx) }) // ends with ctx
		err := w.gateway.Run(ctx)
		mirrors.Wait()
		done <- err
	}()
	w.t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				w.t.Errorf("gateway: %v", err)
			}
		case <-time.After(patience):
			w.t.Error("the gateway did not stop")
		}
	})
}

// ready starts the gateway and waits until it has read every bucket.
func (w *world) ready() {
	w.t.Helper()
	w.start()
	w.until("synced", func() bool { return w.gateway.Table().Synced })
}

// until waits for tables until one satisfies ok.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	limit := time.After(patience)
	for {
		changed := w.gateway.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-limit:
			w.t.Fatalf("no table is %s", what)
		}
	}
}

// as is the context of a caller.
func (w *world) as(token string) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// put writes a record as the hub or an agent's report would.
func (w *world) put(bucket, key string, value []byte) federation.Revision {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), bucket)
	must(w.t, err)
	rev, err := b.Put(w.t.Context(), key, value, messaging.AnyRevision)
	must(w.t, err)
	return rev
}

// records lists the present records of a bucket by key.
func (w *world) stored(bucket string) map[string]messaging.Entry {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), bucket)
	must(w.t, err)
	out := map[string]messaging.Entry{}
	whole := errors.New("whole")
	err = b.Follow(w.t.Context(), "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			return whole
		case !c.Reset:
			out[c.Key] = c.Entry
		}
		return nil
	})
	if !errors.Is(err, whole) {
		w.t.Fatal(err)
	}
	return out
}

var web = federation.Key{Namespace: "shop", Name: "web"}

// member writes what is known about a healthy member that exports shop/web.
func (w *world) member(name, region, address string) {
	w.t.Helper()
	w.put(subject.Members, subject.MemberKey(name), federationv1.EncodeMemberSpec(federation.MemberSpec{
		Name: name, Place: catalogue.Resolve(federation.Place{Region: region}), Account: "A" + name, JoinedAt: time.Now(),
	}))
	w.put(subject.Health, subject.MemberKey(name), federationv1.EncodeHealthRecord(federation.HealthRecord{
		Member: name, Health: federation.Healthy, Incarnation: 1, Verdict: "Healthy",
	}))
	w.put(subject.Facts, subject.MemberKey(name), federationv1.EncodeMemberFacts(federation.MemberFacts{
		Member: name, Incarnation: 1, Sequence: 1, Nodes: 3, NodesReady: 3, KubernetesVersion: "v1.37.2",
		Allocatable: federation.Resources{MilliCPU: 4000, MemoryBytes: 8 << 30, Pods: 110},
	}))
	w.put(subject.Exports, subject.ExportKey(name, web), federationv1.EncodeExport(federation.Export{
		Member: name, Incarnation: 1, Sequence: 1, Service: web, Type: "ClusterSetIP", ExportedAt: time.Now(), ObservedAt: time.Now(),
		Ports:     []federation.Port{{Name: "http", Protocol: "TCP", Port: 80, Target: 8080}},
		Endpoints: []federation.Endpoint{{Address: address, Ready: true, Serving: true}},
	}))
	w.until("aware of "+name, func() bool {
		m := w.gateway.Table().Members[name]
		exported := false
		for _, e := range w.gateway.Table().Exports(web) {
			exported = exported || e.Member == name
		}
		return exported && m.Facts.Nodes == 3 && m.Record.Member == name && m.Spec.Name == name
	})
}

// beat sends one hub beat and waits until the gateway has it.
func (w *world) beat(lines ...federation.MemberBeat) {
	w.t.Helper()
	w.beats++
	must(w.t, w.records.Publish(subject.HubBeat(), federationv1.EncodeHubBeat(federation.HubBeat{Term: 7, Sequence: w.beats, Members: lines})))
	w.until("beaten", func() bool { return w.gateway.Table().Sequence == w.beats })
}

func healthy(member string) federation.MemberBeat {
	return federation.MemberBeat{Member: member, Health: federation.Healthy, Incarnation: 1}
}

// hub answers the method as the hub would.
func (w *world) hub(method string, answer func([]byte) ([]byte, error)) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := w.records.Respond(ctx, subject.Hub(method), func(_ context.Context, m messaging.Message) ([]byte, error) {
			w.mu.Lock()
			w.asked = append(w.asked, m)
			w.mu.Unlock()
			return answer(m.Data)
		})
		if err != nil && ctx.Err() == nil {
			w.t.Error(err)
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	limit := time.After(patience)
	for {
		_, err := w.records.Request(w.t.Context(), subject.Hub(method), nil)
		if !errors.Is(err, messaging.ErrNoResponder) {
			return
		}
		select {
		case <-limit:
			w.t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lastAsked is the last request that reached the hub.
func (w *world) lastAsked() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.asked) == 0 {
		w.t.Fatal("the hub was not asked")
	}
	return w.asked[len(w.asked)-1].Data
}

// refused checks code and text of a refusal.
func refused(t testing.TB, err error, code codes.Code, text string) {
	t.Helper()
	s := status.Convert(err)
	if err == nil || s.Code() != code || s.Message() != text {
		t.Errorf("got  %s: %s\nwant %s: %s", s.Code(), s.Message(), code, text)
	}
}

// call makes one JSON request and returns status and body.
func (w *world) call(token, method, path string, body any) (int, []byte) {
	w.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		must(w.t, err)
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, "https://"+w.gateway.Addr()+path, in)
	must(w.t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := w.web.Do(r)
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return resp.StatusCode, b
}

// files are the input of an apply.
func files(text string) []*gatewayv1.File {
	return []*gatewayv1.File{{Name: "shop.yaml", Content: []byte(text)}}
}
