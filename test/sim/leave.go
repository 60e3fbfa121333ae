package sim

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
)

// letGo is the hub's order to an agent, parting the agent's word about it.
type (
	letGo   struct{ Order federation.LeaveOrder }
	parting struct{ Report federation.LeaveReport }
)

// tellAgain is how often an agent that is done says so until that is known.
const tellAgain = time.Second

// farewell is what a member's disk has of its departure.
type farewell struct {
	remains federation.Remains // empty: it does not leave
	cleared bool               // the cluster is let go of
	left    bool               // and that is known: nothing of the federation is left on the disk
}

// departed is what runs of an agent that has left: nothing.
type departed struct{ client }

// hearLeave obeys the order to leave: all that the guard does ends, and what has begun is
// brought to its end.
func (a *agent) hearLeave(o federation.LeaveOrder) {
	if o.ClusterID != a.on.spec.ClusterID || a.on.leaving.remains != "" {
		return
	}
	a.w.laws.parts(a.name)
	a.w.say("%s lets go of its cluster: %s", a.name, o.Remains)
	a.on.leaving.remains = o.Remains
	a.on.cluster.dropOrders()
	a.part()
}

// part does the agent's part: first in the cluster, then at the hub.
func (a *agent) part() {
	if a.on.leaving.cleared {
		a.tellLeft()
		return
	}
	a.w.After(a.name, a.w.between(100, 1500), func() {
		if !a.on.cluster.serves() {
			a.part()
			return
		}
		a.on.cluster.letGo(a.on.leaving.remains)
		a.on.leaving.cleared = true
		a.tellLeft()
	})
}

// tellLeft goes on until the hub knows, or knows the member no more.
func (a *agent) tellLeft() {
	r := federation.LeaveReport{Member: a.name, ClusterID: a.on.spec.ClusterID, Done: true}
	a.w.Call(Link{a.name, a.w.leading()}, parting{r}, askTimeout, func(answer any, _ bool) {
		switch no, refused := answer.(decision.Refusal); {
		case refused && (no.Kind == "NotFound" || no.Kind == "Denied" || no.Kind == "Refused"):
		case refused:
			a.w.After(a.name, tellAgain, a.tellLeft)
			return
		default:
			if _, known := answer.(federation.MemberSpec); !known {
				a.w.After(a.name, tellAgain, a.tellLeft)
				return
			}
		}
		a.w.say("%s left the federation", a.name)
		a.on.leaving.left, a.on.state, a.on.works = true, nil, works{}
		a.w.Down(a.name)
		a.w.Up(a.name)
	})
}

// dropOrders forgets what the agent has ordered and was not begun.
func (c *cluster) dropOrders() {
	for _, k := range c.keys() {
		c.orders[k]++
		c.landed[k].busy = time.Time{}
	}
}

// letGo ends what the federation has in the cluster. What stays runs on, as nobody's; what
// must run once goes in any case.
func (c *cluster) letGo(remains federation.Remains) {
	for _, k := range c.keys() {
		if l := c.landed[k]; remains == federation.Retain && l.work.Continuity != federation.AtMostOne {
			c.retained[k] = l.work.Replicas
		}
		delete(c.landed, k)
	}
	c.w.laws.pods()
}

// parts looks at a member whose agent begins to let go of its cluster: the federation does
// not need it any more.
func (l *laws) parts(member string) {
	all := l.w.records(string(decision.SourceAssignments))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		a, ok := all[k].Value.(federation.Assignment)
		if _, has := a.Replicas(member); ok && has && !decision.Deleted(a) {
			l.failf("needed", "%s lets go of its cluster, and %s has its place there", member, k)
		}
	}
}

// knowledge is how long it may take until a hub knows what the store has, and has sent the
// last that it ordered before.
const knowledge = 10 * time.Second

// retains looks at an order to a member that leaves and keeps its objects: what may run in
// several members at once is not taken from it.
func (l *laws) retains(o federation.Work) {
	spec, _ := l.w.records(string(decision.SourceMembers))[o.Member].Value.(federation.MemberSpec)
	if !o.Removed || spec.Leaving.Remains != federation.Retain || o.Continuity == federation.AtMostOne || l.deleted[o.Workload] {
		return
	}
	if since := l.leaving[o.Member]; l.w.now.After(since.Add(knowledge)) {
		l.failf("retain", "%s is told to remove %s, and leaves since t=%.2fs with what it runs", o.Member, o.Workload, since.Sub(l.w.start).Seconds())
	}
}

// membership notes since when a member leaves.
func (l *laws) membership(old, now entry) {
	was, _ := old.Value.(federation.MemberSpec)
	is, _ := now.Value.(federation.MemberSpec)
	if !was.Leaving.Leaves() && is.Leaving.Leaves() {
		l.leaving[now.Key] = l.w.now
	}
	if old.Value != nil && now.Value != nil && was.Leaving.Leaves() != is.Leaving.Leaves() {
		l.w.say("%s leaves: %v", now.Key, is.Leaving.Leaves())
	}
}

// exile takes a member's node, with all that it does, off the bus for ever and out of the
// members, so that another cluster can have its name. It lives on beside that.
func (w *World) exile(name string) {
	on, n := w.members[name], w.nodes[name]
	gone := fmt.Sprintf("%s(%d)", name, on.remade)
	n.Name, n.exiled, on.lives = gone, true, n.life
	if a, ok := n.part.(*agent); ok {
		a.name = gone
	}
	on.cluster.member = gone
	for i := range w.wire {
		if e := &w.wire[i]; e.fire != nil && e.link.To == name {
			e.link.To = gone
		}
	}
	for _, c := range w.calls {
		if c.from == name {
			c.from = gone
		}
	}
	delete(w.nodes, name)
	w.Add(n)
	w.exiles[gone] = on
}

// another makes the next member of a name after old.
func another(old *member) *member {
	return &member{nodes: old.nodes, remade: old.remade + 1, lives: old.lives, noPort: old.noPort, spec: federation.MemberSpec{Place: old.spec.Place}}
}
