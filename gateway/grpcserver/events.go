package grpcserver

import (
	"context"
	"time"

	"github.com/hansa-io/hansa/federation"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
)

// ListEvents lists the history that this gateway holds, newest last.
func (s *Server) ListEvents(_ context.Context, r *gatewayv1.ListEventsRequest) (*gatewayv1.ListEventsResponse, error) {
	table, err := s.table()
	if err != nil {
		return nil, err
	}
	out := &gatewayv1.ListEventsResponse{}
	for _, e := range table.Events {
		if r.GetAbout() == "" || e.About == r.GetAbout() {
			out.Items = append(out.Items, &gatewayv1.Event{At: toTime(e.At), Type: e.Type, About: e.About, Who: e.Who, Text: e.Text, Trace: e.Trace})
		}
	}
	if n := int(r.GetLimit()); n > 0 && len(out.GetItems()) > n {
		out.Items = out.GetItems()[len(out.GetItems())-n:]
	}
	return out, nil
}

// GetStatus says how hub, bus and gateway are; it answers before the gateway has
// read everything.
func (s *Server) GetStatus(_ context.Context, _ *gatewayv1.GetStatusRequest) (*gatewayv1.GetStatusResponse, error) {
	table := s.opts.Tables.Table()
	out := &gatewayv1.GetStatusResponse{
		Version: s.opts.Version, HubAgeMs: -1, HubTerm: uint32(table.Term), BusConnected: s.opts.Connected(),
		Revision: table.Revision, Synced: table.Synced, Frozen: table.Frozen, Full: table.Full,
	}
	if !table.BeatAt.IsZero() {
		out.HubAgeMs = toMillis(time.Since(table.BeatAt))
	}
	for _, l := range table.Lacks {
		out.Behind = append(out.Behind, &gatewayv1.BucketLag{Bucket: l.Bucket, Records: l.Records, ForMs: toMillis(time.Since(l.Since))})
	}
	for _, m := range table.Members {
		if m.Spec.Name == "" {
			continue
		}
		out.Members++
		if m.Health() == federation.Healthy && m.Beat.Member != "" {
			out.MembersHealthy++
		}
	}
	for _, k := range table.Keys() {
		out.Workloads++
		if table.State(k).State == federation.WorkReady {
			out.WorkloadsReady++
		}
	}
	return out, nil
}
