package membership

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

func (r *rig) member(t *testing.T, words []string, args map[string]string) {
	a := &actor{name: words[0], beating: true, api: "up", inc: 1}
	a.spec = federation.MemberSpec{Name: a.name, Place: federation.Place{Region: args["region"], Zone: args["zone"]}, ClusterID: args["cluster"], ProbeURL: "https://127.0.0.1:7501"}
	if slices.Contains(words, "noprobe") {
		a.spec.ProbeURL = ""
	}
	if slices.Contains(words, "port") {
		a.spec.AgentAt, a.agent = "127.0.0.1:7601", "up"
	}
	a.next = r.now.Add(time.Duration(hash(a.name)%250) * time.Millisecond)
	r.actors[a.name] = a
	r.names = append(r.names, a.name)
	slices.Sort(r.names)
	r.names = slices.Compact(r.names)
	r.feed(t, MemberAdded{Spec: a.spec})
}

func (r *rig) set(t *testing.T, words []string, args map[string]string) {
	var actors []*actor
	for _, w := range words {
		if a, ok := r.actors[w]; ok {
			actors = append(actors, a)
		}
	}
	if len(actors) == 0 {
		t.Fatalf("no member in %v", words)
	}
	for _, a := range actors {
		for _, w := range words {
			switch w {
			case "beat", "silent":
				a.beating = w == "beat"
			case "deaf", "hears":
				a.deaf = w == "deaf"
			case "again":
				a.inc, a.sequence, a.beating = a.inc+1, 0, true
			}
		}
		if v, ok := args["api"]; ok {
			a.api = v
		}
		if v, ok := args["agent"]; ok {
			a.agent = v
		}
		if v, ok := args["ingress"]; ok {
			a.ingress = map[string]federation.Signal{"up": federation.Green, "down": federation.Red, "none": federation.Absent}[v]
		}
		if v, ok := args["closed"]; ok {
			a.closed = strings.Split(v, ",")
		}
	}
}

func (r *rig) handBeat(t *testing.T, words []string, args map[string]string) {
	number := func(k string) uint64 {
		n, _ := strconv.ParseUint(args[k], 10, 64)
		return n
	}
	b := federation.Beat{Member: words[0], Incarnation: federation.Incarnation(number("inc")), Sequence: number("seq"), HubSequence: number("hubseq")}
	b.Layers.API = federation.Green
	if v, ok := args["hubage"]; ok {
		b.HubAge = duration(t, v)
	}
	b.Goodbye = slices.Contains(words, "goodbye")
	r.deliver(t, b)
}

func (r *rig) restart(t *testing.T) {
	records := r.m.Snapshot()
	r.m = New(r.opts)
	for _, n := range r.names {
		r.feed(t, MemberAdded{Spec: r.actors[n].spec})
	}
	for _, rec := range records {
		r.feed(t, Restored{Record: rec})
	}
}

// answer lets a vantage look at what can be seen of the member.
func (r *rig) answer(e AskProbe, vantage string) {
	a := r.actors[e.Member]
	if v, ok := r.actors[vantage]; ok && !v.beating {
		return
	}
	reply := federation.ProbeReply{Member: e.Member}
	if e.IngressAt != "" {
		reply.Ingress, reply.IngressDetail = a.seen(vantage)
	}
	after := 10 * time.Millisecond
	look := func(how, green string) (federation.Signal, string) {
		switch {
		case how == "refused":
			return federation.Red, "connection refused"
		case how == "down", how == "split" && vantage == "hub":
			after = e.Timeout
			return federation.Red, "no answer in 400 ms"
		}
		return federation.Green, green
	}
	if a.spec.ProbeURL != "" {
		reply.Signal, reply.Detail = look(a.api, "HTTP 200")
	}
	if a.spec.AgentAt != "" {
		reply.Agent, reply.AgentDetail = look(a.agent, "it last heard a hub 3 s ago")
	}
	r.pending = append(r.pending, probeAnswer{at: r.now.Add(after), ev: ProbeResult{Vantage: vantage, Reply: reply}})
}

// looks says who looks at whom.
func (r *rig) looks() {
	looks := r.m.Looks()
	for _, n := range r.names {
		if len(looks[n]) > 0 {
			r.lines = append(r.lines, fmt.Sprintf("%s looks at %v", n, looks[n]))
		}
	}
}

func (r *rig) show(words []string) {
	if len(words) == 0 {
		for _, rec := range r.m.Snapshot() {
			v, _ := r.m.View(r.now, rec.Member)
			r.lines = append(r.lines, fmt.Sprintf("%s: %v [%s] real=%v withdrawn=%v reversals=%d", rec.Member, rec.Health, rec.Verdict, v.Real, v.Withdrawn, v.Reversals))
		}
		return
	}
	for _, e := range r.m.Evidence(r.now, words[0]) {
		r.lines = append(r.lines, fmt.Sprintf("%s %s: %v, %.2f s ago: %s", e.Observer, e.What, e.Signal, e.Age.Seconds(), e.Detail))
	}
}
