package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// cluster is a member's Kubernetes: what was landed, and how many pods of it are
// ready. It lives on when the agent does not.
type cluster struct {
	w             *World
	member        string
	up            bool
	deaf          bool // its API server does not answer; its nodes go on
	ingress, shut bool // it has one, which does not answer
	lives         int
	sick          map[federation.Key]int64 // replicas that do not get ready
	landed        map[federation.Key]*landed
	// retained runs on after the member has left: replicas, which are nobody's.
	retained map[federation.Key]int64
	orders   map[federation.Key]uint64 // how many came, by workload
	// changed is called for each workload whose pods changed.
	changed func(federation.Key)
}

// landed is what the cluster holds of one workload.
type landed struct {
	work  federation.Work
	runs  bool // pods are started
	ready int64
	busy  time.Time // until when operations on it are under way
	last  uint64    // number of the last operation
}

func newCluster(w *World, member string) *cluster {
	return &cluster{w: w, member: member, landed: map[federation.Key]*landed{}, retained: map[federation.Key]int64{}, orders: map[federation.Key]uint64{}, sick: map[federation.Key]int64{}, changed: func(federation.Key) {}}
}

func (c *cluster) keys() []federation.Key {
	return slices.SortedFunc(maps.Keys(c.landed), federation.Key.Compare)
}

// serves reports whether its API server answers.
func (c *cluster) serves() bool { return c.up && !c.deaf }

// serve brings the API server back, and the ingress.
func (c *cluster) serve() { c.deaf, c.shut = false, false }

// start brings the cluster up with what it held. Pods of at-most-one workloads
// are not let in before they are landed anew.
func (c *cluster) start() {
	if c.up {
		return
	}
	c.up, c.deaf = true, false
	c.lives++
	for _, k := range c.keys() {
		l := c.landed[k]
		l.busy = time.Time{}
		if l.work.Continuity != federation.AtMostOne {
			c.run(k, l)
		}
	}
}

// stop is the end of the process tree: every pod is gone.
func (c *cluster) stop() {
	c.up = false
	c.lives++
	for _, k := range c.keys() {
		c.landed[k].runs, c.landed[k].ready = false, 0
	}
	c.w.laws.pods()
}

// againAfter is the wait between attempts while the API server is away.
const againAfter = 500 * time.Millisecond

// do carries out one operation on a workload unless a newer one supersedes it
// meanwhile. While the cluster is down the agent tries again.
func (c *cluster) do(k federation.Key, takes time.Duration, what func()) {
	l := c.landed[k]
	at := c.w.now
	if l != nil {
		at = later(at, l.busy)
	}
	at = at.Add(takes)
	if l != nil {
		l.busy = at
	}
	c.orders[k]++
	order := c.orders[k]
	var try func()
	try = func() {
		switch {
		case c.orders[k] != order: // superseded
		case c.serves():
			what()
		default:
			c.w.After(c.member, againAfter, try)
		}
	}
	c.w.After(c.member, at.Sub(c.w.now), try)
}

// stands reports whether a work is there already, so that landing it writes nothing.
func (c *cluster) stands(work federation.Work) bool {
	l := c.landed[work.Workload]
	return l != nil && l.runs && work.Continuity != federation.AtMostOne &&
		l.work.Epoch == work.Epoch && l.work.WorkloadRevision == work.WorkloadRevision && l.work.Replicas == work.Replicas
}

// land applies a work.
func (c *cluster) land(work federation.Work, done func()) {
	k := work.Workload
	if c.landed[k] == nil {
		c.landed[k] = &landed{}
	}
	if work.Continuity == federation.AtMostOne {
		c.w.laws.ordered(c.member, k)
	}
	c.do(k, c.w.between(10, 60), func() {
		l := c.landed[k]
		if l == nil {
			l = &landed{}
			c.landed[k] = l
		}
		if c.stands(work) {
			done()
			return
		}
		c.w.laws.executed(c.member, k, work.Epoch, "landed")
		l.work = work
		c.run(k, l)
		done()
	})
}

