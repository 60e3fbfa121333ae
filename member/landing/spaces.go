package landing

import (
	"sync"
	"time"
)

// spaceFresh is how long a namespace that was just made, or found to be others', is
// taken to be so without asking; the cache knows of it much earlier.
const spaceFresh = time.Second

// spaces are the namespaces that works need, so that they are made once each.
type spaces struct {
	mu    sync.Mutex
	turns map[string]chan struct{}
	items map[string]spaceItem
}

type spaceItem struct {
	Item
	at time.Time
}

// turn is held by who makes the namespace.
func (s *spaces) turn(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns, s.items = map[string]chan struct{}{}, map[string]spaceItem{}
	}
	if s.turns[name] == nil {
		s.turns[name] = make(chan struct{}, 1)
	}
	return s.turns[name]
}

func (s *spaces) made(name string, item Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[name] = spaceItem{item, time.Now()}
}

func (s *spaces) recent(name string) (Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, there := s.items[name]
	return known.Item, there && time.Since(known.at) < spaceFresh
}
