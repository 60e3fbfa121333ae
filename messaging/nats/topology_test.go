package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging/subject"
)

// topology is one way to run a bus. What is promised holds on each.
type topology struct {
	name string
	open func(t *testing.T) world
}

func topologies() []topology {
	return []topology{
		{"alone", func(t *testing.T) world { return open(t) }}, // one server in the process
		{"cluster", sharedCluster.open},                        // three servers in the process
		{"process", sharedProcess.open},                        // one server in a process of its own, known by its address only
	}
}

// everywhere runs a test on each topology, one after the other.
func everywhere(t *testing.T, test func(*testing.T, world)) {
	for _, topology := range topologies() {
		t.Run(topology.name, func(t *testing.T) { test(t, topology.open(t)) })
	}
}

// shared is a bus that many tests use one after the other. Each finds the buckets
// empty.
type shared struct {
	start func(*site) (world, func(), error)
	once  sync.Once
	err   error
	world world
	stop  func()
	site  *site
}

var (
	sharedCluster = &shared{start: startCluster}
	sharedProcess = &shared{start: startProcess}
)

func (s *shared) open(t *testing.T) world {
	t.Helper()
	s.once.Do(func() {
		if s.site, s.err = newSite(); s.err == nil {
			s.world, s.stop, s.err = s.start(s.site)
		}
	})
	must(t, s.err)
	w := s.world
	w.accounts = map[string]string{}
	w.empty(t)
	return w
}

// close ends the bus after the last test.
func (s *shared) close() {
	if s.stop != nil {
		s.stop()
	}
	if s.site != nil {
		_ = os.RemoveAll(s.site.dir) // a temporary directory
	}
}

// site is what the servers of one bus have in common: keys and certificates.
type site struct {
	dir      string
	ca       []byte
	crt, key string // files
	keys     *Keys
}

func newSite() (*site, error) {
	dir, err := os.MkdirTemp("", "hansa-bus-")
	if err != nil {
		return nil, err
	}
	return siteIn(dir)
}

func siteIn(dir string) (*site, error) {
	authority, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, ca: authority.Pair().Certificate, crt: filepath.Join(dir, "crt"), key: filepath.Join(dir, "key")}
	if err := errors.Join(os.WriteFile(s.crt, pair.Certificate, 0o600), os.WriteFile(s.key, pair.Key, 0o600)); err != nil {
		return nil, err
	}
	s.keys, err = MakeKeys(filepath.Join(dir, "keys"))
	return s, err
}

// options of the server of that name.
func (s *site) options(name string) ServerOptions {
	return ServerOptions{Dir: filepath.Join(s.dir, name), Keys: s.keys, Listen: "127.0.0.1:0", CertFile: s.crt, KeyFile: s.key, Name: name}
}

// clustered are the options of three servers of one bus.
func (s *site) clustered() ([]ServerOptions, error) {
	addresses, err := freeAddresses(6)
	if err != nil {
		return nil, err
	}
	var all []ServerOptions
	for i := range 3 {
		o := s.options(fmt.Sprintf("hub%d", i))
		o.Listen = addresses[3+i]
		o.Cluster = &Cluster{Listen: addresses[i], CA: s.ca}
		for j := range 3 {
			if j != i {
				o.Cluster.Routes = append(o.Cluster.Routes, addresses[j])
			}
		}
		all = append(all, o)
	}
	return all, nil
}

// freeAddresses returns addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// startCluster starts three servers in this process.
func startCluster(s *site) (world, func(), error) {
	all, err := s.clustered()
	if err != nil {
		return world{}, nil, err
	}
	return startTogether(s, all)
}

// startTogether starts the servers of a cluster side by side.
func startTogether(s *site, all []ServerOptions) (world, func(), error) {
	w := world{ca: s.ca, keys: s.keys, replicas: len(all), servers: make([]*Server, len(all))}
	errs := make([]error, len(all))
	var starting sync.WaitGroup
	for i, o := range all {
		w.urls = append(w.urls, "tls://"+o.Listen)
		starting.Go(func() { w.servers[i], errs[i] = StartServer(o) })
	}
	starting.Wait()
	stop := func() {
		for _, server := range w.servers {
			server.halt()
		}
	}
	if err := errors.Join(errs...); err != nil {
		return world{}, stop, err
	}
	w.server, w.register = w.servers[0], w.servers[0].Accounts
	return w, stop, w.elect()
}

// halt stops a server without the courtesies of Shutdown, which take a second.
func (s *Server) halt() {
	if s == nil {
		return
	}
	s.system.Close()
	s.stop()
}

// elect waits until the bus takes writes.
func (w world) elect() error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	hub, err := w.connect(HubRole, w.urls)
	if err != nil {
		return err
	}
	defer hub.Close()
	return hub.AwaitBuckets(ctx, slog.New(slog.DiscardHandler))
}

// connect dials as a gateway or an agent does: by address, with credentials.
func (w world) connect(role Role, urls []string) (*Conn, error) {
	credentials, err := w.credentialsOf(role)
	if err != nil {
		return nil, err
	}
	return Dial(DialOptions{URLs: urls, CA: w.ca, Credentials: credentials, Name: string(role), Replicas: w.replicas})
}

func (w world) credentialsOf(role Role) (Credentials, error) {
	if w.files != "" {
		return ReadCredentials(credentialsFile(w.files, role))
	}
	return w.keys.Credentials(role, 0)
}

// empty makes the buckets anew in which something was written, and removes the
// works of members.
func (w world) empty(t *testing.T) {
	t.Helper()
	hub, err := w.connect(HubRole, w.urls)
	must(t, err)
	defer hub.Close()
	streams := hub.js.ListStreams(t.Context())
	var old []string
	for info := range streams.Info() {
		if info.State.LastSeq > 0 || info.State.Consumers > 0 || len(info.Config.Name) > len(subject.WorkBucket("")) && info.Config.Name[:2] == subject.WorkBucket("") {
			old = append(old, info.Config.Name)
		}
	}
	must(t, streams.Err())
	for _, name := range old {
		must(t, hub.js.DeleteStream(t.Context(), name))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for err := hub.EnsureBuckets(ctx); err != nil; err = hub.EnsureBuckets(ctx) {
		var api *jetstream.APIError
		if ctx.Err() != nil || !errors.As(err, &api) && !errors.Is(err, nats.ErrTimeout) {
			t.Fatal(err)
		}
	}
}
