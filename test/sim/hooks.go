package sim

import (
	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/member/guard"
)

// Hooks break machines on purpose, to prove that a law sees it. Each gets what
// goes into or comes out of a machine and returns what to take instead; a nil
// hook changes nothing.
type Hooks struct {
	HubEvent    func(decision.Event) decision.Event // nil drops it
	HubEffect   func(decision.Effect) decision.Effect
	GuardEvent  func(guard.Event) guard.Event     // nil drops it
	GuardEffect func(guard.Effect) []guard.Effect // nil drops it
	GatewayBeat func(federation.HubBeat) federation.HubBeat
	Opinion     func(federation.Opinion) federation.Opinion // as a gateway hears it
}

func (h Hooks) hubEvent(ev decision.Event) decision.Event {
	if h.HubEvent == nil {
		return ev
	}
	return h.HubEvent(ev)
}

func (h Hooks) hubEffect(e decision.Effect) decision.Effect {
	if h.HubEffect == nil {
		return e
	}
	return h.HubEffect(e)
}

func (h Hooks) guardEvent(ev guard.Event) guard.Event {
	if h.GuardEvent == nil {
		return ev
	}
	return h.GuardEvent(ev)
}

func (h Hooks) guardEffect(e guard.Effect) []guard.Effect {
	if h.GuardEffect == nil {
		return []guard.Effect{e}
	}
	return h.GuardEffect(e)
}

func (h Hooks) gatewayBeat(b federation.HubBeat) federation.HubBeat {
	if h.GatewayBeat == nil {
		return b
	}
	return h.GatewayBeat(b)
}

func (h Hooks) opinion(o federation.Opinion) federation.Opinion {
	if h.Opinion == nil {
		return o
	}
	return h.Opinion(o)
}
