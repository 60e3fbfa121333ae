package grpcserver

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/gateway/document"
	"github.com/hansa-io/hansa/gateway/route"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

func fromFiles(files []*gatewayv1.File) []document.File {
	out := make([]document.File, len(files))
	for i, f := range files {
		out[i] = document.File{Name: f.GetName(), Content: f.GetContent()}
	}
	return out
}

func toResults(applied []Applied) []*gatewayv1.ApplyResult {
	var out []*gatewayv1.ApplyResult
	for _, a := range applied {
		out = append(out, &gatewayv1.ApplyResult{
			Kind: a.Kind, Namespace: a.Key.Namespace, Name: a.Key.Name, Action: a.Action,
			Objects: int32(a.Objects), Revision: uint64(a.Revision),
		})
	}
	return out
}

// Apply hands the files to the gateway.
func (s *Server) Apply(ctx context.Context, r *gatewayv1.ApplyRequest) (*gatewayv1.ApplyResponse, error) {
	if _, err := s.table(); err != nil {
		return nil, err
	}
	if len(r.GetFiles()) == 0 {
		return nil, messaging.Errorf(messaging.Invalid, "nothing to apply: no file was given")
	}
	done, err := s.opts.Desired.Apply(ctx, Apply{
		Files: fromFiles(r.GetFiles()), Source: r.GetSource(), DryRun: r.GetDryRun(), Prune: r.GetPrune(), Confirmed: r.GetConfirmed(), Who: who(ctx),
	})
	if err != nil {
		return nil, err
	}
	return &gatewayv1.ApplyResponse{Results: toResults(done)}, nil
}

// Delete hands the request to the gateway.
func (s *Server) Delete(ctx context.Context, r *gatewayv1.DeleteRequest) (*gatewayv1.DeleteResponse, error) {
	key := federation.Key{Namespace: r.GetNamespace(), Name: r.GetName()}
	kind := cmp.Or(r.GetKind(), "Workload")
	switch {
	case len(r.GetFiles()) > 0:
	case kind != "Workload" && kind != "StatusRule":
		return nil, messaging.Errorf(messaging.Invalid, "kind %q cannot be deleted: want Workload or StatusRule", kind)
	case key.Name == "" || kind == "Workload" && key.Namespace == "":
		return nil, messaging.Errorf(messaging.Invalid, "nothing to delete: name a workload as NAMESPACE/NAME, or give files")
	}
	done, err := s.opts.Desired.Delete(ctx, Delete{Kind: kind, Key: key, Files: fromFiles(r.GetFiles()), DryRun: r.GetDryRun(), Confirmed: r.GetConfirmed()})
	if err != nil {
		return nil, err
	}
	return &gatewayv1.DeleteResponse{Results: toResults(done)}, nil
}

// ListWorkloads lists workloads with their aggregated status.
func (s *Server) ListWorkloads(_ context.Context, r *gatewayv1.ListWorkloadsRequest) (*gatewayv1.ListWorkloadsResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListWorkloadsResponse{}
	for _, k := range table.Keys() {
		if r.GetNamespace() == "" || k.Namespace == r.GetNamespace() {
			out.Items = append(out.Items, toWorkload(table, k, time.Now(), false))
		}
	}
	return out, nil
}

// GetWorkload returns one workload, with the state of each object.
func (s *Server) GetWorkload(_ context.Context, r *gatewayv1.GetWorkloadRequest) (*gatewayv1.GetWorkloadResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	key, err := known(table, r.GetNamespace(), r.GetName())
	if err != nil {
		return nil, err
	}
	out := toWorkload(table, key, time.Now(), true)
	addOverrides(table, key, out.GetStatus().GetMembers())
	return &gatewayv1.GetWorkloadResponse{Workload: out}, nil
}

func known(table *route.Table, namespace, name string) (federation.Key, error) {
	key := federation.Key{Namespace: namespace, Name: name}
	_, wanted := table.Workloads[key]
	_, assigned := table.Assignments[key]
	if !wanted && !assigned {
		return key, messaging.Errorf(messaging.NotFound, "workload %s does not exist: see \"hansa get workloads\"", key)
	}
	return key, nil
}

// WatchWorkloads sends all workloads, a mark, and then each that changes.
func (s *Server) WatchWorkloads(r *gatewayv1.WatchWorkloadsRequest, stream grpc.ServerStreamingServer[gatewayv1.WatchWorkloadsResponse]) error {
	sent := map[federation.Key]*gatewayv1.Workload{}
	synced := false
	for {
		changed := s.opts.Tables.Changed()
		table, err := s.table()
		if err != nil {
			return err
		}
		if err := sendChanged(table, r, sent, stream); err != nil {
			return err
		}
		if !synced {
			synced = true
			if err := stream.Send(&gatewayv1.WatchWorkloadsResponse{Synced: true}); err != nil {
				return err
			}
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-changed:
		}
	}
}

