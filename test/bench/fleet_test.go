package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// fleet is many simulated members: each with the connections, the credentials, the
// beats, the reports and the orders of a real agent, and with no cluster behind them.
// What it is ordered to run it reports as ready.
type fleet struct {
	b       testing.TB
	members []*simulated
	every   atomic.Int64 // nanoseconds between two beats
	orders  atomic.Int64 // that were read
	stop    func()       // ends all and waits for it
}

// simulated is one simulated member.
type simulated struct {
	name     string
	fleet    *fleet
	control  *nats.Conn
	beats    *nats.Conn
	sequence atomic.Uint64
	hub      atomic.Pointer[federation.HubBeat]
	at       atomic.Int64  // when the hub was heard last, in Unix nanoseconds
	greeted  atomic.Uint64 // the term of the last hub that answered a hello
	reports  reports
}

var room = federation.Resources{MilliCPU: 96_000, MemoryBytes: 384 << 30, Pods: 330}

const fleetJoins = 16 // at a time

// startFleet joins n members and waits until each is Healthy.
func startFleet(b testing.TB, join func(name string) (member nats.Credentials, reply *gatewayv1.JoinResponse), n int) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	f := &fleet{b: b, members: make([]*simulated, n)}
	f.every.Store(int64(250 * time.Millisecond))
	f.stop = sync.OnceFunc(func() {
		cancel()
		for _, m := range f.members {
			if m != nil {
				m.control.Close()
				m.beats.Close()
			}
		}
		running.Wait()
	})
	slots := make(chan struct{}, fleetJoins)
	var joining sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		joining.Go(func() {
			defer func() { <-slots }()
			name := fmt.Sprintf("m%04d", i)
			credentials, reply := join(name)
			m := f.dial(name, credentials, reply)
			f.members[i] = m
			for _, role := range []func(context.Context){m.beat, m.follow, m.greet, m.tell} {
				running.Go(func() { role(ctx) })
			}
		})
	}
	joining.Wait()
	return f
}

func (f *fleet) dial(name string, c nats.Credentials, reply *gatewayv1.JoinResponse) *simulated {
	m := &simulated{name: name, fleet: f, reports: newReports()}
	for suffix, into := range map[string]**nats.Conn{"": &m.control, " beats": &m.beats} {
		conn, err := nats.Dial(nats.DialOptions{
			URLs: reply.GetBusUrls(), CA: reply.GetBusCa(), Credentials: c, Name: name + suffix, Account: reply.GetAccount(),
		})
		if err != nil {
			panic(err) // of a goroutine; the benchmark cannot go on
		}
		*into = conn
	}
	return m
}

