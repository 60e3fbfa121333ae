package gateway_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// twoMembers has shop/web in tokyo and frankfurt, both healthy.
func twoMembers(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.member("tokyo", "ap-northeast", "10.1.0.1")
	w.member("frankfurt", "eu-central", "10.2.0.1")
	w.beat(healthy("frankfurt"), healthy("tokyo"))
	return w
}

// addresses writes an answer as "member:address, …".
func addresses(r *gatewayv1.ResolveResponse) string {
	var out []string
	for _, t := range r.GetTiers() {
		for _, e := range t.GetEndpoints() {
			out = append(out, e.GetMember()+":"+e.GetAddress())
		}
	}
	return strings.Join(out, ", ")
}

func TestResolve(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewDiscoveryServiceClient(w.conn)
	for _, c := range []struct{ from, source, want string }{
		{"", "default", "tokyo:10.1.0.1, frankfurt:10.2.0.1"},
		{"paris", "request", "frankfurt:10.2.0.1, tokyo:10.1.0.1"},
		{"35.68,139.69", "request", "tokyo:10.1.0.1, frankfurt:10.2.0.1"},
	} {
		got, err := api.Resolve(w.as(viewer), &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web", From: c.from, Explain: true})
		must(t, err)
		if addresses(got) != c.want || got.GetPlaceSource() != c.source || got.GetRevision() == 0 || len(got.GetExplanation()) != 2 {
			t.Errorf("from %q: got %s (%s), explained by %q", c.from, addresses(got), got.GetPlaceSource(), got.GetExplanation())
		}
		if e := got.GetTiers()[0].GetEndpoints()[0]; e.GetPort() != 8080 || e.GetPortName() != "http" || e.GetObservedAt() == nil {
			t.Errorf("got %v", e)
		}
	}
	services, err := api.ListServices(w.as(viewer), &gatewayv1.ListServicesRequest{Namespace: "shop"})
	must(t, err)
	if len(services.GetItems()) != 1 || len(services.GetItems()[0].GetStatus().GetMembers()) != 2 {
		t.Errorf("got %v", services)
	}
}

func TestResolveRefusals(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewDiscoveryServiceClient(w.conn)
	for _, c := range []struct {
		name string
		in   *gatewayv1.ResolveRequest
		code codes.Code
		want string
	}{
		{"unknown place", &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web", From: "osakka"}, codes.InvalidArgument, `place "osakka" is not in the catalogue: did you mean osaka?`},
		{"unknown service", &gatewayv1.ResolveRequest{Namespace: "shop", Name: "wob"}, codes.NotFound, `no member exports service shop/wob: see "hansa get services"`},
		{"unknown port", &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web", Port: "grpc"}, codes.NotFound, `service shop/web has no port "grpc": it has 80 http`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := api.Resolve(w.as(viewer), c.in)
			refused(t, err, c.code, c.want)
		})
	}
}

// TestWithdrawal: a member that the hub withdraws is out of the next answer, with
// no write to the store, and back when the hub says so.
func TestWithdrawal(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewDiscoveryServiceClient(w.conn)
	resolve := func() string {
		got, err := api.Resolve(w.as(viewer), &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"})
		must(t, err)
		return addresses(got)
	}
	before := resolve()
	w.beat(healthy("frankfurt"), federation.MemberBeat{Member: "tokyo", Health: federation.Unreachable, Incarnation: 1, Withdrawn: true})
	if got := resolve(); got != "frankfurt:10.2.0.1" {
		t.Errorf("after the withdrawal: %s", got)
	}
	w.beat(healthy("frankfurt"), healthy("tokyo"))
	if got := resolve(); got != before {
		t.Errorf("after the return: %s", got)
	}
}

// TestWatchResolve: the answer comes at once and again after each change; a
// watch that is opened again starts with what is true then.
func TestWatchResolve(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewDiscoveryServiceClient(w.conn)
	open := func() func() string {
		stream, err := api.WatchResolve(w.as(viewer), &gatewayv1.WatchResolveRequest{Query: &gatewayv1.ResolveRequest{Namespace: "shop", Name: "web"}})
		must(t, err)
		return func() string {
			t.Helper()
			got, err := stream.Recv()
			must(t, err)
			return addresses(got.GetAnswer())
		}
	}
	next := open()
	if got := next(); got != "tokyo:10.1.0.1, frankfurt:10.2.0.1" {
		t.Fatalf("at first: %s", got)
	}
	w.beat(federation.MemberBeat{Member: "tokyo", Health: federation.Unreachable, Incarnation: 1, Withdrawn: true})
	if got := next(); got != "frankfurt:10.2.0.1" {
		t.Errorf("after the withdrawal: %s", got)
	}
	if got := open()(); got != "frankfurt:10.2.0.1" {
		t.Errorf("opened again: %s", got)
	}
	stream, err := api.WatchResolve(w.as(viewer), &gatewayv1.WatchResolveRequest{Query: &gatewayv1.ResolveRequest{Namespace: "shop", Name: "none"}})
	must(t, err)
	_, err = stream.Recv()
	refused(t, err, codes.NotFound, `no member exports service shop/none: see "hansa get services"`)
}

func (w *world) workload(k federation.Key, epoch federation.Epoch, ready int64) {
	w.t.Helper()
	rev := w.put(subject.Workloads, subject.WorkloadKey(k), federationv1.EncodeWorkload(federation.Workload{
		Key: k, AppliedAt: time.Now(), Objects: []federation.Object{{APIVersion: "v1", Kind: "ConfigMap", Namespace: k.Namespace, Name: k.Name, Raw: []byte("{}")}},
	}))
	w.put(subject.Assignments, subject.WorkloadKey(k), federationv1.EncodeAssignment(federation.Assignment{
		Workload: k, WorkloadRevision: rev, Epoch: epoch, Members: []federation.AssignedMember{{Member: "tokyo", Replicas: 2, Since: 1}}, Reason: "applied",
		Explanation: federation.Explanation{Summary: "1 member", Members: []federation.MemberExplanation{
			{Member: "frankfurt", Filter: "Term", Reason: "region eu-central", Remedy: "ask for it"},
			{Member: "tokyo", Chosen: true, Replicas: 2, Scores: []federation.Score{{Name: "latency", Value: 90, Weight: 3}}},
		}},
	}))
	state := federation.WorkReady
	if ready < 2 {
		state = federation.WorkProgressing
	}
	w.put(subject.Status, subject.StatusKey("tokyo", k), federationv1.EncodeWorkStatus(federation.WorkStatus{
		Workload: k, Member: "tokyo", Incarnation: 1, Sequence: uint64(epoch), Epoch: epoch, WorkloadRevision: rev,
		State: state, Replicas: 2, Ready: ready, ObservedAt: time.Now(),
		Objects: []federation.ObjectStatus{{ID: "v1/ConfigMap " + k.String(), State: state}},
	}))
	w.until("aware of "+k.String(), func() bool {
		s, ok := w.gateway.Table().Status(k, "tokyo")
		return ok && s.Epoch == epoch && s.Ready == ready && w.gateway.Table().Assignments[k].Epoch == epoch
	})
}

func TestWorkloads(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 2)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	list, err := api.ListWorkloads(w.as(viewer), &gatewayv1.ListWorkloadsRequest{Namespace: "shop"})
	must(t, err)
	if len(list.GetItems()) != 1 {
		t.Fatalf("got %v", list)
	}
	status := list.GetItems()[0].GetStatus()
	if status.GetState() != "Ready" || status.GetReady() != 2 || len(status.GetMembers()) != 1 || status.GetMembers()[0].GetStale() {
		t.Errorf("got %v", status)
	}
	if none, err := api.ListWorkloads(w.as(viewer), &gatewayv1.ListWorkloadsRequest{Namespace: "other"}); err != nil || len(none.GetItems()) != 0 {
		t.Errorf("another namespace has %v %v", none.GetItems(), err)
	}
	one, err := api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	if objects := one.GetWorkload().GetStatus().GetMembers()[0].GetObjects(); len(objects) != 1 || objects[0].GetState() != "Ready" {
		t.Errorf("objects: %v", objects)
	}
	why, err := api.Explain(w.as(viewer), &gatewayv1.ExplainRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	if why.GetSummary() != "1 member" || len(why.GetMembers()) != 2 || why.GetMembers()[0].GetFilter() != "Term" || !why.GetMembers()[1].GetChosen() {
		t.Errorf("got %v", why)
	}
	_, err = api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: "wob"})
	refused(t, err, codes.NotFound, `workload shop/wob does not exist: see "hansa get workloads"`)
	_, err = api.Explain(w.as(viewer), &gatewayv1.ExplainRequest{Namespace: "shop", Name: "wob"})
	refused(t, err, codes.NotFound, `workload shop/wob does not exist: see "hansa get workloads"`)

	// The last word of a dead member does not count.
	w.beat(healthy("frankfurt"), federation.MemberBeat{Member: "tokyo", Health: federation.Unreachable, Incarnation: 1, Withdrawn: true})
	one, err = api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	if m := one.GetWorkload().GetStatus().GetMembers()[0]; !m.GetStale() || m.GetState() != "Unknown" || len(m.GetObjects()) != 0 {
		t.Errorf("of a dead member: %v", m)
	}
}

