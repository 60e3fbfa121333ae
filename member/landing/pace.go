package landing

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"time"
)

// Bounds of how many landings are under way at once.
const (
	fewest = 32
	most   = 128
	// patience is how many times longer than usual a landing may take before fewer are
	// let through: an API server that is busy with what it was just given is not
	// drowning.
	patience = 4
	// window is how many landings the usual time is the mean of.
	window = 600
)

// pacer lets landings through, those of the lowest tier first, and as many at once as
// the API server answers without delay: a loss that brings a thousand workloads must
// not drown it, and what matters most must not queue behind what matters least.
//
// The limit shrinks with the ratio of the time that an object usually takes to the time
// that it takes now, once that is several times as long, and grows by its square root
// where it is not. Source: the Gradient2 limit of Netflix's concurrency-limits, after
// TCP Vegas (Brakmo and Peterson, 1995).
type pacer struct {
	mu       sync.Mutex
	limit    float64
	busy     int
	usual    float64 // ns that one object takes, over a long time
	waiting  queue
	arrivals uint64
}

func newPacer() *pacer { return &pacer{limit: 2 * fewest} }

// enter waits for a turn; leave ends it.
func (p *pacer) enter(ctx context.Context, tier int) error {
	p.mu.Lock()
	if p.busy < int(p.limit) && len(p.waiting) == 0 {
		p.busy++
		p.mu.Unlock()
		return nil
	}
	p.arrivals++
	t := &turn{tier: tier, arrival: p.arrivals, come: make(chan struct{})}
	heap.Push(&p.waiting, t)
	p.mu.Unlock()
	select {
	case <-t.come:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.index < 0 { // it came all the same
		p.busy--
		p.admit()
	} else {
		heap.Remove(&p.waiting, t.index)
	}
	return ctx.Err()
}

// leave ends a turn in which so many objects took so long; none says nothing about the
// API server.
func (p *pacer) leave(objects int, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if objects > 0 && took > 0 {
		p.learn(took / time.Duration(objects))
	}
	p.busy--
	p.admit()
}

func (p *pacer) learn(each time.Duration) {
	now := float64(max(each, time.Microsecond))
	if p.usual == 0 {
		p.usual = now
	}
	p.usual += (now - p.usual) / window
	if p.usual > 2*now {
		p.usual *= 0.95 // it was slow for long, and is no more
	}
	gradient := min(1, max(0.5, patience*p.usual/now))
	aim := p.limit*gradient + math.Sqrt(p.limit)
	if gradient == 1 && p.busy < int(p.limit)/2 {
		aim = p.limit // nobody asks for more
	}
	p.limit = min(most, max(fewest, 0.8*p.limit+0.2*aim))
}

func (p *pacer) admit() {
	for p.busy < int(p.limit) && len(p.waiting) > 0 {
		p.busy++
		close(heap.Pop(&p.waiting).(*turn).come)
	}
}

// turn is one landing that waits.
type turn struct {
	tier    int
	arrival uint64
	come    chan struct{}
	index   int // in the queue; −1 when it is no longer there
}

// queue is a heap of turns.
type queue []*turn

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].tier != q[j].tier {
		return q[i].tier < q[j].tier
	}
	return q[i].arrival < q[j].arrival
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is part of heap.Interface.
func (q *queue) Push(x any) {
	t := x.(*turn)
	t.index = len(*q)
	*q = append(*q, t)
}

// Pop is part of heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	t := (*q)[last]
	t.index = -1
	*q = (*q)[:last]
	return t
}
