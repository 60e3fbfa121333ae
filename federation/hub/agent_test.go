package hub_test

import (
	"context"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// agent is a member that obeys at once: it says hello, beats, reports its room,
// runs the works it gets as if their pods were ready, and looks at others.
type agent struct {
	w       *world
	name    string
	cluster string
	region  string
	life    federation.Incarnation
	held    federation.Revision // what it says it still has of its orders
	conn    *nats.Conn
	creds   nats.Credentials
	account string
	api     *httptest.Server // its API server, as probes see it
	keys    *sealKeys
	onlook
	ownPort
	end   context.CancelFunc
	ended sync.WaitGroup
	heard atomic.Uint64 // sequence of the last hub beat
	term  atomic.Uint64 // of the last hub beat

	mu     sync.Mutex
	runs   map[federation.Key]federation.Work
	orders []federation.Work // every work it got, in order
	seq    uint64            // of the last status
}

// newAgent joins a member and starts its agent.
func (w *world) newAgent(name, region string) *agent {
	w.t.Helper()
	a := &agent{w: w, name: name, cluster: "cluster-" + name, region: region, keys: newSealKeys(w.t), runs: map[federation.Key]federation.Work{}}
	a.serveAPI()
	a.join()
	a.start()
	return a
}

func (a *agent) serveAPI() {
	a.api = httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	a.w.t.Cleanup(a.api.Close)
}

func (a *agent) request(token federation.TokenReply, userKey string) federation.JoinRequest {
	return federation.JoinRequest{
		TokenID: token.ID, TokenSecret: token.Secret, Member: a.name, Place: federation.Place{Region: a.region}, ClusterID: a.cluster,
		ProbeURL: a.api.URL, ProbeCA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.api.Certificate().Raw}), UserKey: userKey, SealKey: a.keys.newest(),
	}
}

func (a *agent) join() {
	a.w.t.Helper()
	public, seed, err := nats.NewUserKey()
	must(a.w.t, err)
	b, err := a.w.ask(subject.HubJoin, federationv1.EncodeJoinRequest(a.request(a.w.token(a.name), public)))
	must(a.w.t, err)
	reply, err := federationv1.DecodeJoinReply(b)
	must(a.w.t, err)
	a.creds, a.account = nats.Credentials{JWT: reply.UserJWT, Seed: seed}, reply.Account
}

// start begins a new life.
func (a *agent) start() {
	a.w.t.Helper()
	a.life++
	conn, err := nats.Dial(nats.DialOptions{
		URLs: a.w.bus().Advertised(nil), CA: a.w.ca, Credentials: a.creds, Name: a.name, Account: a.account,
	})
	must(a.w.t, err)
	a.conn = conn
	ctx, end := context.WithCancel(context.Background())
	a.end = end
	_, err = conn.Subscribe(ctx, subject.MemberDownBeat(), func(m messaging.Message) {
		if b, err := federationv1.DecodeHubBeat(m.Data); err == nil {
			a.heard.Store(b.Sequence)
			a.looks.Store(&b.Looks)
			if last := a.term.Swap(b.Term); last != 0 && last != b.Term {
				a.ended.Go(func() { a.report(ctx) }) // to a new hub, as a real one does
			}
		}
	})
	must(a.w.t, err)
	_, err = conn.Subscribe(ctx, subject.MemberDown(subject.DownProbe), func(m messaging.Message) {
		a.ended.Go(func() { a.look(ctx, m) })
	})
	must(a.w.t, err)
	a.ended.Go(func() { a.report(ctx) })
	a.ended.Go(func() { a.beat(ctx) })
	a.ended.Go(func() { a.obey(ctx) })
	a.w.t.Cleanup(a.kill)
}

// kill ends the agent and its cluster without a word.
func (a *agent) kill() {
	a.end()
	a.api.Close()
	a.ended.Wait()
	a.conn.Close()
}