// TestWatchWorkloads: everything at first, a mark, then changes only. A watch that
// broke off and is opened again misses nothing: it starts with what is true then.
func TestWatchWorkloads(t *testing.T) {
	w := twoMembers(t)
	w.workload(web, 1, 1)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	stream, err := api.WatchWorkloads(w.as(viewer), &gatewayv1.WatchWorkloadsRequest{Namespace: "shop"})
	must(t, err)
	next := func() *gatewayv1.WatchWorkloadsResponse {
		t.Helper()
		got, err := stream.Recv()
		must(t, err)
		return got
	}
	if first := next(); first.GetWorkload().GetStatus().GetReady() != 1 {
		t.Errorf("at first: %v", first)
	}
	if !next().GetSynced() {
		t.Error("no mark after what is there")
	}
	w.workload(web, 1, 2)
	for next().GetWorkload().GetStatus().GetState() != "Ready" {
	}
	b, err := w.records.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	must(t, b.Delete(t.Context(), subject.WorkloadKey(web), messaging.AnyRevision))
	for next().GetWorkload().GetStatus().GetState() != "Removing" {
	}
	b, err = w.records.Bucket(t.Context(), subject.Assignments)
	must(t, err)
	must(t, b.Delete(t.Context(), subject.WorkloadKey(web), messaging.AnyRevision))
	for !next().GetDeleted() {
	}
	again, err := api.WatchWorkloads(w.as(viewer), &gatewayv1.WatchWorkloadsRequest{Namespace: "shop"})
	must(t, err)
	if got, err := again.Recv(); err != nil || !got.GetSynced() {
		t.Errorf("opened again: %v %v", got, err)
	}
}

