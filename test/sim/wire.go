package sim

import (
	"container/heap"
	"time"
)

// Message is what one node says to another.
type Message struct {
	From, To string
	Body     any
	// Call is the number of the request that Body is, or 0. World.Answer needs it.
	Call uint64
}

// Link is one direction between two nodes.
type Link struct{ From, To string }

// Fault is what is wrong with a link. The zero value is nothing.
type Fault struct {
	Cut       bool
	Buffer    bool          // what is sent is kept until the link is well again
	Delay     time.Duration // added to each message
	Loss      float64       // share of messages that vanish
	Duplicate float64       // share of messages that come again, up to 5 s later
}

// envelope is something under way: a message, an answer, or a timer of a node.
type envelope struct {
	due    time.Time
	seq    uint64
	link   Link
	body   any
	call   uint64
	answer bool
	under  string // account of the member that sent it
	fire   func() // of a timer of link.To in that life; of nobody's when To is empty
	life   int
}

// wire is a heap of envelopes by (due, seq).
type wire []envelope

func (q wire) Len() int { return len(q) }

func (q wire) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].seq < q[j].seq
}

func (q wire) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *wire) Push(x any)   { *q = append(*q, x.(envelope)) }

func (q *wire) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = envelope{}
	*q = (*q)[:last]
	return e
}

func (w *World) push(e envelope) {
	w.sent++
	e.seq = w.sent
	heap.Push(&w.wire, e)
}

// Send puts a message on the wire. Nobody learns whether it arrives.
func (w *World) Send(from, to string, body any) {
	w.transmit(envelope{link: Link{from, to}, body: body})
}

// Beat sends a beat: through every server of the bus, of which the first copy that
// arrives counts, or straight when there is none.
func (w *World) Beat(from, to string, body any) {
	for _, server := range w.servers {
		w.Send(from, server, routed{From: from, To: to, Body: body})
	}
	if len(w.servers) == 0 {
		w.Send(from, to, body)
	}
}

// routed is what a server of the bus passes on.
type routed struct {
	From, To string
	Body     any
}

// server passes on what it gets.
type server struct{ w *World }

func (s server) Receive(m Message) {
	if r, ok := m.Body.(routed); ok {
		s.w.Send(m.To, r.To, r)
	}
}

func (server) Deadline() (time.Time, bool) { return time.Time{}, false }
func (server) Tick()                       {}
func (server) Check() error                { return nil }

// transmit applies what is wrong with the link. A link keeps the order of what is
// sent over it, as a connection does; only copies come late.
func (w *World) transmit(e envelope) {
	if on := w.members[e.link.From]; on != nil && e.under == "" {
		e.under = on.spec.Account
	}
	f := w.links[e.link]
	if f.Cut || w.exiled(e.link) || w.chance(f.Loss) {
		return
	}
	if f.Buffer {
		w.kept = append(w.kept, e)
		return
	}
	e.due = later(w.now.Add(w.between(2, 12)+f.Delay), w.lastDue[e.link])
	w.lastDue[e.link] = e.due
	w.push(e)
	if e.call == 0 && w.chance(f.Duplicate) {
		e.due = e.due.Add(w.between(0, 5000))
		w.push(e)
	}
}

// exiled: one end of the link is off the bus for ever.
func (w *World) exiled(l Link) bool {
	from, to := w.nodes[l.From], w.nodes[l.To]
	return from != nil && from.exiled || to != nil && to.exiled
}

// After calls fire at the node after d, unless its life has ended by then.
func (w *World) After(node string, d time.Duration, fire func()) {
	w.push(envelope{due: w.now.Add(d), link: Link{To: node}, fire: fire, life: w.nodes[node].life})
}

// Later calls fire after d, whoever lives.
func (w *World) Later(d time.Duration, fire func()) { w.push(envelope{due: w.now.Add(d), fire: fire}) }

// call is a request that waits for its answer.
type call struct {
	from string
	life int
	done func(answer any, ok bool)
}

// Call sends a request and calls done once: with the answer, or with ok false
// after timeout. A process that is down refuses at once when it can be reached.
func (w *World) Call(along Link, body any, timeout time.Duration, done func(answer any, ok bool)) {
	w.sent++
	id := w.sent
	w.calls[id] = &call{from: along.From, life: w.nodes[along.From].life, done: done}
	w.transmit(envelope{link: along, body: body, call: id})
	w.After(along.From, timeout, func() { w.finish(id, nil, false) })
}

// Answer answers a request.
func (w *World) Answer(m Message, answer any) {
	w.transmit(envelope{link: Link{m.To, m.From}, body: answer, call: m.Call, answer: true})
}

func (w *World) finish(id uint64, answer any, ok bool) {
	c, waits := w.calls[id]
	if !waits {
		return
	}
	delete(w.calls, id)
	if w.nodes[c.from].life == c.life {
		c.done(answer, ok)
	}
}

// refused is the answer of a host on which nothing listens.
type refused struct{}

// deliver hands over what is due. What a paused process should get waits.
func (w *World) deliver(e envelope) {
	n := w.nodes[e.link.To]
	if n == nil {
		if e.fire != nil {
			e.fire()
			w.laws.after()
		}
		return
	}
	if n.part != nil && n.paused.After(w.now) {
		e.due = n.paused
		heap.Push(&w.wire, e)
		return
	}
	switch {
	case e.fire != nil:
		if n.life != e.life || n.part == nil {
			return
		}
		e.fire()
	case w.links[e.link].Cut || w.revoked(e):
		return
	case e.answer:
		if n.part == nil {
			return
		}
		w.finish(e.call, e.body, true)
	case w.serve(n, e):
	case n.part != nil:
		n.part.Receive(arrived(n, e))
	case e.call != 0:
		w.transmit(envelope{link: Link{e.link.To, e.link.From}, body: refused{}, call: e.call, answer: true})
		return
	default:
		return
	}
	w.touched(n)
}

// revoked: the sender has left since, and its account has ended.
func (w *World) revoked(e envelope) bool {
	on := w.members[e.link.From]
	return on != nil && e.under != "" && e.under != on.spec.Account
}

// serve answers what the node answers without its part.
func (w *World) serve(n *Node, e envelope) bool {
	if n.Serve == nil || e.call == 0 {
		return false
	}
	answer, ok := n.Serve(e.body)
	if ok {
		w.transmit(envelope{link: Link{e.link.To, e.link.From}, body: answer, call: e.call, answer: true})
	}
	return ok
}

// arrived is the message as its receiver sees it: what came through a server of the
// bus is from who sent it first.
func arrived(n *Node, e envelope) Message {
	if r, ok := e.body.(routed); ok && r.To == n.Name {
		return Message{From: r.From, To: r.To, Body: r.Body}
	}
	return Message{From: e.link.From, To: e.link.To, Body: e.body, Call: e.call}
}