// say asks the hub until it was heard; errors end with the agent's life.
func (a *agent) say(ctx context.Context, method string, data []byte) []byte {
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		b, err := askUntilHeard(once, a.conn, subject.MemberUp(method), data)
		cancel()
		if err == nil {
			return b
		}
		select {
		case <-ctx.Done():
		case <-time.After(sayAgain):
		}
	}
	return nil
}

// sayAgain is less often than a member's share of hellos.
const sayAgain = 300 * time.Millisecond

// report says hello and what room there is, and hello again while the hub wants
// more proof.
func (a *agent) report(ctx context.Context) {
	room := federation.Resources{MilliCPU: 40_000, MemoryBytes: 64 << 30, Pods: 100}
	for {
		b := a.say(ctx, subject.UpHello, federationv1.EncodeHello(federation.Hello{
			Member: a.name, Incarnation: a.life, ClusterID: a.cluster, Holdings: a.holdings(), Synced: true, Held: a.held, AgentAt: a.reachedAt(),
		}))
		if ctx.Err() != nil {
			return
		}
		a.say(ctx, subject.UpFacts, federationv1.EncodeMemberFacts(federation.MemberFacts{
			Member: a.name, Incarnation: a.life, Sequence: 1, Nodes: 1, NodesReady: 1, Allocatable: room, Free: room,
			Classes: []federation.NodeClass{{Nodes: 1, Allocatable: room, Free: []federation.Resources{room}, Room: room}},
			Kinds:   []string{"apps/v1/Deployment", "v1/Secret"},
		}))
		if reply, err := federationv1.DecodeHelloReply(b); err == nil && reply.Health == federation.Healthy {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (a *agent) holdings() []federation.Holding {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []federation.Holding
	for _, k := range slices.SortedFunc(maps.Keys(a.runs), federation.Key.Compare) {
		out = append(out, federation.Holding{Workload: k, Epoch: a.runs[k].Epoch})
	}
	return out
}

func (a *agent) beat(ctx context.Context) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for n := uint64(1); ; n++ {
		_ = a.conn.Publish(subject.MemberBeat(), federationv1.EncodeBeat(federation.Beat{
			Member: a.name, Incarnation: a.life, Sequence: n, HubSequence: a.heard.Load(),
			Layers: federation.Layers{API: federation.Green, Nodes: 1, NodesReady: 1}, IngressAt: a.ingressAt(), Peers: a.peers(ctx),
		})) // the next one says the same
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// obey runs what it is told to run.
func (a *agent) obey(ctx context.Context) {
	_ = a.conn.Works().Follow(ctx, func(changes []messaging.Change) error {
		for _, c := range changes {
			if c.Synced || c.Deleted {
				continue
			}
			work, err := federationv1.DecodeWork(c.Value)
			if err != nil {
				return err
			}
			a.run(ctx, a.opened(work))
		}
		return nil
	})
}

func (a *agent) run(ctx context.Context, work federation.Work) {
	a.mu.Lock()
	a.orders = append(a.orders, work)
	a.seq++
	status := federation.WorkStatus{
		Workload: work.Workload, Member: a.name, Incarnation: a.life, Sequence: a.seq, Epoch: work.Epoch,
		WorkloadRevision: work.WorkloadRevision, State: federation.WorkReady, Replicas: work.Replicas, Ready: work.Replicas,
	}
	a.runs[work.Workload] = work
	if work.Removed {
		delete(a.runs, work.Workload)
		status.State, status.Replicas, status.Ready = federation.WorkRemoved, 0, 0
	}
	a.mu.Unlock()
	a.say(ctx, subject.UpStatus, federationv1.EncodeWorkStatus(status))
}

// history returns every work that the agent got.
func (a *agent) history() []federation.Work {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.orders)
}

// look answers the hub's wish to know how another member looks from here.
func (a *agent) look(ctx context.Context, m messaging.Message) {
	r, err := federationv1.DecodeProbeRequest(m.Data)
	if err != nil {
		return
	}
	a.say(ctx, subject.UpProbed, federationv1.EncodeProbeReply(probe.Do(ctx, r, a.own)))
}
