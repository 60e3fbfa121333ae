package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/route"
)

// gateway is one life of a gateway: it follows the records and the hub's beats,
// and answers from a route.Table.
type gateway struct {
	w      *World
	name   string
	build  *route.Builder
	table  *route.Table
	agreed map[string]bool // members that are withdrawn because the hubs agree
	beatAt time.Time
	said   string
}

func newGateway(w *World, name string) *gateway {
	g := &gateway{w: w, name: name, build: route.NewBuilder(), agreed: map[string]bool{}, beatAt: w.now}
	g.table = g.build.Table()
	w.After(name, 0, func() {
		for _, bucket := range []string{"members", "health", exports} {
			g.follow(bucket)
		}
	})
	return g
}

func (g *gateway) follow(bucket string) {
	g.w.Call(Link{g.name, storeName}, follow{Bucket: bucket}, writeTimeout, func(answer any, ok bool) {
		all, read := answer.([]entry)
		if !ok || !read {
			g.follow(bucket)
			return
		}
		for _, e := range all {
			g.record(bucket, e)
		}
		g.swap()
	})
}

func (g *gateway) record(bucket string, e entry) {
	switch v := e.Value.(type) {
	case federation.MemberSpec:
		g.build.SetMember(v, e.Revision)
	case federation.HealthRecord:
		g.build.SetHealth(v)
	case federation.Export:
		if v.Removed {
			g.build.RemoveExport(v.Member, v.Service)
		} else {
			g.build.SetExport(v, g.w.now)
		}
	case nil:
		if bucket == "members" {
			g.build.RemoveMember(e.Key)
		}
	}
}

func (g *gateway) swap() {
	g.table = g.build.Table()
	for name, m := range g.table.Members {
		if m.Agreed && !g.agreed[name] {
			g.w.laws.agreed(g.name, name)
		}
		g.agreed[name] = m.Agreed
	}
	if text := strings.Join(g.table.Withdrawn, ", "); text != g.said {
		g.said = text
		if text == "" {
			text = "nobody"
		}
		g.w.say("%s: withdrawn: %s", g.name, text)
	}
}

func (g *gateway) Receive(m Message) {
	switch b := m.Body.(type) {
	case change:
		g.record(b.Bucket, b.Entry)
		g.swap()
	case federation.Opinion:
		if g.build.SetOpinion(g.w.hooks.opinion(b), g.w.now) {
			g.swap()
			g.beat()
		}
	case federation.HubBeat:
		g.w.laws.gatewayHeard(g.name, b)
		b = g.w.hooks.gatewayBeat(b)
		changed := g.build.SetBeat(b, g.w.now)
		g.swap()
		if changed {
			g.beat()
		}
	}
}

func (g *gateway) Deadline() (time.Time, bool) { return g.beatAt, true }

func (g *gateway) Tick() {
	if !g.beatAt.After(g.w.now) {
		g.beat()
	}
}

func (g *gateway) beat() {
	g.beatAt = g.w.now.Add(beatEvery)
	b := federation.GatewayBeat{Gateway: g.name, Term: g.table.Term, Sequence: g.table.Sequence, Withdrawn: slices.Clone(g.table.Withdrawn)}
	for _, hub := range g.w.hubs() {
		g.w.Beat(g.name, hub, b)
	}
}

func (g *gateway) Check() error { return nil }

// answers lists the members whose endpoints the gateway answers with, sorted.
func (g *gateway) answers() []string {
	var out []string
	for _, e := range g.endpoints() {
		out = append(out, e.Member)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// endpoints are all that the gateway answers with, of every service.
func (g *gateway) endpoints() []route.Endpoint {
	var out []route.Endpoint
	for _, service := range g.table.Services() {
		for _, tier := range g.table.Rank(route.Query{Service: service, Now: g.w.now}).Tiers {
			out = append(out, tier.Endpoints...)
		}
	}
	return out
}
