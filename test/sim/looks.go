package sim

import (
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// probeTarget asks a member's API server for /readyz and, if it is to, its agent whether it
// lives; both in one message, so that a world in which agents have ports draws the same
// chances as one in which they have none. ingressTarget asks its ingress for anything.
type (
	probeTarget   struct{ agent bool }
	ingressTarget struct{}
)

// looked is what answers a probeTarget.
type looked struct{ api, agent bool }

// look looks from a node at a member's API server and agent, and at its ingress when it has
// one.
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
	port := r.AgentAt != ""
	w.Call(along, probeTarget{agent: port}, r.Timeout, func(answer any, ok bool) {
		seen, _ := answer.(looked)
		reply.Signal, reply.Detail = sighted(answer, ok, seen.api)
		if port {
			reply.Agent, reply.AgentDetail = sighted(answer, ok, seen.agent)
		}
		if seen.api {
			reply.RoundTrip = w.now.Sub(began)
		}
		end()
	})
}

// sighted is how one looks whose host has answered, or not, when what is looked at is well.
func sighted(answer any, ok, well bool) (federation.Signal, string) {
	_, down := answer.(refused)
	switch {
	case !ok:
		return federation.Red, "no answer"
	case down || !well:
		return federation.Red, "connection refused"
	}
	return federation.Green, "HTTP 200"
}

// ask asks what a node serves without its part.
func (w *World) ask(along Link, target any, timeout time.Duration, done func(federation.Signal, string)) {
	w.Call(along, target, timeout, func(answer any, ok bool) { done(sighted(answer, ok, true)) })
}

// agentAt is where the port of the member's agent is; empty when it has none.
func (on *member) agentAt() string {
	if on.noPort {
		return ""
	}
	return on.cluster.member
}

// ingressAt is where a member's ingress is.
func (c *cluster) ingressAt() string {
	if !c.ingress {
		return federation.NoIngress
	}
	return "tcp://" + c.member + ":80"
}

// served answers what is asked of the cluster, and whether its agent lives.
func (c *cluster) served(body any) (any, bool) {
	switch b := body.(type) {
	case probeTarget:
		_, lives := c.w.nodes[c.member].part.(*agent)
		seen := looked{api: c.serves(), agent: b.agent && lives}
		return seen, seen.api || seen.agent
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
