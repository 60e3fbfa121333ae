package hub

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// Inspector looks at the bus.
type Inspector interface {
	// Inspect reports how the bus is; members are the accounts of members, by name.
	Inspect(ctx context.Context, members map[string]string) (federation.BusReport, error)
	// MeasureStreams keeps the metrics of the streams until ctx ends.
	MeasureStreams(ctx context.Context) error
}

// inspectEvery bounds how often the bus is looked at: every server works for it.
const inspectEvery = time.Second

// inspections are those of one term. Who asks while one is under way, or just after,
// gets the same, unless a member has joined or left since.
type inspections struct {
	mu   sync.Mutex
	last federation.BusReport
	of   map[string]string // the members then
}

// inspect looks at the bus.
func (l *leadership) inspect(ctx context.Context) (federation.BusReport, error) {
	if l.hub.opts.Inspector == nil {
		return federation.BusReport{}, messaging.Errorf(messaging.Unavailable, "this hub has no access to the system account of its bus")
	}
	l.inspections.mu.Lock()
	defer l.inspections.mu.Unlock()
	members := l.dir.everyMember()
	if time.Since(l.inspections.last.At) < inspectEvery && maps.Equal(members, l.inspections.of) {
		return l.inspections.last, nil
	}
	report, err := l.hub.opts.Inspector.Inspect(ctx, members)
	if err != nil {
		return report, messaging.Errorf(messaging.Unavailable, "the servers of the bus do not tell how they are: %v", err)
	}
	report.Leader = l.hub.opts.Name
	l.inspections.last, l.inspections.of = report, members
	return report, nil
}
