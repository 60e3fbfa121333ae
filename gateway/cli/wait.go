package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

const readyState = "Ready"

// awaitReady waits until each workload of the results is ready at the revision
// that was written, or newer. The gateway knows the deadline and may be the first
// to say that it has passed.
func (c call) awaitReady(results []*gatewayv1.ApplyResult, timeout time.Duration) error {
	waiting := map[string]uint64{}
	for _, r := range results {
		if r.GetKind() == "Workload" && r.GetAction() != "pruned" {
			waiting[resultName(r)] = r.GetRevision()
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	ctx, cancel := deadline(c.cmd.Context(), timeout)
	defer cancel()
	w := wait{pending: waiting, progress: newProgress(c.cmd.ErrOrStderr())}
	defer w.progress.done()
	err := c.resuming(w.progress, func(heard func()) error { return w.run(ctx, c, heard) })
	switch {
	case err == nil || c.cmd.Context().Err() != nil:
		return err
	case ctx.Err() != nil, status.Code(err) == codes.DeadlineExceeded:
		return fmt.Errorf("not ready after %s: %s: see \"hansa describe workload %s\"", timeout, w.last, w.first())
	}
	return err
}

// wait is a wait for workloads to become ready.
type wait struct {
	pending  map[string]uint64 // revision at least, by workload
	progress *progress
	last     string // what is shown
}

func (w *wait) first() string { return slices.Min(slices.Collect(maps.Keys(w.pending))) }

func (w *wait) run(ctx context.Context, c call, heard func()) error {
	stream, err := c.Workloads.WatchWorkloads(ctx, &gatewayv1.WatchWorkloadsRequest{})
	if err != nil {
		return err
	}
	w.last = w.first() + " has not been decided yet"
	for len(w.pending) > 0 {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		heard()
		if answer.GetWorkload() == nil {
			continue
		}
		if err := w.see(answer); err != nil {
			return err
		}
	}
	return nil
}

// see takes one changed workload.
func (w *wait) see(answer *gatewayv1.WatchWorkloadsResponse) error {
	workload := answer.GetWorkload()
	name := workloadKey(workload)
	least, pending := w.pending[name]
	if !pending {
		return nil
	}
	if answer.GetDeleted() {
		return fmt.Errorf("workload %s was deleted while it was waited for", name)
	}
	revision, err := strconv.ParseUint(workload.GetMetadata().GetResourceVersion(), 10, 64)
	if err != nil || revision < least {
		return nil //nolint:nilerr // a record without a revision is older than any
	}
	s := workload.GetStatus()
	w.last = fmt.Sprintf("%s is %s, %d of %d ready", name, or(s.GetState(), unknownState), s.GetReady(), s.GetReplicas())
	if s.GetMessage() != "" {
		w.last += ": " + s.GetMessage()
	}
	w.progress.show("%s", w.last)
	if s.GetState() == readyState {
		delete(w.pending, name)
	}
	return nil
}
