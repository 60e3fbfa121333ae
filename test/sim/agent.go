package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

const (
	beatEvery   = 250 * time.Millisecond
	askTimeout  = time.Second
	reportRetry = 500 * time.Millisecond
	// perReplica is what one replica of every workload asks for, in thousandths
	// of a core.
	perReplica = 500
)

// member is what outlives an agent: its disk, its cluster and its clock.
type member struct {
	spec        federation.MemberSpec
	nodes       int64
	incarnation federation.Incarnation
	state       []byte        // of the guard, as last persisted
	works       works         // its store of works
	leases      leases        // that its agent held last, and whom it asks for them
	offset      time.Duration // of its clocks from the world's
	drift       float64       // how much faster its clocks run: 0.01 is 1 %
	stepped     time.Duration // by which its wall clock was set since
	remade      int           // how many clusters had the name before
	lives       int           // of their agents, when they went on under another name
	cluster     *cluster
	noPort      bool // its agent cannot be asked beside the bus
	leaving     farewell
}

// works are the orders that a member has on its disk.
type works struct {
	orders map[guard.Kept]federation.Work
	upTo   federation.Revision
	whole  bool
}

// read is what the next life finds.
func (s works) read() guard.Store {
	out := guard.Store{UpTo: s.upTo, Whole: s.whole}
	for k, w := range s.orders {
		out.Works = append(out.Works, guard.WorkReceived{Work: w, Revision: k.Revision})
	}
	slices.SortFunc(out.Works, func(a, b guard.WorkReceived) int {
		return cmp.Or(a.Work.Workload.Compare(b.Work.Workload), cmp.Compare(a.Revision, b.Revision))
	})
	return out
}

// agent is one life of a member's agent.
type agent struct {
	w     *World
	name  string
	on    *member
	guard *guard.Machine
	base  time.Duration // its monotonic clock minus the world's time when it began
	drift float64       // how much faster than the world's time it runs

	sequence uint64
	beatAt   time.Time
	term     uint64
	heard    uint64 // highest hub beat of the term
	heardAt  time.Time
	reports  map[federation.Key]*report
	reported uint64 // sequence of reports
	factsDue bool
	asking   bool
	follows  bool                               // its works, since the hub has answered
	came     map[guard.Kept]federation.Work     // in this step
	landed   map[federation.Key]federation.Work // by this life, or found to stand
	others   onlooker
	asks     map[uint64]Message // of other members, which no hub answers
}

// report is what the hub should know of one workload.
type report struct {
	said  federation.WorkState // of the guard; empty: what the cluster shows
	epoch federation.Epoch
	rev   federation.Revision
	dirty bool
	busy  bool
}

func newAgent(w *World, on *member) Part {
	if on.leaving.left {
		return departed{}
	}
	on.incarnation++
	a := &agent{w: w, name: on.cluster.member, on: on, base: on.offset, drift: on.drift, beatAt: w.now, heardAt: w.now, reports: map[federation.Key]*report{}, landed: map[federation.Key]federation.Work{}, asks: map[uint64]Message{}, factsDue: true}
	opts := guard.Options{Member: on.spec.Name, ClusterID: on.spec.ClusterID, Incarnation: on.incarnation, Store: on.works.read(), Held: on.kept()}
	a.guard = guard.New(opts)
	if on.state != nil {
		g, err := guard.Restore(opts, on.state)
		if err != nil {
			w.laws.fail("invariant", fmt.Errorf("the guard does not take its own state: %w", err))
			return a
		}
		a.guard = g
	}
	if on.leaving.remains != "" {
		on.cluster.changed = func(federation.Key) {}
		w.After(a.name, w.between(100, 400), a.part)
		return a
	}
	on.cluster.changed = a.observe
	w.After(a.name, w.between(100, 400), func() { a.step(guard.CachesSynced{}) })
	for _, k := range on.cluster.keys() {
		a.observe(k)
	}
	return a
}

// clock is the member's own.
func (a *agent) clock() time.Time {
	gained := time.Duration(a.drift * float64(a.w.Elapsed()))
	return a.w.now.Add(a.base + gained)
}

// wall is the member's wall clock, which is set now and then.
func (a *agent) wall() time.Time { return a.clock().Add(a.on.stepped) }

