package landing

import (
	"context"
	"sync"
)

// scalers finds the autoscalers of namespaces. Who asks while an answer is under way
// shares the next one with all who do: a thousand works that an agent meets again when it
// starts ask for two lists, and what each learns was read after it asked.
type scalers struct {
	ask   func(ctx context.Context, namespace string) (map[string]string, error)
	spawn func(func())

	mu   sync.Mutex
	next map[string]*scalersAnswer // by namespace, what is not asked yet; nil: nothing waits
}

// scalersAnswer is one list; targets and err may be read when done is closed.
type scalersAnswer struct {
	done    chan struct{}
	targets map[string]string
	err     error
}

func (s *scalers) of(ctx context.Context, namespace string) (map[string]string, error) {
	s.mu.Lock()
	answer, busy := s.next[namespace]
	if answer == nil {
		answer = &scalersAnswer{done: make(chan struct{})}
		s.next[namespace] = answer
	}
	s.mu.Unlock()
	if !busy {
		s.spawn(func() { s.serve(namespace) })
	}
	select {
	case <-answer.done:
		return answer.targets, answer.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve asks until nobody waits.
func (s *scalers) serve(namespace string) {
	for {
		s.mu.Lock()
		answer := s.next[namespace]
		s.next[namespace] = nil
		if answer == nil {
			delete(s.next, namespace)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), recordLimit)
		answer.targets, answer.err = s.ask(ctx, namespace)
		cancel()
		close(answer.done)
	}
}
