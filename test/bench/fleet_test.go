package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
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
	at       atomic.Int64 // when the hub was heard last, in Unix nanoseconds
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
			for _, role := range append(slices.Repeat([]func(context.Context){m.tell}, reportsAtOnce), m.beat, m.follow, m.report) {
				running.Go(func() { role(ctx) })
			}
		})
	}
	joining.Wait()
	return f
}

func (f *fleet) dial(name string, c nats.Credentials, reply *gatewayv1.JoinResponse) *simulated {
	m := &simulated{name: name, fleet: f, reports: reports{todo: make(chan []byte, 2*fleetWorkloads)}}
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

// beat beats until ctx ends.
func (m *simulated) beat(ctx context.Context) {
	_, err := m.beats.Subscribe(ctx, subject.MemberDownBeat(), func(msg messaging.Message) {
		if beat, err := federationv1.DecodeHubBeat(msg.Data); err == nil {
			last := m.hub.Swap(&beat)
			m.at.Store(time.Now().UnixNano())
			if last != nil && last.Term != beat.Term {
				go m.reports.again()
			}
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

// report says hello and what room there is.
func (m *simulated) report(ctx context.Context) {
	for n := uint64(1); ; n++ {
		hello := federation.Hello{Member: m.name, Incarnation: 1, Sequence: n, ClusterID: m.name, Synced: true}
		_, err := m.ask(ctx, subject.UpHello, federationv1.EncodeHello(hello))
		if err == nil {
			_, err = m.ask(ctx, subject.UpFacts, federationv1.EncodeMemberFacts(federation.MemberFacts{
				Member: m.name, Incarnation: 1, Sequence: m.sequence.Add(1), KubernetesVersion: "v1.37.2", Nodes: 3, NodesReady: 3, NodeKind: "simulated",
				Allocatable: room, Free: room, Kinds: []string{"v1/ConfigMap", "v1/Namespace"}, ObservedAt: time.Now(),
			}))
		}
		if err == nil || !wait(ctx, time.Second) {
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
			m.reports.put(federationv1.EncodeWorkStatus(federation.WorkStatus{
				Workload: w.Workload, Member: m.name, Incarnation: 1, Sequence: m.sequence.Add(1), Epoch: w.Epoch, WorkloadRevision: w.WorkloadRevision,
				State: federation.WorkReady, Replicas: w.Replicas, Ready: w.Replicas, ObservedAt: time.Now(),
			}))
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
		m.fleet.b.Errorf("%s: %v", m.name, err)
	}
}

// reportsAtOnce is how many reports an agent has under way.
const reportsAtOnce = 8

// reports are what a member told the hub, all of which it tells the next hub again.
type reports struct {
	mu   sync.Mutex
	told [][]byte
	todo chan []byte
}

func (r *reports) put(status []byte) {
	r.mu.Lock()
	r.told = append(r.told, status)
	r.mu.Unlock()
	r.todo <- status
}

func (r *reports) again() {
	r.mu.Lock()
	told := slices.Clone(r.told)
	r.mu.Unlock()
	for _, status := range told {
		r.todo <- status
	}
}

// tell sends each report until the hub has taken it.
func (m *simulated) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case status := <-m.reports.todo:
			for _, err := m.ask(ctx, subject.UpStatus, status); err != nil && wait(ctx, 250*time.Millisecond); {
				_, err = m.ask(ctx, subject.UpStatus, status)
			}
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
