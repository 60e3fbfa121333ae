package hub

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/standby"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/subject"
)

// watch is what a hub does while it does not lead, and what it learns.
type watch struct {
	end  context.CancelFunc
	done chan struct{}
	last *observer // owned by the watch until done is closed; nil: it never began
}

// watch listens until relieve is called or ctx ends. It goes on while a term begins, which
// takes it over once it has read everything.
func (c *candidate) watch(ctx context.Context) {
	if c.idle != nil {
		return
	}
	ctx, end := context.WithCancel(ctx)
	w := &watch{end: end, done: make(chan struct{})}
	c.idle = w
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			w.last = c.hub.newObserver()
			if err := w.last.run(ctx); err != nil && ctx.Err() == nil {
				c.hub.log.Warn("a hub that does not lead cannot listen; it tries again", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(leaseRetry):
			}
		}
	}()
}

// relieve ends the watch, and returns what was learned in it. While a term is under way,
// only that calls it.
func (c *candidate) relieve() decision.Before {
	w := c.idle
	if w == nil {
		return decision.Before{}
	}
	c.idle = nil
	w.end()
	<-w.done
	if w.last == nil {
		return decision.Before{}
	}
	return decision.Before(w.last.machine.Handover(time.Now()))
}

// observer is a hub that hears what the leader hears. Like a leadership it has a machine,
// one goroutine that owns it, and all that feeds it.
type observer struct {
	hub     *Hub
	machine *standby.Machine
	events  *mailbox.Box[standby.Event]
	dir     *directory
	quotas  *quotas
	group   *errgroup.Group
}

func (h *Hub) newObserver() *observer {
	return &observer{
		hub: h, machine: standby.New(standby.Options{Hub: h.opts.Instance, Name: h.opts.Name}),
		events: mailbox.New[standby.Event](), dir: newDirectory(), quotas: newQuotas(),
	}
}

// run listens until ctx ends, or a bucket has to be read anew.
func (o *observer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	o.group = group
	group.Go(func() error { return o.loop(ctx) })
	group.Go(func() error { return o.follow(ctx) })
	if err := o.listen(ctx); err != nil {
		group.Go(func() error { return err }) // ends what was started
	}
	return group.Wait()
}

// loop is the only goroutine that touches the machine.
func (o *observer) loop(ctx context.Context) error {
	return driver{
		ready: o.events.Ready(),
		take: func() {
			for _, ev := range o.events.Take() {
				o.step(ctx, ev)
			}
		},
		tick:    func() { o.step(ctx, standby.Tick{}) },
		stalled: func(gap time.Duration) { o.step(ctx, standby.Stalled{For: gap}) },
		due:     o.machine.Deadline,
	}.run(ctx)
}

func (o *observer) step(ctx context.Context, ev standby.Event) {
	for _, effect := range o.machine.Step(time.Now(), ev) {
		switch e := effect.(type) {
		case standby.AskProbe:
			look{o.hub, o.group, o.dir}.from(ctx, e.Vantages, e.Request, func(reply federation.ProbeReply) {
				o.events.Put(standby.ProbeResult{Vantage: ownVantage, Reply: reply})
			})
		case standby.SendOpinion:
			_ = o.hub.opts.Bus.Publish(subject.HubOpinion(), federationv1.EncodeOpinion(e.Opinion)) // the next one repairs a lost one
		default:
			panic(fmt.Sprintf("hub: no rule for effect %T", effect)) // the closed set of standby.Effect
		}
	}
}

// follow reads the members, then their health, and goes on with both.
func (o *observer) follow(ctx context.Context) error {
	members := make(chan struct{})
	o.group.Go(func() error {
		return o.followOne(ctx, subject.Members, func() { close(members) })
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-members:
	}
	return o.followOne(ctx, subject.Health, func() { o.events.Put(standby.Synced{}) })
}

func (o *observer) followOne(ctx context.Context, name string, synced func()) error {
	bucket, err := o.hub.opts.Bus.Bucket(ctx, name)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", name, err)
	}
	return followWhole(ctx, name, bucket, following{
		take: func(e messaging.Entry) { o.accept(name, e) }, synced: synced, came: func(federation.Revision) {},
	})
}