// worldTime is when the member's clock shows at.
func (a *agent) worldTime(at time.Time) time.Time {
	at = at.Add(-a.base)
	if a.drift == 0 {
		return at
	}
	since := float64(at.Sub(a.w.start)) / (1 + a.drift)
	return a.w.start.Add(time.Duration(since) + time.Microsecond) // not before it, however it is rounded
}

func (a *agent) Check() error { return a.guard.Check() }

func (a *agent) Deadline() (time.Time, bool) {
	due := a.beatAt
	if a.on.leaving.remains != "" {
		return due, true
	}
	if at, ok := a.guard.Deadline(); ok && a.worldTime(at).Before(due) {
		due = a.worldTime(at)
	}
	if len(a.others.looks) > 0 && a.others.at.Before(due) {
		due = a.others.at
	}
	return due, true
}

func (a *agent) Tick() {
	if at, ok := a.guard.Deadline(); ok && !at.After(a.clock()) && a.on.leaving.remains == "" {
		a.step(guard.Tick{})
	}
	if !a.beatAt.After(a.w.now) {
		a.beat()
	}
	if len(a.others.looks) > 0 && !a.others.at.After(a.w.now) {
		a.onlook()
	}
	if a.on.leaving.remains == "" {
		a.sendFacts()
	}
}

func (a *agent) beat() {
	a.beatAt = a.w.now.Add(beatEvery)
	a.sequence++
	b := federation.Beat{
		Member: a.name, Incarnation: a.on.incarnation, Sequence: a.sequence,
		HubSequence: a.heard, HubAge: a.w.now.Sub(a.heardAt), HubTerm: a.term,
		IngressAt: a.on.cluster.ingressAt(), Peers: a.others.observations(a.w.now),
	}
	b.Layers = federation.Layers{API: federation.Red, Nodes: a.on.nodes, NodesReady: a.on.nodes}
	if a.on.cluster.serves() {
		b.Layers.API = federation.Green
	}
	for _, hub := range a.w.hubs() {
		a.w.Beat(a.name, hub, b)
	}
}

// follow reads the works once the hub has answered: until then none is acknowledged.
func (a *agent) follow() {
	a.w.Call(Link{a.name, storeName}, follow{Bucket: worksOf(a.on.spec.Account), Durable: true}, writeTimeout, func(answer any, ok bool) {
		if all, read := answer.([]entry); ok && read {
			a.takeIn(all)
			return
		}
		a.follow()
	})
}

// takeIn hands records to the guard and acknowledges them.
func (a *agent) takeIn(all []entry) {
	var together []guard.Event
	a.came = map[guard.Kept]federation.Work{}
	for _, e := range all {
		if v, ok := e.Value.(federation.Work); ok {
			a.came[guard.Kept{Workload: v.Workload, Revision: e.Revision}] = v
			together = append(together, guard.WorkReceived{Work: v, Revision: e.Revision})
		} else {
			together = append(together, guard.WorkGone{Workload: key(e.Key), Revision: e.Revision})
		}
	}
	a.step(together...)
	a.w.Send(a.name, storeName, ack{Bucket: worksOf(a.on.spec.Account), Taken: all})
}

// keep changes the store of works.
func (a *agent) keep(e guard.Keep) {
	s := &a.on.works
	if s.orders == nil {
		s.orders = map[guard.Kept]federation.Work{}
	}
	for _, k := range e.Add {
		s.orders[k] = a.came[k]
	}
	for _, k := range e.Drop {
		delete(s.orders, k)
	}
	s.upTo, s.whole = e.UpTo, e.Whole
}

func (a *agent) Receive(m Message) {
	switch b := m.Body.(type) {
	case letGo:
		a.hearLeave(b.Order)
	case change:
		a.takeIn([]entry{b.Entry})
	case federation.HubBeat:
		a.hear(b)
	case attest:
		a.asks[m.Call] = m
		a.step(guard.AttestAsked{Request: m.Call, Ask: b.AttestRequest})
	case federation.ProbeRequest:
		look(a.w, a.name, b, func(r federation.ProbeReply) {
			a.w.Send(a.name, m.From, probed{Vantage: a.name, Reply: r})
		})
	}
}

