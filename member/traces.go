package member

import (
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// traces knows of which trace each order is that is not carried out yet. The zero value
// knows none.
type traces struct {
	mu sync.Mutex
	of map[federation.Key]traced
}

type traced struct {
	revision federation.Revision // of the order's record
	parent   string
	came     time.Time
	end      func(error) // of the step under way; nil before
}

// note takes what came from the bus. A new order of a workload ends the trace of the one
// before, which is not carried out any more.
func (t *traces) note(c messaging.Change, now time.Time) {
	if c.Synced || c.Reset {
		return
	}
	k, err := subject.ParseWorkloadKey(c.Key)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, k)
	if c.Trace != "" && !c.Deleted {
		if t.of == nil {
			t.of = map[federation.Key]traced{}
		}
		t.of[k] = traced{revision: c.Revision, parent: c.Trace, came: now}
	}
}

// begin begins to carry out the last order of a workload, and returns the identity of its
// trace; empty without one.
func (t *traces) begin(k federation.Key, name string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.of[k]
	if !ok {
		return ""
	}
	if v.end == nil {
		_, v.end = trace.Step(v.parent, name+" "+k.String(), v.came)
		t.of[k] = v
	}
	return trace.IDOf(v.parent)
}

// done tells that an order was carried out: the one of that revision, or the last one
// when it is 0. It returns the identity of its trace.
func (t *traces) done(k federation.Key, revision federation.Revision) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.of[k]
	if !ok || revision != 0 && v.revision != revision {
		return ""
	}
	delete(t.of, k)
	if v.end != nil {
		v.end(nil)
	}
	return trace.IDOf(v.parent)
}
