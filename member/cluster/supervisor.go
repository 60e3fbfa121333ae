package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// supervisor runs the parts of a cluster. It is not safe for concurrent use.
//
// Laws: parts stop in the opposite order of their start; a part that ends
// before it was told to is a failure, with or without an error.
type supervisor struct {
	log   *slog.Logger
	parts []part
	fail  context.CancelCauseFunc
}

type part struct {
	name string
	stop context.CancelFunc
	done chan struct{}
}

// newSupervisor returns a supervisor that tells fail about the first failure.
func newSupervisor(log *slog.Logger, fail context.CancelCauseFunc) *supervisor {
	return &supervisor{log: log, fail: fail}
}

// start runs a part in a goroutine of its own. Its context inherits the values
// of ctx but not its end: only stop ends it.
func (s *supervisor) start(ctx context.Context, name string, run func(context.Context) error) {
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

// stop stops the parts, the last first, and waits for each. When limit has
// passed it waits no longer, and says which part was slow.
func (s *supervisor) stop(limit time.Duration) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	expired := false
	for _, p := range slices.Backward(s.parts) {
		began := time.Now()
		p.stop()
		if !expired {
			expired = s.await(p, deadline.C)
		}
		s.log.Debug("part stopped", "part", p.name, "took", time.Since(began).Round(time.Millisecond), "waited", !expired)
	}
	s.parts = nil
}

func (s *supervisor) await(p part, deadline <-chan time.Time) (expired bool) {
	select {
	case <-p.done:
		return false
	case <-deadline:
		s.log.Warn("part did not stop in time", "part", p.name)
		return true
	}
}
