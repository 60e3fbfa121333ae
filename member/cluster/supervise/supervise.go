package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Parts are the running parts of a process. Their methods are for one goroutine.
//
// Laws: parts stop in the opposite order of their start; a part that ends
// before it was told to is a failure, with or without an error.
type Parts struct {
	log   *slog.Logger
	parts []part
	fail  context.CancelCauseFunc
}

type part struct {
	name string
	stop context.CancelFunc
	done chan struct{}
}

// New returns no parts yet. The first failure of a part goes to fail; later
// calls of fail change nothing, as they follow from the first.
func New(log *slog.Logger, fail context.CancelCauseFunc) *Parts {
	return &Parts{log: log, fail: fail}
}

// Start runs a part in a goroutine of its own. Its context inherits the values
// of ctx but not its end: only Stop ends it.
func (s *Parts) Start(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := part{name: name, stop: cancel, done: make(chan struct{})}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.done)
		err := run(ctx)
		if ctx.Err() == nil {
			s.fail(failure(name, err))
		}
	}()
}

func failure(name string, err error) error {
	if err == nil {
		return fmt.Errorf("%s ended unexpectedly", name)
	}
	return fmt.Errorf("run %s: %w", name, err)
}

// Stop stops the parts, the last first, and waits for each. When limit has
// passed in all, it waits no longer, and names each part that was slow.
func (s *Parts) Stop(limit time.Duration) {
	deadline, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, p := range slices.Backward(s.parts) {
		began := time.Now()
		p.stop()
		if !p.await(deadline) {
			s.log.Warn("part did not stop in time", "part", p.name)
			continue
		}
		s.log.Debug("part stopped", "part", p.name, "took", time.Since(began).Round(time.Millisecond))
	}
	s.parts = nil
}

// await reports whether the part has stopped before deadline ended. A part that
// has stopped already counts, however late it is.
func (p part) await(deadline context.Context) bool {
	select {
	case <-p.done:
		return true
	default:
	}
	select {
	case <-p.done:
		return true
	case <-deadline.Done():
		return false
	}
}
