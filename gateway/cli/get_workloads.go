package cli

import (
	"fmt"
	"strconv"
	"strings"

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
// removed is handed on with the state Removed.
func followWorkloads(c call, q query, each func([]*gatewayv1.Workload) error) error {
	stream, err := c.Workloads.WatchWorkloads(c.cmd.Context(), &gatewayv1.WatchWorkloadsRequest{Namespace: q.namespace})
	if err != nil {
		return err
	}
	var batch []*gatewayv1.Workload
	for synced := false; ; {
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		if answer.GetWorkload() != nil {
			batch = append(batch, changedWorkload(answer))
		}
		synced = synced || answer.GetSynced()
		if !synced {
			continue
		}
		if err := each(batch); err != nil {
			return err
		}
		batch = nil
	}
}

func changedWorkload(answer *gatewayv1.WatchWorkloadsResponse) *gatewayv1.Workload {
	w := answer.GetWorkload()
	if answer.GetDeleted() {
		w.Status = &gatewayv1.WorkloadStatus{State: removedState}
	}
	return w
}
