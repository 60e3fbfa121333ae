package hub

import (
	"strings"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/trace"
)

// What is decided about a workload belongs to the trace of the write that asked for it,
// for a while: what happens to it later has other causes.
const (
	traceFor  = 10 * time.Minute
	maxTraces = 20_000
)

// traces knows of which trace the present version of a workload is.
type traces struct {
	mu sync.Mutex
	of map[federation.Key]traced
}

// traced is one version and its trace.
type traced struct {
	revision federation.Revision // 0: it was deleted, and all that is done about it belongs here
	parent   string              // of what the hub does about it
	began    time.Time           // when the hub learned of it
	decided  bool
}

func newTraces() *traces { return &traces{of: map[federation.Key]traced{}} }

// note takes a version of a workload that was written at a time. One without a trace
// ends that of the version before.
func (t *traces) note(w federation.Workload, parent string, now time.Time) {
	if now.Sub(w.AppliedAt) > traceFor {
		parent = ""
	}
	t.set(w.Key, traced{revision: w.Revision, parent: parent, began: now})
}

// deleted takes the deletion of a workload.
func (t *traces) deleted(k federation.Key, parent string, now time.Time) {
	t.set(k, traced{parent: parent, began: now})
}

func (t *traces) set(k federation.Key, v traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, k)
	if len(t.of) >= maxTraces {
		t.forget(v.began)
	}
	if v.parent != "" && len(t.of) < maxTraces {
		t.of[k] = v
	}
}

// forget drops what is old. traces.mu is held.
func (t *traces) forget(now time.Time) {
	for k, v := range t.of {
		if now.Sub(v.began) > traceFor {
			delete(t.of, k)
		}
	}
}

// find returns the trace of a version of a workload; empty when none is known.
func (t *traces) find(k federation.Key, revision federation.Revision, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.live(k, revision, now).parent
}

// live is what is known of a version. traces.mu is held.
func (t *traces) live(k federation.Key, revision federation.Revision, now time.Time) traced {
	v := t.of[k]
	if v.revision != 0 && v.revision != revision || now.Sub(v.began) > traceFor {
		return traced{}
	}
	return v
}

// decide returns the trace of a version, and how to tell the end of its first decision,
// which is a step of the trace.
func (t *traces) decide(k federation.Key, revision federation.Revision, now time.Time) (parent string, end func(error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.live(k, revision, now)
	if v.parent == "" || v.decided {
		return v.parent, func(error) {}
	}
	v.decided = true
	v.parent, end = trace.Step(v.parent, "decide "+k.String(), v.began)
	t.of[k] = v
	return v.parent, end
}

// about is the identity of the trace of what an event is about, as it is now.
func (t *traces) about(subject string, now time.Time) string {
	name, ok := strings.CutPrefix(subject, "workload/")
	if !ok {
		return ""
	}
	key, err := federation.ParseKey(name)
	if err != nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return trace.IDOf(t.live(key, t.of[key].revision, now).parent)
}
