package member

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// TestTraces: the lines about an order have the identity of the trace that brought it,
// until it is carried out or another order replaces it.
func TestTraces(t *testing.T) {
	web := federation.Key{Namespace: "shop", Name: "web"}
	var log bytes.Buffer
	a := &Agent{
		log: slog.New(slog.NewTextHandler(&log, nil)), lander: landing.New(landing.Options{}),
	}
	lines := func(effect guard.Effect) string {
		log.Reset()
		if err := a.execute(t.Context(), time.Now(), effect); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	land := guard.Land{Work: federation.Work{Workload: web, Epoch: 1}, Revision: 7}
	ctx, _ := trace.Start(t.Context(), "apply")
	id, key := trace.ID(ctx), subject.WorkloadKey(web)
	order := func(revision federation.Revision, parent string) {
		a.traces.note(messaging.Change{Entry: messaging.Entry{Key: key, Revision: revision, Trace: parent}}, time.Now())
	}
	if got := lines(land); strings.Contains(got, "trace") {
		t.Errorf("without a trace: %s", got)
	}
	order(7, trace.Parent(ctx))
	if got := lines(land); !strings.Contains(got, "msg=landing") || !strings.Contains(got, "trace="+id) {
		t.Errorf("with a trace: %s", got)
	}
	if got := a.traces.done(web, 6); got != "" {
		t.Errorf("an older order ended %s", got)
	}
	if got := a.traces.done(web, 7); got != id || len(a.traces.of) != 0 {
		t.Errorf("it ended %q, and %d are left", got, len(a.traces.of))
	}
	order(8, trace.Parent(ctx))
	if got := lines(guard.Remove{Workload: web, Epoch: 2}); !strings.Contains(got, "trace="+id) {
		t.Errorf("a removal: %s", got)
	}
	order(9, "")
	if got := lines(land); strings.Contains(got, "trace") {
		t.Errorf("after an order without a trace: %s", got)
	}
	order(9, "nonsense")
	if got := lines(land); strings.Contains(got, "trace") {
		t.Errorf("a trace that is none: %s", got)
	}
}
