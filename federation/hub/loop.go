package hub

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/placement"
)

// The loop measures its own stalls: a hub that did not run must not take its own
// deafness for the members' silence.
const (
	stallTick  = 50 * time.Millisecond
	stallLimit = 200 * time.Millisecond
)

// beatLimit bounds how many events may wait before beats are dropped; the next
// beat says the same and more.
const beatLimit = 20_000

// leadership is one term: a machine, the goroutine that owns it, and all that
// feeds it or works for it. Everything in it ends with the term.
type leadership struct {
	hub *Hub
	log *slog.Logger
	reigning
	unread   int // sources that are not synced yet
	machine  *decision.Machine
	events   *mailbox.Box[decision.Event]
	dir      *directory
	buckets  map[string]messaging.Bucket
	works    *semaphore.Weighted            // for those that write works
	writers  map[string]*mailbox.Box[write] // by bucket; owned by the loop
	stores   map[string]*mailbox.Box[write] // those of what members report; never changed
	group    *errgroup.Group                // everything the term started
	pending  mailbox.Pending[decision.Reply]
	quotas   *quotas
	numbered uint64                               // of the last event record within the term
	told     map[string]federation.OperationState // of each operation, in its last record
	backups  *backups
	full     string // why nothing new was written, as it was told last
	heads    *heads
	traces   *traces
	imports  *imports
	taking   chan struct{} // closed once reports are taken
	crowded  bool          // until then
	imported uint64        // its revision that members were told last
	inspections
}

// reigning is what a term begins with.
type reigning struct {
	term      uint64
	relieve   func() decision.Before // ends the time in which the hub only listened
	leads     func() bool            // whether it does, by the clock
	outranked func(uint64)           // tells of a term above
	takeover  takeover
}

// lead decides until ctx ends with the lease, or a follower must start over.
func (h *Hub) lead(ctx context.Context, r reigning) error {
	group, ctx := errgroup.WithContext(ctx)
	l := &leadership{
		hub: h, log: h.log.With("term", r.term), reigning: r,
		machine: decision.New(decision.Options{Term: r.term, Hub: h.opts.Instance, Stabilise: h.opts.Stabilise, Brake: h.opts.Brake}),
		events:  mailbox.New[decision.Event](), dir: newDirectory(),
		works:   semaphore.NewWeighted(mostWriters),
		writers: map[string]*mailbox.Box[write]{}, stores: map[string]*mailbox.Box[write]{},
		group: group, quotas: newQuotas(), told: map[string]federation.OperationState{},
		backups: newBackups(), unread: len(decision.Sources()),
		heads: newHeads(), traces: newTraces(), imports: newImports(r.term), taking: make(chan struct{}), crowded: true,
	}
	var err error
	if l.buckets, err = h.openBuckets(ctx); err != nil {
		return err
	}
	defer h.metrics.begin(r.term, l.events)()
	l.startStores(ctx)
	l.log.Info("leading", "hub", h.opts.Name)
	group.Go(func() error { return l.run(ctx) })
	group.Go(func() error { return l.followMarker(ctx) })
	l.follow(ctx)
	group.Go(func() error { return l.followExports(ctx) })
	if h.opts.Gather != nil {
		group.Go(func() error { return l.gather(ctx) })
	}
	if h.opts.Inspector != nil {
		group.Go(func() error { return h.opts.Inspector.MeasureStreams(ctx) })
	}
	if err := l.listen(ctx); err != nil {
		group.Go(func() error { return err }) // ends what was started
	}
	return group.Wait()
}

func (h *Hub) openBuckets(ctx context.Context) (map[string]messaging.Bucket, error) {
	out := map[string]messaging.Bucket{}
	for _, name := range append(subject.Durable(), subject.Rebuilt()...) {
		b, err := h.opts.Bus.Bucket(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open bucket %s: %w", name, err)
		}
		out[name] = b
	}
	return out, nil
}

// The leader brings what it writes near when it has led for gatherAfter, since every move
// makes the bus elect: one that does not stay must not move anything. It looks again
// every gatherEvery for what has come about elsewhere.
const (
	gatherAfter = time.Second
	gatherEvery = 30 * time.Second
)

// gather brings what the leader writes near to it, for as long as the term lasts.
func (l *leadership) gather(ctx context.Context) error {
	for wait := gatherAfter; ; wait = gatherEvery {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		if err := l.hub.opts.Gather(ctx); err != nil && ctx.Err() == nil {
			l.log.Debug("the bus does not give its lead to this hub yet", "reason", err)
		}
	}
}

// run is the only goroutine that touches the machine.
func (l *leadership) run(ctx context.Context) error {
	return driver{
		ready:   l.events.Ready(),
		take:    func() { l.takeAll(ctx) },
		tick:    func() { l.step(ctx, decision.Tick{}) },
		stalled: func(gap time.Duration) { l.step(ctx, decision.Stalled{For: gap}) },
		due:     l.machine.Deadline,
	}.run(ctx)
}

