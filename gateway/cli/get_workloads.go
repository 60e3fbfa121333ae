package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// unknownState is what a silent member's workloads read.
const unknownState = "Unknown"

// removedState is what a watch shows of a workload that is gone.
const removedState = "Removed"

var workloads = kind[*gatewayv1.Workload]{
	name:       "workload",
	argument:   "NS/NAME",
	short:      "Workloads: where they run, and how",
	namespaced: true,
	fetch: func(c call, q query) ([]*gatewayv1.Workload, string, error) {
		answer, err := c.Workloads.ListWorkloads(c.cmd.Context(), &gatewayv1.ListWorkloadsRequest{Namespace: q.namespace})
		return answer.GetItems(), "", err
	},
	follow: followWorkloads,
	key:    workloadKey,
	tree:   func(w *gatewayv1.Workload) object { return treeOf(w) },
	columns: []column[*gatewayv1.Workload]{
		{name: "WORKLOAD", cell: workloadKey},
		{name: "STATE", cell: func(w *gatewayv1.Workload) string { return or(w.GetStatus().GetState(), unknownState) }},
		{name: "READY", cell: func(w *gatewayv1.Workload) string {
			return fmt.Sprintf("%d/%d", w.GetStatus().GetReady(), w.GetStatus().GetReplicas())
		}},
		{name: "EPOCH", cell: func(w *gatewayv1.Workload) string {
			return strconv.FormatUint(uint64(w.GetStatus().GetEpoch()), 10)
		}},
		{name: "MEMBERS", cell: workloadMembers},
		{name: "OBJECTS", wide: true, cell: func(w *gatewayv1.Workload) string { return strconv.Itoa(len(w.GetSpec().GetObjects())) }},
		{name: "SOURCE", wide: true, cell: func(w *gatewayv1.Workload) string { return or(w.GetSpec().GetSource(), none) }},
		{name: "DECIDED", volatile: true, cell: func(w *gatewayv1.Workload) string { return since(w.GetStatus().GetDecidedAt()) }},
		{name: "BECAUSE", wide: true, cell: func(w *gatewayv1.Workload) string { return or(w.GetStatus().GetReason(), none) }},
		{name: "NOTE", cell: func(w *gatewayv1.Workload) string { return w.GetStatus().GetMessage() }},
	},
}

func workloadKey(w *gatewayv1.Workload) string {
	return w.GetMetadata().GetNamespace() + "/" + w.GetMetadata().GetName()
}

// workloadMembers is "tokyo:2/2,frankfurt:Unknown".
func workloadMembers(w *gatewayv1.Workload) string {
	var out []string
	for _, m := range w.GetStatus().GetMembers() {
		out = append(out, m.GetMember()+":"+memberShare(m))
	}
	return or(strings.Join(out, ","), none)
}

func memberShare(m *gatewayv1.WorkloadMember) string {
	if m.GetStale() || m.GetState() == unknownState {
		return unknownState
	}
	return fmt.Sprintf("%d/%d", m.GetReady(), m.GetReplicas())
}

// followWorkloads hands on all workloads, then each that changes. One that was
// removed is handed on with the state Removed. A gateway that goes away is followed by
// another, of which only what differs is handed on.
func followWorkloads(c call, q query, each func([]*gatewayv1.Workload) error) error {
	w := workloadWatch{seen: map[string]*gatewayv1.Workload{}, each: each}
	return c.resuming(newProgress(c.cmd.ErrOrStderr()), func(heard func()) error {
		stream, err := c.Workloads.WatchWorkloads(c.cmd.Context(), &gatewayv1.WatchWorkloadsRequest{Namespace: q.namespace})
		w.snapshot = map[string]*gatewayv1.Workload{}
		for err == nil {
			var answer *gatewayv1.WatchWorkloadsResponse
			if answer, err = stream.Recv(); err == nil {
				heard()
				err = w.take(answer)
			}
		}
		return err
	})
}

// workloadWatch is what was handed on, over all gateways that were followed.
type workloadWatch struct {
	seen     map[string]*gatewayv1.Workload
	snapshot map[string]*gatewayv1.Workload // of the present gateway; nil once it is complete
	told     bool
	each     func([]*gatewayv1.Workload) error
}

func (w *workloadWatch) take(answer *gatewayv1.WatchWorkloadsResponse) error {
	changed := answer.GetWorkload()
	switch {
	case w.snapshot != nil && changed != nil:
		w.snapshot[workloadKey(changed)] = changed
	case changed != nil && answer.GetDeleted():
		delete(w.seen, workloadKey(changed))
		return w.each([]*gatewayv1.Workload{removed(changed)})
	case changed != nil:
		w.seen[workloadKey(changed)] = changed
		return w.each([]*gatewayv1.Workload{changed})
	}
	if !answer.GetSynced() {
		return nil
	}
	differs := w.differences()
	w.seen, w.snapshot = w.snapshot, nil
	if len(differs) == 0 && w.told {
		return nil
	}
	w.told = true
	return w.each(differs)
}

// differences are what the snapshot has and was not seen so, and what it has no more.
func (w *workloadWatch) differences() []*gatewayv1.Workload {
	var out []*gatewayv1.Workload
	for _, name := range slices.Sorted(maps.Keys(w.snapshot)) {
		if old := w.seen[name]; old == nil || !proto.Equal(old, w.snapshot[name]) {
			out = append(out, w.snapshot[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.seen)) {
		if w.snapshot[name] == nil {
			out = append(out, removed(w.seen[name]))
		}
	}
	return out
}

func removed(w *gatewayv1.Workload) *gatewayv1.Workload {
	w.Status = &gatewayv1.WorkloadStatus{State: removedState}
	return w
}