// sendChanged sends what differs from what was sent.
func sendChanged(table *route.Table, r *gatewayv1.WatchWorkloadsRequest, sent map[federation.Key]*gatewayv1.Workload, stream grpc.ServerStreamingServer[gatewayv1.WatchWorkloadsResponse]) error {
	present := map[federation.Key]bool{}
	for _, k := range table.Keys() {
		if r.GetNamespace() != "" && k.Namespace != r.GetNamespace() || r.GetName() != "" && k.Name != r.GetName() {
			continue
		}
		present[k] = true
		w := toWorkload(table, k, time.Now(), true)
		if old, ok := sent[k]; ok && proto.Equal(ageless(old), ageless(w)) {
			continue
		}
		sent[k] = w
		if err := stream.Send(&gatewayv1.WatchWorkloadsResponse{Workload: w}); err != nil {
			return err
		}
	}
	for k, w := range sent {
		if present[k] {
			continue
		}
		delete(sent, k)
		if err := stream.Send(&gatewayv1.WatchWorkloadsResponse{Workload: w, Deleted: true}); err != nil {
			return err
		}
	}
	return nil
}

func ageless(w *gatewayv1.Workload) *gatewayv1.Workload {
	c := proto.Clone(w).(*gatewayv1.Workload)
	for _, m := range c.GetStatus().GetMembers() {
		m.AgeMs, m.ObservedAt = 0, nil
	}
	return c
}

// toWorkload is one workload with its status aggregated over the members.
func toWorkload(table *route.Table, k federation.Key, now time.Time, objects bool) *gatewayv1.Workload {
	w, assignment, state := table.Workloads[k], table.Assignments[k], table.State(k)
	out := &gatewayv1.Workload{
		ApiVersion: apiVersion, Kind: "Workload",
		Metadata: &gatewayv1.Metadata{
			Namespace: k.Namespace, Name: k.Name, CreationTimestamp: toTime(w.AppliedAt),
			ResourceVersion: strconv.FormatUint(uint64(w.Revision), 10),
		},
		Spec: &gatewayv1.WorkloadSpec{Placement: toStruct(w.Placement), Source: w.Source},
		Status: &gatewayv1.WorkloadStatus{
			State: string(state.State), Epoch: uint32(assignment.Epoch), Replicas: int32(state.Replicas), Ready: int32(state.Ready),
			Unmet: int32(state.Unmet), Message: state.Message, DecidedAt: toTime(assignment.DecidedAt), Reason: assignment.Reason,
		},
	}
	if _, wanted := table.Workloads[k]; !wanted {
		out.Status.State, out.Status.Message = string(federation.WorkRemoving), "deleted; its members are removing it"
	} else if state.Unmet > 0 && len(assignment.Members) == 0 {
		out.Status.State = "Unplaced"
	}
	for _, o := range w.Objects {
		out.Spec.Objects = append(out.Spec.Objects, &gatewayv1.ObjectRef{
			ApiVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name,
		})
	}
	for _, m := range state.Members {
		out.Status.Members = append(out.Status.Members, toWorkloadMember(table, assignment, m, now))
	}
	if objects {
		addObjects(table, k, out.GetStatus().GetMembers())
	}
	return out
}

func toWorkloadMember(table *route.Table, a federation.Assignment, m decision.MemberState, now time.Time) *gatewayv1.WorkloadMember {
	late := table.Behind(now, subject.Status, subject.Assignments) > route.StaleAfter
	out := &gatewayv1.WorkloadMember{
		Member: m.Member, Region: table.Members[m.Member].Spec.Place.Region, Replicas: int32(m.Replicas), Ready: int32(m.Ready),
		State: string(m.State), ObservedAt: toTime(m.ObservedAt), Stale: late || m.Stale, Message: m.Message,
		AgeMs: toAge(table.HeardAge(m.Member, now)),
	}
	if share, assigned := a.Share(m.Member); assigned {
		out.Shifted = share.Shifted
	}
	return out
}

// addObjects tells the state of each object where the member's word counts.
func addObjects(table *route.Table, k federation.Key, members []*gatewayv1.WorkloadMember) {
	for _, m := range members {
		status, ok := table.Status(k, m.GetMember())
		if !ok || m.GetStale() {
			continue
		}
		for _, o := range status.Objects {
			m.Objects = append(m.Objects, toObjectState(o))
		}
	}
}

func toObjectState(o federation.ObjectStatus) *gatewayv1.ObjectState {
	out := &gatewayv1.ObjectState{Id: o.ID, State: string(o.State), Message: o.Message, CorrectedAt: toTime(o.CorrectedAt)}
	for _, d := range o.Drift {
		out.Drift = append(out.Drift, &gatewayv1.FieldDrift{Path: d.Path, Manager: d.Manager, Wanted: d.Wanted, Found: d.Found})
	}
	return out
}

// toStruct turns a placement into JSON as the user would write it.
func toStruct(p federation.PlacementSpec) *structpb.Struct {
	b, err := json.Marshal(p)
	if err != nil {
		return nil // a patch that is not JSON; package document refuses it
	}
	var fields map[string]any
	if json.NewDecoder(bytes.NewReader(b)).Decode(&fields) != nil {
		return nil
	}
	out, err := structpb.NewStruct(fields)
	if err != nil {
		return nil
	}
	return out
}