func TestMembers(t *testing.T) {
	w := twoMembers(t)
	api := gatewayv1.NewMembersServiceClient(w.conn)
	list, err := api.ListMembers(w.as(viewer), &gatewayv1.ListMembersRequest{})
	must(t, err)
	if len(list.GetItems()) != 2 || list.GetItems()[1].GetMetadata().GetName() != "tokyo" || list.GetItems()[1].GetStatus().GetCapacity()["cpu"] != "4" {
		t.Errorf("got %v", list)
	}
	w.hub(subject.HubDescribe, func([]byte) ([]byte, error) {
		return federationv1.EncodeEvidence([]federation.Evidence{{Observer: "hub", What: "beat", Signal: federation.Green, Age: 40 * time.Millisecond}}), nil
	})
	one, err := api.GetMember(w.as(viewer), &gatewayv1.GetMemberRequest{Name: "tokyo"})
	must(t, err)
	if e := one.GetEvidence(); len(e) != 1 || e[0].GetSignal() != "green" || e[0].GetAgeMs() != 40 || one.GetMember().GetStatus().GetHealth() != "Healthy" {
		t.Errorf("got %v", one)
	}
	_, err = api.GetMember(w.as(viewer), &gatewayv1.GetMemberRequest{Name: "tokio"})
	refused(t, err, codes.NotFound, `member "tokio" does not exist: see "hansa get members"`)

	_, err = api.UpdateMember(w.as(admin), &gatewayv1.UpdateMemberRequest{Name: "tokyo", Action: "cordon"})
	refused(t, err, codes.Unavailable, `no hub answers: it may be starting, or down: try again, or see "hansa status"`)
	w.hub(subject.HubMember, func(b []byte) ([]byte, error) {
		change, err := federationv1.DecodeMemberChange(b)
		if err != nil || change.Member == "atlantis" {
			return nil, messaging.Errorf(messaging.NotFound, "no member %q", change.Member)
		}
		return federationv1.EncodeMemberSpec(federation.MemberSpec{Name: change.Member, Cordoned: change.Action == "cordon"}), nil
	})
	updated, err := api.UpdateMember(w.as(admin), &gatewayv1.UpdateMemberRequest{Name: "tokyo", Action: "cordon"})
	must(t, err)
	if !updated.GetMember().GetSpec().GetCordoned() || updated.GetMember().GetSpec().GetPlace().GetRegion() != "ap-northeast" {
		t.Errorf("got %v", updated)
	}
	if change, err := federationv1.DecodeMemberChange(w.lastAsked()); err != nil || change.Who != "anna" {
		t.Errorf("the hub was told %+v %v", change, err)
	}
	_, err = api.UpdateMember(w.as(admin), &gatewayv1.UpdateMemberRequest{Name: "atlantis", Action: "cordon"})
	refused(t, err, codes.NotFound, `no member "atlantis"`)
}

