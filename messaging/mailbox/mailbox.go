// Package mailbox is an unbounded queue between many senders and the one
// goroutine that owns a machine. It never blocks a sender, so the owner and what
// the owner waits for cannot wait for each other; input that nobody waits for
// is put with a limit. Pending brings the owner's answers back to who asked.
package mailbox

import "sync"

// Box is a queue. Make one with New. All methods are safe for concurrent use, but
// only one goroutine may receive from Ready and call Take.
type Box[T any] struct {
	mu    sync.Mutex
	items []T
	ready chan struct{} // holds one token while items is not empty
}

// New returns an empty box.
func New[T any]() *Box[T] { return &Box[T]{ready: make(chan struct{}, 1)} }

// Put appends v.
func (b *Box[T]) Put(v T) { b.PutBelow(v, 0) }

// PutBelow appends v unless limit or more items wait, and reports whether it
// did; a limit of 0 means none.
func (b *Box[T]) PutBelow(v T, limit int) bool {
	b.mu.Lock()
	if limit > 0 && len(b.items) >= limit {
		b.mu.Unlock()
		return false
	}
	b.items = append(b.items, v)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
	return true
}

// Ready holds a token while something waits.
func (b *Box[T]) Ready() <-chan struct{} { return b.ready }

// Len is how many items wait.
func (b *Box[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

// Take returns all items, oldest first; call it after Ready was received.
func (b *Box[T]) Take() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = nil
	return items
}
