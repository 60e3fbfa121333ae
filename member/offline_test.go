package member

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/member/store"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// objects are those of a cluster that does what it is told at once.
type objects struct {
	landing.Cluster // nothing else is asked of it
	mu              sync.Mutex
	all             map[kube.Ref]*kube.Object
	wrote           []string
	version         int
}

func (o *objects) put(u *kube.Object) *kube.Object {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := kube.RefOf(u)
	if r.Namespace != landing.Namespace && r.Kind != "Namespace" {
		o.wrote = append(o.wrote, r.Name)
	}
	u = u.DeepCopy()
	o.version++
	u.SetResourceVersion(strconv.Itoa(o.version))
	u.Object["metadata"].(map[string]any)["uid"] = u.GetResourceVersion()
	o.all[r] = u
	return u
}

// written lists the names of the objects that were written since the last time.
func (o *objects) written() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer func() { o.wrote = nil }()
	slices.Sort(o.wrote)
	return strings.Join(o.wrote, " ")
}

func (o *objects) remove(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for r := range o.all {
		if r.Name == name {
			delete(o.all, r)
		}
	}
}

func (o *objects) Get(_ context.Context, r kube.Ref) (*kube.Object, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if u := o.all[r]; u != nil {
		return u.DeepCopy(), nil
	}
	return nil, kube.ErrNotFound
}

func (o *objects) List(_ context.Context, r kube.Ref, _ string) (out []kube.Object, _ error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at, u := range o.all {
		if at.Kind == r.Kind && at.Namespace == r.Namespace {
			out = append(out, *u.DeepCopy())
		}
	}
	return out, nil
}

func (o *objects) Create(ctx context.Context, u *kube.Object) (*kube.Object, error) {
	if _, err := o.Get(ctx, kube.RefOf(u)); err == nil {
		return nil, kube.ErrExists
	}
	return o.put(u), nil
}

func (o *objects) Disown(context.Context, kube.Ref) error { return nil }

func (o *objects) Adopt(context.Context, kube.Ref) error { return nil }

func (o *objects) Apply(_ context.Context, u *kube.Object, _ bool) (*kube.Object, error) {
	return o.put(u), nil
}

func (o *objects) Merge(ctx context.Context, r kube.Ref, patch []byte) error {
	u, err := o.Get(ctx, r)
	if err != nil {
		return err
	}
	var change struct{ Data map[string]any }
	if err := json.Unmarshal(patch, &change); err != nil {
		return err
	}
	data, _ := u.Object["data"].(map[string]any)
	for field, text := range change.Data {
		data[field] = text
	}
	o.put(u)
	return nil
}

func (o *objects) Follow(kube.Ref) error { return nil }

func (o *objects) Lookup(r kube.Ref, _ string) (*kube.Object, bool) {
	u, err := o.Get(context.Background(), r)
	return u, err == nil || errors.Is(err, kube.ErrNotFound)
}

func (o *objects) Unscheduled(kube.Ref) int64 { return 0 }

func (o *objects) Troubles(kube.Ref) []string { return nil }

// line is the bus as one agent has it.
type line struct {
	*inproc.Bus
	access.Link // nothing is asked of it
	orders      []messaging.Change
	taken       int // how many were acknowledged
}

func (*line) Close() {}

func (l *line) Works() messaging.Orders { return l }

func (l *line) Follow(ctx context.Context, handle func([]messaging.Change) error) error {
	if err := handle(l.orders); err != nil {
		return err
	}
	l.taken = len(l.orders)
	<-ctx.Done()
	return ctx.Err()
}

// site is a member: what outlives its agent, and the hub that it may hear.
type site struct {
	t       *testing.T
	dir     string
	cluster *objects
	life    federation.Incarnation
	beats   uint64

	mu    sync.Mutex
	hello federation.Hello // the last one
}

func newSite(t *testing.T) *site {
	return &site{t: t, dir: t.TempDir(), cluster: &objects{all: map[kube.Ref]*kube.Object{}}}
}