// TestErrorTable: each kind of refusal by the hub has its code, and its line is
// passed on as it is.
func TestErrorTable(t *testing.T) {
	w := newWorld(t)
	var kind atomic.Value
	kind.Store(messaging.Invalid)
	w.hub(subject.HubSimulate, func([]byte) ([]byte, error) {
		return nil, messaging.Errorf(kind.Load().(messaging.Kind), "rule 7: 3 of 4 are lost")
	})
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	for _, c := range []struct {
		kind messaging.Kind
		code codes.Code
	}{
		{messaging.Invalid, codes.InvalidArgument},
		{messaging.NotFound, codes.NotFound},
		{messaging.Exists, codes.AlreadyExists},
		{messaging.Conflict, codes.Aborted},
		{messaging.Refused, codes.FailedPrecondition},
		{messaging.Denied, codes.PermissionDenied},
		{messaging.Unavailable, codes.Unavailable},
		{messaging.InternalKind, codes.Internal},
	} {
		kind.Store(c.kind)
		_, err := api.Simulate(w.as(viewer), &gatewayv1.SimulateRequest{Lose: []string{"region=eu-central"}})
		refused(t, err, c.code, "rule 7: 3 of 4 are lost")
	}
	_, err := api.Simulate(w.as(viewer), &gatewayv1.SimulateRequest{Lose: []string{"planet=mars"}})
	if err == nil || !strings.Contains(err.Error(), "planet") {
		t.Errorf("got %v", err)
	}
}

func TestSimulate(t *testing.T) {
	w := newWorld(t)
	w.hub(subject.HubSimulate, func(b []byte) ([]byte, error) {
		r, err := federationv1.DecodeSimulationRequest(b)
		if err != nil {
			return nil, err
		}
		out := federation.Simulation{Fits: false, Headroom: 0.25}
		for _, s := range r.Lose {
			out.Lost = append(out.Lost, s.Value)
		}
		for k, n := range r.Scale {
			out.Unmet = append(out.Unmet, federation.Unmet{Workload: k, Replicas: n})
		}
		return federationv1.EncodeSimulation(out), nil
	})
	got, err := gatewayv1.NewWorkloadsServiceClient(w.conn).Simulate(w.as(viewer), &gatewayv1.SimulateRequest{
		Lose: []string{"member=tokyo"}, Scale: map[string]int32{"shop/web": 5},
	})
	must(t, err)
	if got.GetFits() || len(got.GetLost()) != 1 || got.GetLost()[0] != "tokyo" || got.GetUnmet()[0].GetWorkload() != "shop/web" || got.GetUnmet()[0].GetReplicas() != 5 {
		t.Errorf("got %v", got)
	}
}
