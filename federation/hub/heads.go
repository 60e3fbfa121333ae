package hub

import (
	"maps"
	"sync"

	"github.com/hansa-io/hansa/federation"
)

// heads knows the last revision of each bucket that this term has seen or written.
// Gateways are told, so that one that reads less knows it.
type heads struct {
	mu sync.Mutex
	of map[string]federation.Revision
}

func newHeads() *heads { return &heads{of: map[string]federation.Revision{}} }

func (h *heads) note(bucket string, revision federation.Revision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[bucket] = max(h.of[bucket], revision)
}

func (h *heads) all() map[string]federation.Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.of)
}
