package hub

import "sync"

// mailbox is an unbounded queue with one reader. It never blocks a sender, so
// that the loop and what the loop waits for cannot wait for each other; beats,
// the only input that nobody waits for, are refused above beatLimit.
type mailbox[T any] struct {
	mu    sync.Mutex
	items []T
	ready chan struct{} // holds one token while items is not empty
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

// put appends v.
func (m *mailbox[T]) put(v T) { m.putBelow(v, 0) }

// putBelow appends v unless limit or more items wait, and reports whether it
// did; a limit of 0 means none.
func (m *mailbox[T]) putBelow(v T, limit int) bool {
	m.mu.Lock()
	if limit > 0 && len(m.items) >= limit {
		m.mu.Unlock()
		return false
	}
	m.items = append(m.items, v)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
	return true
}

// take returns all items, oldest first; call it after ready was received.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = nil
	return items
}