// hear takes the hub's beat. A new term wants every report again.
func (a *agent) hear(b federation.HubBeat) {
	if b.Term > a.term {
		a.term, a.heard = b.Term, 0
		a.factsDue = true
		for _, k := range a.on.cluster.keys() {
			a.observe(k)
		}
	}
	if b.Term == a.term && b.Sequence > a.heard {
		a.heard, a.heardAt = b.Sequence, a.w.now
		a.others.looks = b.Looks
	}
	a.step(guard.HubBeatHeard{Beat: b})
}

func (a *agent) step(events ...guard.Event) {
	if a.on.leaving.remains != "" {
		return // it only leaves
	}
	var let []guard.Event
	for _, ev := range events {
		if ev = a.w.hooks.guardEvent(ev); ev != nil {
			let = append(let, ev)
		}
	}
	if len(let) == 0 {
		return
	}
	for _, e := range a.guard.Step(a.clock(), let...) {
		for _, e := range a.w.hooks.guardEffect(e) {
			a.execute(e)
		}
	}
}

// execute carries out one effect of the guard, as the agent's shell does.
func (a *agent) execute(e guard.Effect) {
	switch e := e.(type) {
	case guard.Keep:
		a.keep(e)
	case guard.Persist:
		a.on.state = e.State
	case guard.KeepLeases:
		a.on.leases = leases{Held: e.Held, offset: a.base, drift: a.drift}
	case guard.Land:
		a.land(e)
	case guard.Remove:
		a.w.laws.removing(a.name, e.Workload, e.Epoch, a.on.cluster.landed[e.Workload])
		a.w.say("%s removes %s (epoch %d): %s", a.name, e.Workload, e.Epoch, e.Reason)
		a.on.cluster.remove(e.Workload, e.Epoch, func() { a.step(guard.RemovedProven{Workload: e.Workload, Epoch: e.Epoch}) })
	case guard.Stop:
		a.w.say("%s stops %s: %s", a.name, e.Workload, e.Reason)
		a.on.cluster.halt(e.Workload, func() { a.step(guard.StoppedProven{Workload: e.Workload, Epoch: e.Epoch}) })
	case guard.SendHello:
		a.hello(e.Hello)
	case guard.RenewLease:
		a.renew(e)
	case guard.AskPeers:
		a.askPeers(e)
	case guard.Attested:
		a.w.Answer(a.asks[e.Request], e.Reply)
		delete(a.asks, e.Request)
	case guard.Report:
		a.report(e.Workload, report{said: e.State, epoch: e.Epoch, rev: e.WorkloadRevision})
	}
}

func (a *agent) land(e guard.Land) {
	if !a.on.cluster.stands(e.Work) {
		a.w.say("%s lands %s (epoch %d, %d replicas)", a.name, e.Work.Workload, e.Work.Epoch, e.Work.Replicas)
	}
	a.on.cluster.land(e.Work, func() {
		a.landed[e.Work.Workload] = e.Work
		a.report(e.Work.Workload, report{})
		a.step(guard.Landed{Workload: e.Work.Workload, Epoch: e.Work.Epoch, Revision: e.Revision})
	})
}

// correct lands again what may run here and was deleted in the cluster.
func (a *agent) correct(k federation.Key) {
	w, ok := a.landed[k]
	_, desired := a.guard.Desired(k)
	if a.w.nodes[a.name].part != Part(a) { // its life has ended
		return
	}
	if !ok || !desired || a.guard.Masked() || w.Continuity == federation.AtMostOne || a.on.cluster.landed[k] != nil {
		return
	}
	a.w.say("%s lands %s again", a.name, k)
	a.on.cluster.land(w, func() { a.report(k, report{}) })
}

func (a *agent) hello(v federation.Hello) {
	v.AgentAt = a.on.agentAt()
	a.w.Call(Link{a.name, a.w.leading()}, hello{v}, askTimeout, func(answer any, ok bool) {
		if r, replied := answer.(federation.HelloReply); ok && replied {
			a.step(guard.HelloReplied{Reply: r})
			if !a.follows {
				a.follows = true
				a.follow()
			}
		} else {
			a.step(guard.HelloFailed{Reason: "no answer"})
		}
	})
}
