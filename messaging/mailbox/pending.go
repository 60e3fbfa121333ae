package mailbox

import "sync"

// Pending are the requests that were put to the owner of a machine and wait for its
// answers. The zero value has none. All methods are safe for concurrent use.
type Pending[A any] struct {
	mu   sync.Mutex
	last uint64
	by   map[uint64]chan A
}

// Open returns the number of a new request, from 1, and where its answer will come. Close
// it in any case.
func (p *Pending[A]) Open() (uint64, <-chan A) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[uint64]chan A{}
	}
	p.last++
	answer := make(chan A, 1)
	p.by[p.last] = answer
	return p.last, answer
}

// Close lets the request go: an answer that is still to come reaches nobody.
func (p *Pending[A]) Close(request uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.by, request)
}

// Answer hands over the answer to a request, once, if it is still open. It never blocks.
func (p *Pending[A]) Answer(request uint64, a A) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer := p.by[request]; answer != nil {
		answer <- a
		delete(p.by, request)
	}
}