// takeAll feeds all that has come, and what comes meanwhile, in order; but evidence
// overtakes the rest: behind a flood of reports beats would wait until their members were
// suspected.
func (l *leadership) takeAll(ctx context.Context) {
	var waiting []decision.Event
	for ctx.Err() == nil {
		evidence, rest := decision.Evidence(l.events.Take())
		for len(evidence) > 0 {
			n := decision.Together(evidence)
			l.step(ctx, evidence[:n]...)
			evidence = evidence[n:]
		}
		if waiting = append(waiting, rest...); len(waiting) == 0 {
			return
		}
		n := decision.Together(waiting)
		l.step(ctx, waiting[:n]...)
		waiting = waiting[n:]
	}
}

// step gives the machine events and carries out what it returns.
func (l *leadership) step(ctx context.Context, evs ...decision.Event) {
	evs = l.relieved(evs)
	now := time.Now()
	effects := l.machine.Step(now, evs...)
	l.hub.metrics.steps.Observe(time.Since(now).Seconds())
	for _, effect := range effects {
		l.hub.metrics.decided(effect)
		l.execute(ctx, effect)
	}
	l.acts()
	if l.crowded && !l.machine.Crowded() {
		l.crowded = false
		close(l.taking)
	}
}

// relieved puts what this hub has heard so far before the event with which the machine
// begins: until then it speaks as a hub that does not lead.
func (l *leadership) relieved(evs []decision.Event) []decision.Event {
	for i, ev := range evs {
		synced, read := ev.(decision.Synced)
		if !read {
			continue
		}
		if l.unread--; l.unread == 0 {
			l.takeover.has(time.Now(), synced.Source)
			return slices.Insert(slices.Clone(evs), i, decision.Event(decision.Listened{Before: l.relieve()}))
		}
	}
	return evs
}

// execute carries out one effect. It does not block: what takes time is handed
// to a writer or a goroutine of the term.
func (l *leadership) execute(ctx context.Context, effect decision.Effect) {
	switch e := effect.(type) {
	case decision.PutAssignment, decision.DeleteAssignment, decision.PutHealth, decision.PutOperation, decision.PutMember:
		l.writeRecord(ctx, e)
	case decision.PutWork:
		l.writeWork(ctx, e)
	case decision.DropWork:
		l.dropWork(ctx, e)
	case decision.DeleteMember:
		l.deleteMember(ctx, e)
	case decision.EndUser:
		l.group.Go(func() error { return l.endUser(ctx, e) })
	case decision.OrderRotation:
		l.orderRotation(e)
	case decision.OrderLeave:
		l.orderLeave(e)
	case decision.Outranked:
		l.outranked(e.Term)
	case decision.PutEvent:
		l.writeEvent(ctx, e.Event)
	case decision.ReadRecord:
		l.group.Go(func() error { return l.read(ctx, e) })
	case decision.SendHubBeat:
		l.beat(ctx, e)
	case decision.AskProbe:
		look{l.hub, l.group, l.dir}.from(ctx, e.Vantages, e.Request, func(reply federation.ProbeReply) {
			l.events.Put(decision.ProbeResult{Vantage: ownVantage, Reply: reply})
		})
	case decision.Survey:
		l.survey(e)
	case decision.Audit:
		go l.audit(e) // the end of the term does not wait for it: with many members it takes minutes
	case decision.Reply:
		l.pending.Answer(e.Request, e)
	default:
		panic(fmt.Sprintf("hub: no rule for effect %T", effect)) // the closed set of decision.Effect
	}
}

// audit computes the readiness beside the loop.
func (l *leadership) audit(e decision.Audit) {
	began := time.Now()
	report := placement.Readiness(e.Snapshot, e.Requests)
	l.hub.metrics.audited(report, time.Since(began))
	l.events.Put(decision.Audited{Report: report})
}

// beat says the hub's state to gateways and agents. A lost beat is repaired by
// the next one.
func (l *leadership) beat(ctx context.Context, e decision.SendHubBeat) {
	b, bus := e.Beat, l.hub.opts.Bus
	b.Full, b.Heads = l.hub.full(), l.heads.all()
	l.tellFull(ctx, b.Full)
	_ = bus.Publish(subject.HubBeat(), federationv1.EncodeHubBeat(b))
	if e.Early {
		return
	}
	imports := l.imports.sourcesAre(e.Beat.Members)
	to := e.To
	if imports != l.imported {
		to = slices.Collect(maps.Keys(l.dir.everyMember()))
	}
	l.imported = imports
	for _, member := range to {
		if account, ok := l.dir.accountOf(member); ok && account != "" {
			own := e.For(member)
			own.Imports = imports
			_ = bus.Publish(subject.DownBeat(account), federationv1.EncodeHubBeat(own))
		}
	}
}

// tellFull writes to the history that the disk has little room, or has some again.
func (l *leadership) tellFull(ctx context.Context, full string) {
	if (full == "") == (l.full == "") {
		l.full = full
		return
	}
	text := "desired state is accepted again: the bus's disk has room"
	if full != "" {
		text = "desired state is refused: " + full
	}
	l.full = full
	l.writeEvent(ctx, federation.Event{At: time.Now().UTC(), Type: "Bus", About: "hub", Who: "hub", Text: text})
}