// beat beats until ctx ends, and hears the hub. What was told one hub is told the next
// one again.
func (m *simulated) beat(ctx context.Context) {
	_, err := m.beats.Subscribe(ctx, subject.MemberDownBeat(), func(msg messaging.Message) {
		beat, err := federationv1.DecodeHubBeat(msg.Data)
		if err != nil {
			return
		}
		last := m.hub.Swap(&beat)
		m.at.Store(time.Now().UnixNano())
		if last == nil || last.Term != beat.Term {
			m.reports.again()
		}
	})
	if err != nil {
		return // the fleet stops
	}
	for n := uint64(1); wait(ctx, time.Duration(m.fleet.every.Load())); n++ {
		beat := federation.Beat{Member: m.name, Incarnation: 1, Sequence: n, Layers: federation.Layers{API: federation.Green, Etcd: federation.Green, NodesReady: 3, Nodes: 3}}
		if hub := m.hub.Load(); hub != nil {
			beat.HubSequence, beat.HubTerm = hub.Sequence, hub.Term
			beat.HubAge = time.Since(time.Unix(0, m.at.Load()))
		}
		_ = m.beats.Publish(subject.MemberBeat(), federationv1.EncodeBeat(beat)) // the next one repairs a lost one
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// lookForTerm is how often a member looks whether another hub leads.
const lookForTerm = 100 * time.Millisecond

// greet says hello to each hub that leads, and what room there is once.
func (m *simulated) greet(ctx context.Context) {
	m.reports.put("facts", told{subject.UpFacts, federationv1.EncodeMemberFacts(federation.MemberFacts{
		Member: m.name, Incarnation: 1, Sequence: m.sequence.Add(1), KubernetesVersion: "v1.37.2", Nodes: 3, NodesReady: 3, NodeKind: "simulated",
		Allocatable: room, Free: room, Kinds: []string{"v1/ConfigMap", "v1/Namespace"}, ObservedAt: time.Now(),
	})})
	for n := uint64(1); wait(ctx, lookForTerm); {
		if hub := m.hub.Load(); hub != nil && m.greeted.Load() == hub.Term {
			continue
		}
		hello := federation.Hello{Member: m.name, Incarnation: 1, Sequence: n, ClusterID: m.name, Synced: true}
		n++
		answer, err := m.ask(ctx, subject.UpHello, federationv1.EncodeHello(hello))
		if err == nil {
			var reply federation.HelloReply
			if reply, err = federationv1.DecodeHelloReply(answer); err == nil {
				m.greeted.Store(reply.Term)
			}
		}
		if err != nil && !wait(ctx, time.Second) {
			return
		}
	}
}

func (m *simulated) ask(ctx context.Context, method string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return m.control.Request(ctx, subject.MemberUp(method), data)
}

// follow reads orders and reports each as ready, until ctx ends.
func (m *simulated) follow(ctx context.Context) {
	err := m.control.Works().Follow(ctx, func(changes []messaging.Change) error {
		for _, c := range changes {
			if c.Synced || c.Reset || c.Deleted {
				continue
			}
			m.fleet.orders.Add(1)
			w, err := federationv1.DecodeWork(c.Value)
			if err != nil {
				return err
			}
			m.reports.put(w.Workload.String(), told{subject.UpStatus, federationv1.EncodeWorkStatus(federation.WorkStatus{
				Workload: w.Workload, Member: m.name, Incarnation: 1, Sequence: m.sequence.Add(1), Epoch: w.Epoch, WorkloadRevision: w.WorkloadRevision,
				State: federation.WorkReady, Replicas: w.Replicas, Ready: w.Replicas, ObservedAt: time.Now(),
			})})
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		m.fleet.b.Errorf("%s: %v", m.name, err)
	}
}

// reportsAtOnce is how many reports an agent has under way.
const reportsAtOnce = 8

// told is a report.
type told struct {
	method string
	data   []byte
}

// reports are the last ones of a member, by what they are about. Each waits once at most.
type reports struct {
	mu      sync.Mutex
	last    map[string]told
	waiting map[string]bool
	todo    *mailbox.Box[string]
}

func newReports() reports {
	return reports{last: map[string]told{}, waiting: map[string]bool{}, todo: mailbox.New[string]()}
}

func (r *reports) put(about string, what told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[about] = what
	r.queue(about)
}

// queue is called with reports.mu held.
func (r *reports) queue(about string) {
	if !r.waiting[about] {
		r.waiting[about] = true
		r.todo.Put(about)
	}
}

func (r *reports) again() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for about := range r.last {
		r.queue(about)
	}
}

func (r *reports) take(about string) told {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, about)
	return r.last[about]
}

// tell sends each report until the hub has taken it, or there is a newer one.
func (m *simulated) tell(ctx context.Context) {
	slots := make(chan struct{}, reportsAtOnce)
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.reports.todo.Ready():
		}
		for _, about := range m.reports.todo.Take() {
			slots <- struct{}{}
			sending.Go(func() {
				defer func() { <-slots }()
				for {
					r := m.reports.take(about)
					if _, err := m.ask(ctx, r.method, r.data); err == nil || !wait(ctx, 250*time.Millisecond) {
						return
					}
				}
			})
		}
	}
}

// hearing counts the members that have heard the hub since a time.
func (f *fleet) hearing(since time.Time) int {
	n := 0
	for _, m := range f.members {
		if m.at.Load() > since.UnixNano() {
			n++
		}
	}
	return n
}

// served counts the members that this hub, or a later one, has answered since.
func (f *fleet) served(since time.Time) int {
	n := 0
	for _, m := range f.members {
		if hub := m.hub.Load(); hub != nil && m.at.Load() > since.UnixNano() && m.greeted.Load() == hub.Term {
			n++
		}
	}
	return n
}
