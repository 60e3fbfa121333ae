package member

import (
	"sync"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
)

// input is what waits for the goroutine that owns the guard.
type input struct {
	events []guard.Event
	orders map[guard.Kept][]byte   // the records of works among the events, as they came
	drift  map[federation.Key]bool // look whether the cluster drifted from them
	done   []chan<- struct{}       // closed once all of it is taken in
}

// inbox gathers input. It never blocks, and does not grow while the guard cannot take
// in, as when its disk hangs: of the hub's beats the last one counts, a workload drifts
// once, one batch of orders comes at a time, and everything else answers something that
// the guard has asked for.
type inbox struct {
	ready chan struct{} // a token while something waits

	mu      sync.Mutex
	waiting input
	beat    int // where the hub's beat is among the events; −1: none waits
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1), beat: -1} }

// tell hands over an event.
func (b *inbox) tell(ev guard.Event) {
	b.mu.Lock()
	_, beat := ev.(guard.HubBeatHeard)
	switch {
	case beat && b.beat >= 0:
		b.waiting.events[b.beat] = ev
	case beat:
		b.beat = len(b.waiting.events)
		fallthrough
	default:
		b.waiting.events = append(b.waiting.events, ev)
	}
	b.mu.Unlock()
	mark(b.ready)
}

// order hands over events that came as records, and what they were; done is closed once
// they are durable.
func (b *inbox) order(events []guard.Event, orders map[guard.Kept][]byte, done chan<- struct{}) {
	b.mu.Lock()
	b.waiting.events = append(b.waiting.events, events...)
	b.waiting.done = append(b.waiting.done, done)
	if b.waiting.orders == nil {
		b.waiting.orders = map[guard.Kept][]byte{}
	}
	for k, v := range orders {
		b.waiting.orders[k] = v
	}
	b.mu.Unlock()
	mark(b.ready)
}

// drifted asks for a look at some workloads.
func (b *inbox) drifted(keys ...federation.Key) {
	b.mu.Lock()
	if b.waiting.drift == nil {
		b.waiting.drift = map[federation.Key]bool{}
	}
	for _, k := range keys {
		b.waiting.drift[k] = true
	}
	b.mu.Unlock()
	mark(b.ready)
}

// take returns all that waits.
func (b *inbox) take() input {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.waiting
	b.waiting, b.beat = input{}, -1
	return in
}
