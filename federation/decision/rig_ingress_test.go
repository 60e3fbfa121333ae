package decision

import (
	"github.com/hansa-io/hansa/federation"
)

func (a *actor) ingressAt() string {
	if a.ingress == federation.Absent {
		return federation.NoIngress
	}
	return "tcp://" + a.name + ":80"
}

// peers is what the member sees of those that the hub named last.
func (r *rig) peers(a *actor) []federation.PeerObservation {
	var out []federation.PeerObservation
	for _, l := range r.looks[a.name] {
		out = append(out, federation.PeerObservation{Member: l.Member, Ingress: r.members[l.Member].ingress})
	}
	return out
}

func (r *rig) cmdIngress(args []string) {
	r.members[args[0]].ingress = map[string]federation.Signal{"up": federation.Green, "down": federation.Red}[args[1]]
}

func (r *rig) cmdSeen(args []string) {
	for _, e := range r.m.health.Evidence(r.now, args[0]) {
		if e.What == "ingress" {
			r.logf("%s sees the ingress %s: %s", e.Observer, e.Signal, e.Detail)
		}
	}
}

func (r *rig) hubBeat(e SendHubBeat) {
	b := e.Beat
	r.beat = b
	if !e.Early {
		r.looks = e.Looks
	}
	if !r.gateway {
		return
	}
	g := federation.GatewayBeat{Gateway: "g1", Term: b.Term, Sequence: b.Sequence}
	for _, m := range b.Members {
		if m.Withdrawn {
			g.Withdrawn = append(g.Withdrawn, m.Member)
		}
	}
	r.soon(GatewayBeatArrived{g})
}