// begins starts a life of the agent that reads these orders when the hub answers; with a
// nil bus it has none.
func (s *site) begins(bus *line) (a *Agent, end func()) {
	s.t.Helper()
	s.life++
	state, err := openState(s.dir)
	must(s.t, err)
	if bus == nil {
		bus = &line{Bus: inproc.New()}
		bus.Fail = func(string, string) error { return messaging.ErrDisconnected }
	}
	a = &Agent{
		opts: Options{Name: "tokyo"}, log: slog.New(slog.NewTextHandler(s.t.Output(), nil)), state: state, incarnation: s.life, control: bus, beats: bus,
		inbox: newInbox(), greeted: make(chan struct{}), changes: newChanges(), facts: newFacts(), book: &book{id: identity{State: access.State{Credentials: access.Credentials{Account: "account"}}}},
	}
	a.access = access.New(access.Options{Member: "tokyo", Log: a.log}, access.State{})
	a.reports = newReporter(bus, a.log)
	a.hub.Store(&hubHeard{})
	a.guard, err = a.openGuard("cluster")
	must(s.t, err)
	a.lander = landing.New(landing.Options{Cluster: s.cluster, Views: s.cluster, Done: a.landed, Changed: a.statusChanged, Logger: a.log})
	must(s.t, a.lander.Prepare(s.t.Context()))
	ctx, cancel := context.WithCancel(s.t.Context())
	var roles sync.WaitGroup
	roles.Go(func() { s.answer(ctx, bus) })
	synctest.Wait() // the hub listens before the agent speaks
	for _, role := range []func(context.Context) error{a.decide, a.lander.Run, a.followWorks, a.keepStatuses, a.reports.run} {
		roles.Go(func() {
			if err := role(ctx); err != nil {
				s.t.Error(err)
			}
		})
	}
	return a, func() {
		cancel()
		roles.Wait()
		a.closeWorks()
		state.close()
	}
}

// answer is the hub.
func (s *site) answer(ctx context.Context, bus *line) {
	_ = bus.Respond(ctx, subject.MemberUp(subject.UpHello), func(_ context.Context, m messaging.Message) ([]byte, error) {
		h, err := federationv1.DecodeHello(m.Data)
		s.mu.Lock()
		s.hello = h
		s.mu.Unlock()
		return federationv1.EncodeHelloReply(federation.HelloReply{Term: 1, Health: federation.Healthy, Synced: h.Synced}), err
	}) // ends with ctx
}

// beat lets the agent hear the hub.
func (s *site) beat(a *Agent) {
	s.beats++
	a.tell(guard.HubBeatHeard{Beat: federation.HubBeat{Term: 1, Sequence: s.beats, Members: []federation.MemberBeat{{Member: "tokyo", Health: federation.Healthy}}}})
}

func work(name string, r federation.Revision, size int) messaging.Change {
	k := federation.Key{Namespace: "shop", Name: name}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "shop", "name": name},
		"data": map[string]any{"revision": fmt.Sprint(r), "more": strings.Repeat("x", size)},
	})
	if err != nil {
		panic(err) // plain maps
	}
	return messaging.Change{Entry: messaging.Entry{Key: subject.WorkloadKey(k), Revision: r, Value: federationv1.EncodeWork(federation.Work{
		Workload: k, Member: "tokyo", Epoch: 1, WorkloadRevision: r,
		Objects: []federation.Object{{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: name, Raw: raw}},
	})}}
}

// bubble is synctest.Test. The compressor of orders belongs to the process, so it is made
// outside.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	_, err := federationv1.DecodeWork(work("first", 1, 1).Value)
	must(t, err)
	synctest.Test(t, f)
}

// rest waits until nothing happens any more but what happens every second: works that
// come together are gathered for a while. It takes no time, in a bubble.
func rest() { <-time.After(500 * time.Millisecond) }

