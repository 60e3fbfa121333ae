package sim

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// Part is a machine of the product with what its shell does around it. It calls
// World to send, to write and to wait, and is called by World only, one call at a
// time.
type Part interface {
	// Receive takes one message. A request is answered by World.Answer, at once
	// or later, or never.
	Receive(m Message)
	// Deadline says when Tick wants to be called; false: not by itself.
	Deadline() (time.Time, bool)
	// Tick does what is due by now.
	Tick()
	// Check returns the first invariant of the machine that does not hold.
	Check() error
}

// Node is a place in the network.
type Node struct {
	Name string
	// Start makes the part of a new life.
	Start func() Part
	// Serve answers requests that need no part: an API server that lives although
	// the agent beside it does not. It may be nil.
	Serve func(body any) (answer any, ok bool)
	// Stopped is called when a life ends, with its part; it may be nil.
	Stopped func(Part)

	exiled bool // nothing passes to or from it any more
	part   Part // nil while the process is down
	life   int
	paused time.Time // until when the process does not run
	due    time.Time // when the part wants Tick; zero: never
	ticked time.Time // when it was last called so
	again  int       // how often since, with no time between
}

// World is a federation. Its methods are for parts, scripts and tests.
type World struct {
	now      time.Time
	start    time.Time
	rng      *rand.Rand
	nodes    map[string]*Node
	names    []string
	wire     wire
	sent     uint64
	links    map[Link]Fault
	calls    map[uint64]*call
	lastDue  map[Link]time.Time
	out      transcript
	laws     *laws
	members  map[string]*member
	exiles   map[string]*member // those that others have the name of
	hubNames []string
	servers  []string   // of the bus; empty: nodes reach each other without
	kept     []envelope // what links that buffer keep back
	hooks    Hooks
	steps    int
	sparse   int // machines are checked every so many steps only; 0: at each. For very large worlds
}

// epochOfTime is when every world begins.
var epochOfTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// NewWorld returns an empty world whose chances come from seed. Its transcript
// begins with a line that says so.
func NewWorld(seed uint64, hooks Hooks) *World {
	w := &World{
		now: epochOfTime, start: epochOfTime, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		nodes: map[string]*Node{}, links: map[Link]Fault{}, calls: map[uint64]*call{}, members: map[string]*member{}, exiles: map[string]*member{},
		lastDue: map[Link]time.Time{}, hooks: hooks,
	}
	w.laws = newLaws(w)
	w.sayLine(head(seed))
	return w
}

// Add puts a node into the world; its process is down.
func (w *World) Add(n *Node) {
	w.nodes[n.Name] = n
	w.names = slices.Sorted(maps.Keys(w.nodes))
}

// Up starts a life of the node's process, unless one runs.
func (w *World) Up(name string) {
	n := w.nodes[name]
	if n.part != nil {
		return
	}
	n.life++
	n.paused = time.Time{}
	n.part = n.Start()
	n.part.Tick()
	w.refresh(n)
}

// Down ends the life of the node's process, unless none runs.
func (w *World) Down(name string) {
	n := w.nodes[name]
	if n.part == nil {
		return
	}
	last := n.part
	n.part, n.due = nil, time.Time{}
	if n.Stopped != nil {
		n.Stopped(last)
	}
}

// Pause stops the node's process for d: what comes waits, its clock goes on.
func (w *World) Pause(name string, d time.Duration) {
	n := w.nodes[name]
	n.paused = later(n.paused, w.now.Add(d))
	w.refresh(n)
}

// refresh files when the node wants to be called. A part that is due in the past
// is due now.
func (w *World) refresh(n *Node) {
	n.due = time.Time{}
	if n.part == nil {
		return
	}
	if due, ok := n.part.Deadline(); ok {
		n.due = later(later(due, w.now), n.paused)
	}
}

// next is the node that is due first, by name among equals; nil when none is.
func (w *World) next() *Node {
	var first *Node
	for _, name := range w.names {
		n := w.nodes[name]
		if !n.due.IsZero() && (first == nil || n.due.Before(first.due)) {
			first = n
		}
	}
	return first
}

// Step does what is due next: one delivery or one deadline. It returns false when
// nothing is due by limit, and moves the clock no further than that.
func (w *World) Step(limit time.Time) bool {
	n := w.next()
	if len(w.wire) > 0 && (n == nil || !w.wire[0].due.After(n.due)) {
		if w.wire[0].due.After(limit) {
			return false
		}
		e := heap.Pop(&w.wire).(envelope)
		w.now = later(w.now, e.due)
		w.steps++
		w.deliver(e)
		return true
	}
	if n == nil || n.due.After(limit) {
		return false
	}
	w.now = later(w.now, n.due)
	w.steps++
	w.restful(n)
	n.part.Tick()
	w.touched(n)
	return true
}

// mostAgain is how often a part may want Tick at one instant.
const mostAgain = 200

// restful counts how often a part wants Tick without time passing.
func (w *World) restful(n *Node) {
	n.again++
	if !n.ticked.Equal(w.now) {
		n.ticked, n.again = w.now, 0
	}
	if n.again > mostAgain {
		w.laws.failf("rest", "%s wants to be called again and again, and no time passes", n.Name)
	}
}

// touched follows up on a part that did something.
func (w *World) touched(n *Node) {
	w.refresh(n)
	if n.part != nil && (w.sparse == 0 || w.steps%w.sparse == 0) {
		if err := n.part.Check(); err != nil {
			w.laws.fail("invariant", fmt.Errorf("%s: %w", n.Name, err))
		}
	}
	w.laws.after()
}

// Advance runs the world for d, or until a law is broken.
func (w *World) Advance(d time.Duration) error {
	end := w.now.Add(d)
	for w.laws.broken == nil && w.Step(end) {
		if w.steps > mostSteps {
			return fmt.Errorf("more than %d steps: something never comes to rest", mostSteps)
		}
	}
	if w.laws.broken != nil {
		return w.laws.broken
	}
	w.now = end
	return nil
}

// mostSteps is more than any run of the tests needs.
const mostSteps = 5_000_000

// Settle runs the world until nothing of interest was said for quiet, for at most
// limit. That it goes on longer is an error: it does not come to rest.
func (w *World) Settle(quiet, limit time.Duration) error {
	end := w.now.Add(limit)
	for w.now.Before(end) {
		said := w.out.count
		if err := w.Advance(quiet); err != nil {
			return err
		}
		if w.out.count == said {
			return nil
		}
	}
	return fmt.Errorf("not settled after %v", limit)
}

// Check returns the first broken law.
func (w *World) Check() error { return w.laws.broken }

// Elapsed is the virtual time since the world began.
func (w *World) Elapsed() time.Duration { return w.now.Sub(w.start) }

// chance reports true with probability p.
func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// between draws a duration in milliseconds.
func (w *World) between(low, high int) time.Duration {
	return time.Duration(low+w.rng.IntN(high-low+1)) * time.Millisecond
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
