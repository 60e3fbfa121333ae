package hub

import (
	"context"
	"time"
)

// driver runs a machine in the goroutine that owns it.
type driver struct {
	ready   <-chan struct{}          // something has come
	take    func()                   // feeds all of it
	tick    func()                   // the deadline has come
	stalled func(time.Duration)      // the goroutine itself did not run for so long
	due     func() (time.Time, bool) // the machine's deadline
}

// run goes on until ctx ends.
func (d driver) run(ctx context.Context) error {
	deadline := time.NewTimer(time.Hour)
	defer deadline.Stop()
	ticker := time.NewTicker(stallTick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.ready:
			d.take()
		case <-deadline.C:
			d.tick()
		case <-ticker.C:
			now := time.Now()
			if gap := now.Sub(last) - stallTick; gap > stallLimit {
				d.stalled(gap)
			}
			last = now
		}
		if at, ok := d.due(); ok {
			deadline.Reset(max(0, time.Until(at)))
		}
	}
}