// run starts what a workload should have running.
func (c *cluster) run(k federation.Key, l *landed) {
	if !l.runs || l.ready < l.work.Replicas {
		l.runs = true
		c.ripen(k, l)
	}
	l.ready = min(l.ready, l.work.Replicas)
	c.w.laws.pods()
	c.changed(k)
}

// ripen makes the pods ready after a while.
func (c *cluster) ripen(k federation.Key, l *landed) {
	l.last++
	op := l.last
	lives := c.lives
	c.w.Later(c.w.between(200, 900), func() {
		if c.lives == lives && c.landed[k] == l && l.runs && l.last == op {
			l.ready = max(0, l.work.Replicas-c.sick[k])
			c.changed(k)
		}
	})
}

// feel lets the pods of a workload follow how many of them are sick.
func (c *cluster) feel(k federation.Key) {
	if l := c.landed[k]; l != nil && l.runs && c.up {
		l.ready = min(l.ready, max(0, l.work.Replicas-c.sick[k]))
		c.changed(k)
		c.ripen(k, l)
	}
}

// cure ends every sickness.
func (c *cluster) cure() {
	for _, k := range slices.SortedFunc(maps.Keys(c.sick), federation.Key.Compare) {
		delete(c.sick, k)
		c.feel(k)
	}
}

// remove deletes a workload. The pods of one that may run once end by themselves too.
func (c *cluster) remove(k federation.Key, epoch federation.Epoch, done func()) {
	takes := c.w.between(50, 400)
	if l := c.landed[k]; l != nil && l.work.Continuity == federation.AtMostOne {
		c.quit(k, takes)
	}
	c.do(k, takes, func() {
		if l := c.landed[k]; l != nil && l.work.Epoch <= epoch {
			c.w.laws.executed(c.member, k, epoch, "removed")
			delete(c.landed, k)
			c.w.laws.pods()
		}
		c.changed(k)
		done()
	})
}

// vanish: somebody deletes what was landed.
func (c *cluster) vanish(k federation.Key) {
	if l := c.landed[k]; l != nil && l.work.Continuity != federation.AtMostOne {
		delete(c.landed, k)
		c.changed(k)
	}
}

// quit: each pod watches its lease by itself ("hansa guard"), so it stops although the
// API server is dead; only the proof waits for that.
func (c *cluster) quit(k federation.Key, takes time.Duration) {
	lives, work := c.lives, c.landed[k].work
	c.w.Later(takes, func() {
		if l := c.landed[k]; l != nil && c.lives == lives && c.deaf && l.work.Epoch == work.Epoch {
			c.ended(k, l)
		}
	})
}

// expire: each pod of a workload stops by itself when its lease ends, unless an agent has
// told it of a later one by then.
func (c *cluster) expire(k federation.Key, until time.Time) {
	lives := c.lives
	c.w.Later(until.Sub(c.w.now), func() {
		l := c.landed[k]
		if l == nil || !l.runs || c.lives != lives {
			return
		}
		if a, there := c.w.nodes[c.member].part.(*agent); there && a.on.cluster == c {
			if later, held := a.guard.Leases(a.clock())[k]; held && a.worldTime(later).After(c.w.now) {
				c.expire(k, a.worldTime(later))
				return
			}
		}
		c.ended(k, l)
	})
}

// halt stops the pods of a workload and keeps its objects.
func (c *cluster) halt(k federation.Key, done func()) {
	takes := c.w.between(50, 400)
	if c.landed[k] != nil {
		c.quit(k, takes)
	}
	c.do(k, takes, func() {
		if l := c.landed[k]; l != nil {
			c.ended(k, l)
		}
		c.changed(k)
		done()
	})
}

// ended: no pod of the workload runs any more.
func (c *cluster) ended(k federation.Key, l *landed) {
	l.runs, l.ready = false, 0
	l.last++
	c.w.laws.pods()
}