// TestOffline: an agent that restarts without the bus writes nothing, lands again what is
// deleted, and when the bus is back applies only what is new.
func TestOffline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSite(t)
		first := &line{Bus: inproc.New(), orders: []messaging.Change{work("web", 1, 10), work("cart", 2, 10)}}
		a, end := s.begins(first)
		a.tell(guard.CachesSynced{})
		s.beat(a)
		rest()
		if got := s.cluster.written(); got != "cart web" || first.taken != 2 {
			t.Fatalf("the first life wrote %q and acknowledged %d", got, first.taken)
		}
		end()

		a, end = s.begins(nil)
		a.tell(guard.CachesSynced{})
		<-time.After(time.Hour)
		if got := s.cluster.written(); got != "" {
			t.Errorf("wrote %q although nothing changed", got)
		}
		s.cluster.remove("cart")
		a.changed(kube.Landed, object(t, work("cart", 2, 10)))
		<-time.After(time.Hour)
		if got := s.cluster.written(); got != "cart" {
			t.Errorf("cart was deleted, and %q was written", got)
		}
		end()

		third := &line{Bus: inproc.New(), orders: []messaging.Change{work("web", 1, 10), work("cart", 7, 10)}}
		a, end = s.begins(third)
		rest()
		if s.hello.Held != 2 || third.taken != 2 {
			t.Errorf("says that it holds up to %d, and acknowledged %d", s.hello.Held, third.taken)
		}
		a.tell(guard.CachesSynced{})
		s.beat(a)
		<-time.After(time.Second)
		if got := s.cluster.written(); got != "cart" {
			t.Errorf("cart is newer, and %q was written", got)
		}
		end()
	})
}

// object is the first object of an order, as the cluster has it.
func object(t *testing.T, c messaging.Change) *kube.Object {
	t.Helper()
	w, err := federationv1.DecodeWork(c.Value)
	must(t, err)
	u := &kube.Object{}
	must(t, json.Unmarshal(w.Objects[0].Raw, &u.Object))
	u.SetAnnotations(map[string]string{"hansa.io/workload": w.Workload.String()})
	return u
}

// TestDamagedWorks: a store that is damaged is moved aside, and its orders are wanted
// again.
func TestDamagedWorks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSite(t)
		_, end := s.begins(&line{Bus: inproc.New(), orders: []messaging.Change{work("web", 1, 10)}})
		rest()
		end()
		path := s.dir + "/" + worksFile
		must(t, os.WriteFile(path, []byte(strings.Repeat("damage", 10_000)), 0o600))
		again := &line{Bus: inproc.New(), orders: []messaging.Change{work("web", 1, 10)}}
		a, end := s.begins(again)
		defer end()
		rest()
		if s.hello.Incarnation != 2 || s.hello.Held != 0 || again.taken != 1 {
			t.Errorf("hello %+v, %d orders acknowledged", s.hello, again.taken)
		}
		if _, err := os.Stat(path + store.Aside); err != nil {
			t.Error(err)
		}
		a.tell(guard.CachesSynced{})
		s.beat(a)
		rest()
		if s.hello.Held != federation.AllHeld {
			t.Errorf("says that it holds up to %d after the hub has answered", s.hello.Held)
		}
	})
}

// BenchmarkOrders takes in orders of 4 KiB, 256 together, until they can be acknowledged.
func BenchmarkOrders(b *testing.B) {
	const batch, works = 256, 4096
	state, err := openState(b.TempDir())
	must(b, err)
	a := &Agent{
		opts: Options{Name: "tokyo"}, log: slog.New(slog.DiscardHandler), state: state, incarnation: 1, changes: newChanges(), inbox: newInbox(),
		lander: landing.New(landing.Options{}), control: &line{Bus: inproc.New()}, greeted: make(chan struct{}),
	}
	a.guard, err = a.openGuard("cluster")
	must(b, err)
	defer a.closeWorks()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go func() { _ = a.decide(ctx) }() // ends with ctx
	a.tell(guard.HelloReplied{Reply: federation.HelloReply{Term: 1, Health: federation.Healthy, Synced: true}})
	a.tell(guard.CachesSynced{})
	b.SetBytes(batch * 4096)
	n := 0
	for b.Loop() {
		b.StopTimer()
		orders := make([]messaging.Change, batch)
		for i := range orders {
			orders[i] = work(fmt.Sprint("web-", (n+i)%works), federation.Revision(n+i+1), 4096)
		}
		n += batch
		b.StartTimer()
		must(b, a.receive(ctx, orders))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "works/s")
}
