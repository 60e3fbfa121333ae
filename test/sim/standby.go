package sim

import (
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/standby"
)

// observer is a hub while it does not lead.
type observer struct {
	h      *hub
	m      *standby.Machine
	reader uint64
	synced map[string]bool
	early  map[string][]entry
}

// watch lets the hub listen, from the members that the store knows now.
func (h *hub) watch() {
	if h.idle != nil {
		return
	}
	h.readers++
	o := &observer{h: h, reader: h.readers, m: standby.New(standby.Options{Hub: h.name, Name: h.name}), synced: map[string]bool{}, early: map[string][]entry{}}
	h.idle = o
	o.follow(string(decision.SourceMembers), func() {
		o.follow(string(decision.SourceHealth), func() { o.step(standby.Synced{}) })
	})
}

func (o *observer) follow(bucket string, then func()) {
	o.h.w.Call(Link{o.h.name, storeName}, follow{Bucket: bucket, Reader: o.reader}, writeTimeout, func(answer any, ok bool) {
		all, read := answer.([]entry)
		switch {
		case o.h.idle != o:
		case !ok || !read:
			o.follow(bucket, then)
		default:
			for _, e := range append(all, o.early[bucket]...) {
				o.record(e)
			}
			o.synced[bucket] = true
			then()
		}
	})
}

func (o *observer) record(e entry) {
	switch v := e.Value.(type) {
	case federation.MemberSpec:
		o.step(standby.MemberChanged{Spec: v})
	case federation.HealthRecord:
		o.step(standby.HealthLoaded{Record: v})
	}
}

// receive is what comes from the bus while it does not lead.
func (o *observer) receive(m Message) {
	switch b := m.Body.(type) {
	case change:
		o.changed(b)
	case federation.Beat:
		o.step(standby.BeatArrived{Beat: b})
	case federation.HubBeat:
		o.step(standby.LeaderBeat{Beat: b})
	case federation.Opinion:
		o.step(standby.OpinionArrived{Opinion: b})
	case disconnected:
		o.step(standby.Disconnected{Member: b.member})
	case probed:
		if !b.Reply.Survey {
			o.step(standby.ProbeResult{Vantage: b.Vantage, Reply: b.Reply})
		}
	}
}

func (o *observer) changed(b change) {
	switch {
	case b.Reader != o.reader:
	case !o.synced[b.Bucket]:
		o.early[b.Bucket] = append(o.early[b.Bucket], b.Entry)
	case b.Bucket == string(decision.SourceMembers) && b.Entry.Value == nil:
		o.step(standby.MemberRemoved{Member: b.Entry.Key})
	default:
		o.record(b.Entry)
	}
}

func (o *observer) step(ev standby.Event) {
	for _, e := range o.m.Step(o.h.w.now, ev) {
		switch e := e.(type) {
		case standby.AskProbe:
			o.h.probe(e.Vantages, e.Request, func(r federation.ProbeReply) {
				o.step(standby.ProbeResult{Vantage: "hub", Reply: r})
			})
		case standby.SendOpinion:
			o.say(e.Opinion)
		}
	}
}

// say tells the other hubs and the gateways.
func (o *observer) say(p federation.Opinion) {
	w := o.h.w
	w.laws.opinion(o.h.name, p)
	for _, name := range w.names {
		switch w.nodes[name].part.(type) {
		case *gateway, *hub:
			if name != o.h.name {
				w.Beat(o.h.name, name, p)
			}
		}
	}
}

// relieve ends the watch and returns what was learned in it.
func (h *hub) relieve() decision.Before {
	o := h.idle
	if o == nil {
		return decision.Before{}
	}
	h.idle = nil
	return decision.Before(o.m.Handover(h.w.now))
}

// opined is when a hub last said of a member that it is withdrawn.
type opined struct{ hub, member string }

// opinion notes what a hub says that does not lead.
func (l *laws) opinion(hub string, p federation.Opinion) {
	for _, line := range p.Members {
		if line.Withdrawn {
			l.opined[opined{hub, line.Member}] = l.w.now
		}
	}
}

// opinionLasts is for how long a word may be under way, copies included, and count.
const opinionLasts = 10 * time.Second

// agreed looks at what a gateway withdrew because the hubs agree.
func (l *laws) agreed(gateway, member string) {
	count := 0
	for _, hub := range l.w.hubNames {
		if at, said := l.opined[opined{hub, member}]; said && l.w.now.Sub(at) < opinionLasts {
			count++
		}
	}
	if 2*count <= len(l.w.hubNames) {
		l.failf("agreed", "%s withdraws %s by the word of %d of %d hubs", gateway, member, count, len(l.w.hubNames))
	}
}
