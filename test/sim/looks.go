package sim

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// probeTarget asks a member's API server for /readyz, ingressTarget its ingress for
// anything, and agentTarget its agent whether it lives.
type (
	probeTarget   struct{}
	ingressTarget struct{}
	agentTarget   struct{}
)

// look looks from a node at a member's API server, and at its ingress and its agent's port
// when it has them.
func look(w *World, from string, r federation.ProbeRequest, done func(federation.ProbeReply)) {
	along, began := Link{from, r.Member}, w.now
	reply, open := federation.ProbeReply{Member: r.Member, Survey: r.Survey}, 1
	end := func() {
		if open--; open == 0 {
			done(reply)
		}
	}
	if r.IngressAt != "" {
		open++
		w.ask(along, ingressTarget{}, r.Timeout, func(s federation.Signal, detail string) {
			reply.Ingress, reply.IngressDetail = s, detail
			end()
		})
	}
	if r.AgentAt != "" {
		open++
		w.ask(along, agentTarget{}, r.Timeout, func(s federation.Signal, detail string) {
			reply.Agent, reply.AgentDetail = s, detail
			end()
		})
	}
	w.ask(along, probeTarget{}, r.Timeout, func(s federation.Signal, detail string) {
		if reply.Signal, reply.Detail = s, detail; s == federation.Green {
			reply.RoundTrip = w.now.Sub(began)
		}
		end()
	})
}

// ask asks what a node serves without its part.
func (w *World) ask(along Link, target any, timeout time.Duration, done func(federation.Signal, string)) {
	w.Call(along, target, timeout, func(answer any, ok bool) {
		_, down := answer.(refused)
		switch {
		case !ok:
			done(federation.Red, "no answer")
		case down:
			done(federation.Red, "connection refused")
		default:
			done(federation.Green, "HTTP 200")
		}
	})
}

// agentAt is where the port of the member's agent is; empty when it has none.
func (on *member) agentAt() string {
	if !on.port {
		return ""
	}
	return on.spec.Name + ":7444"
}

// ingressAt is where a member's ingress is.
func (c *cluster) ingressAt() string {
	if !c.ingress {
		return federation.NoIngress
	}
	return "tcp://" + c.member + ":80"
}

// served answers what is asked of the cluster and not of the agent.
func (c *cluster) served(body any) (any, bool) {
	switch body.(type) {
	case probeTarget:
		return stored{}, c.serves()
	case ingressTarget:
		return stored{}, c.up && c.ingress && !c.shut
	}
	return nil, false
}

const (
	onlookEvery = time.Second
	onlookLimit = 900 * time.Millisecond
)

// onlooker is the part of an agent that looks at the ingresses of others.
type onlooker struct {
	at    time.Time // of the next look
	looks []federation.Look
	seen  map[federation.Look]sight
}

type sight struct {
	signal federation.Signal
	detail string
	at     time.Time
}

// onlook looks at every ingress that the hub said last.
func (a *agent) onlook() {
	a.others.at = a.w.now.Add(onlookEvery)
	for _, l := range a.others.looks {
		a.w.ask(Link{a.name, l.Member}, ingressTarget{}, onlookLimit, func(s federation.Signal, detail string) {
			if a.others.seen == nil {
				a.others.seen = map[federation.Look]sight{}
			}
			a.others.seen[l] = sight{s, detail, a.w.now}
		})
	}
}

// observations are what a beat says of others.
func (o *onlooker) observations(now time.Time) []federation.PeerObservation {
	var out []federation.PeerObservation
	for l := range o.seen {
		if !slices.Contains(o.looks, l) {
			delete(o.seen, l)
		}
	}
	for _, l := range o.looks {
		if s, ok := o.seen[l]; ok {
			out = append(out, federation.PeerObservation{Member: l.Member, Ingress: s.signal, Age: now.Sub(s.at), Detail: s.detail})
		}
	}
	return out
}