// accept takes one version of a record. The leader tells of those that cannot be read.
func (o *observer) accept(bucket string, entry messaging.Entry) {
	ev, err := loaded(bucket, entry)
	if err != nil {
		return
	}
	switch e := ev.(type) {
	case decision.MemberChanged:
		o.dir.set(e.Spec)
		o.events.Put(standby.MemberChanged{Spec: e.Spec})
	case decision.MemberRemoved:
		o.dir.remove(e.Member)
		o.events.Put(standby.MemberRemoved{Member: e.Member})
	case decision.HealthLoaded:
		if e.Revision != 0 {
			o.events.Put(standby.HealthLoaded{Record: e.Record})
		}
	}
}

// listen hears members and hubs for as long as the watch lasts.
func (o *observer) listen(ctx context.Context) error {
	o.hub.hearDisconnects(ctx, o.dir, func(member string) { o.events.PutBelow(standby.Disconnected{Member: member}, beatLimit) })
	bus, ears := o.hub.opts.Bus, o.hub.opts.Ears
	for _, s := range []struct {
		by   messaging.Subscriber
		subj string
		hear func(messaging.Message)
	}{
		{ears, subject.Beat("*"), o.hearBeat},
		{ears, subject.Up("*", subject.UpProbed), o.hearProbed},
		{bus, subject.HubBeat(), hears(o, federationv1.DecodeHubBeat, o.led)},
		{bus, subject.HubOpinion(), hears(o, federationv1.DecodeOpinion, func(p federation.Opinion) standby.Event { return standby.OpinionArrived{Opinion: p} })},
	} {
		if _, err := s.by.Subscribe(ctx, s.subj, s.hear); err != nil {
			return fmt.Errorf("subscribe to %s: %w", s.subj, err)
		}
	}
	return nil
}

// hearDisconnects has the bus tell which members lose a connection. Without that everything
// works, and takes a little longer.
func (h *Hub) hearDisconnects(ctx context.Context, dir *directory, hear func(member string)) {
	if h.opts.Disconnects == nil {
		return
	}
	if err := h.opts.Disconnects(ctx, func(account string) {
		if member, ok := dir.memberOf(account); ok {
			hear(member)
		}
	}); err != nil {
		h.log.Warn("the bus does not tell which connections it loses: a lost member is suspected later", "error", err)
	}
}

// led takes a beat of the hub that leads.
func (o *observer) led(b federation.HubBeat) standby.Event {
	now := time.Now()
	o.hub.heard.Store(&now)
	return standby.LeaderBeat{Beat: b}
}

// hears passes on what another hub says.
func hears[V any](o *observer, decode func([]byte) (V, error), event func(V) standby.Event) func(messaging.Message) {
	return func(m messaging.Message) {
		if v, err := decode(m.Data); err == nil {
			o.events.PutBelow(event(v), beatLimit)
		}
	}
}

// hearBeat passes a beat on under the conditions of a leader. Who floods the bus is the
// leader's to cut off.
func (o *observer) hearBeat(m messaging.Message) {
	account, err := subject.AccountOf(m.Subject)
	if err != nil || !o.quotas.of(account).takes("", len(m.Data)) {
		return
	}
	beat, err := federationv1.DecodeBeat(m.Data)
	if err != nil || o.dir.own(account, beat.Member) != nil {
		return
	}
	if o.dir.admit(beat.Member, "beat", decision.Order{Incarnation: beat.Incarnation, Sequence: beat.Sequence}) {
		o.events.PutBelow(standby.BeatArrived{Beat: beat}, beatLimit)
	}
}

// hearProbed takes what a member saw of another one, whichever hub has asked. The leader
// answers.
func (o *observer) hearProbed(m messaging.Message) {
	account, err := subject.AccountOf(m.Subject)
	if err != nil || !o.quotas.of(account).takes(subject.UpProbed, len(m.Data)) {
		return
	}
	vantage, known := o.dir.memberOf(account)
	reply, err := federationv1.DecodeProbeReply(m.Data)
	if err != nil || !known || reply.Survey || reply.Member == vantage {
		return
	}
	o.events.PutBelow(standby.ProbeResult{Vantage: vantage, Reply: reply}, beatLimit)
}
