package hub_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/federation/hub"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

var web = federation.Key{Namespace: "shop", Name: "web"}

// workload is a Deployment that is spread over the members and moves soon after
// a loss.
func workload(k federation.Key, replicas int64) federation.Workload {
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"namespace": k.Namespace, "name": k.Name},
		"spec": map[string]any{
			"replicas": replicas, "selector": map[string]any{"matchLabels": map[string]any{"app": k.Name}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": k.Name}},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "web", "image": "web", "resources": map[string]any{"requests": map[string]any{"cpu": "100m"}},
				}}},
			},
		},
	})
	if err != nil {
		panic(err) // of literals
	}
	spec := federation.PlacementSpec{
		Replicas: federation.ReplicaSpec{Mode: "Divided", Min: 1}, Failover: federation.FailoverSpec{Dwell: "200ms"},
	}
	return federation.Workload{
		Key: k, Placement: spec.Defaulted(),
		Objects: []federation.Object{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: k.Namespace, Name: k.Name, Raw: raw}},
	}
}

// put writes desired state as a gateway does.
func (w *world) put(load federation.Workload, expected federation.Revision) federation.Revision {
	w.t.Helper()
	b, err := w.asks.Bucket(w.t.Context(), subject.Workloads)
	must(w.t, err)
	rev, err := b.Put(w.t.Context(), subject.WorkloadKey(load.Key), federationv1.EncodeWorkload(load), expected)
	must(w.t, err)
	return rev
}

func (w *world) healthy(names ...string) {
	w.t.Helper()
	for _, name := range names {
		await(w, healths, subject.MemberKey(name), func(r federation.HealthRecord) bool { return r.Health == federation.Healthy })
	}
}

func total(a federation.Assignment) int64 {
	var n int64
	for _, m := range a.Members {
		n += m.Replicas
	}
	return n
}

func on(a federation.Assignment, member string) bool {
	n, _ := a.Replicas(member)
	return n > 0
}

// ready waits until every member of the assignment has reported its share.
func (w *world) ready(a federation.Assignment) []federation.WorkStatus {
	w.t.Helper()
	var out []federation.WorkStatus
	for _, m := range a.Members {
		out = append(out, await(w, statuses, subject.StatusKey(m.Member, a.Workload), func(s federation.WorkStatus) bool {
			return s.Epoch == a.Epoch && s.State == federation.WorkReady && s.Ready == m.Replicas
		}))
	}
	return out
}

// TestDay is one day of a federation: members join, a workload is spread over
// them, one member is lost for good, and its share moves once, under a higher
// epoch and with the evidence kept.
func TestDay(t *testing.T) {
	w := newWorld(t)
	h := w.startHub("hub")
	agents := map[string]*agent{
		"frankfurt": w.newAgent("frankfurt", "eu-central"), "tokyo": w.newAgent("tokyo", "ap-northeast"), "virginia": w.newAgent("virginia", "us-east"),
	}
	w.healthy("frankfurt", "tokyo", "virginia")

	load := workload(web, 6)
	load.Placement.Spread = []federation.SpreadConstraint{{By: "region", Min: 2, Max: 3, MaxSkew: 1, WhenUnsatisfiable: "DoNotSchedule"}}
	rev := w.put(load, 0)
	first := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 6 })
	if first.Epoch != 1 || first.WorkloadRevision != rev || len(first.Members) != 3 || first.Reason != "applied" {
		t.Errorf("got %+v", first)
	}
	for _, name := range []string{"frankfurt", "tokyo", "virginia"} {
		i := slices.IndexFunc(first.Explanation.Members, func(m federation.MemberExplanation) bool { return m.Member == name })
		if i < 0 || !first.Explanation.Members[i].Chosen || len(first.Explanation.Members[i].Scores) == 0 {
			t.Errorf("the decision does not explain %s: %+v", name, first.Explanation.Members)
		}
	}
	reported := w.ready(first)
	load.Revision = rev
	reports := decision.Reported{Statuses: map[string]*federation.WorkStatus{}, Health: func(member string) federation.HealthRecord {
		return federation.HealthRecord{Member: member, Health: federation.Healthy}
	}}
	for i := range reported {
		reports.Statuses[reported[i].Member] = &reported[i]
	}
	if state := decision.Aggregate(load, first, reports); state.State != federation.WorkReady || state.Ready != 6 {
		t.Errorf("the members' reports come to %+v", state)
	}
	work := agents["tokyo"].history()[0]
	if share, _ := first.Replicas("tokyo"); work.Replicas != share || work.Epoch != 1 || !strings.Contains(string(work.Objects[0].Raw), fmt.Sprintf(`"replicas":%d`, share)) {
		t.Errorf("tokyo got %+v", work)
	}

	agents["tokyo"].kill()
	lost := await(w, healths, subject.MemberKey("tokyo"), func(r federation.HealthRecord) bool { return r.Health == federation.Unreachable })
	if lost.Verdict != "Unreachable" || !strings.Contains(lost.Reason, "silent") {
		t.Errorf("the verdict has no evidence: %+v", lost)
	}
	second := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 6 && !on(a, "tokyo") })
	if second.Epoch <= first.Epoch || !strings.Contains(second.Reason, "tokyo") {
		t.Errorf("after the loss: %+v", second)
	}
	w.ready(second)
	for _, name := range []string{"frankfurt", "virginia"} {
		orders := agents[name].history()
		if last := orders[len(orders)-1]; last.Epoch != second.Epoch || last.Removed {
			t.Errorf("the last order of %s is %+v", name, last)
		}
	}
	w.evidence("tokyo")
	counted := h.count(t)
	for name, least := range map[string]float64{
		"hansa_hub_leading": 1, "hansa_hub_decisions_total": 2, "hansa_hub_verdicts_total health=Healthy": 3,
		"hansa_hub_verdicts_total health=Unreachable": 1, "hansa_hub_writes_total bucket=assignments outcome=written": 2,
		"hansa_hub_writes_total bucket=works outcome=written": 5,
	} {
		if counted[name] < least {
			t.Errorf("%s is %v, want at least %v", name, counted[name], least)
		}
	}
}

// count returns the hub's counters, gauges and numbers of samples by name and labels.
func (r running) count(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	must(t, err)
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

// evidence checks that the hub can say who saw the member fail.
func (w *world) evidence(member string) {
	w.t.Helper()
	b, err := w.ask(subject.HubDescribe, federationv1.EncodeDescribeRequest(member))
	must(w.t, err)
	list, err := federationv1.DecodeEvidence(b)
	must(w.t, err)
	seen := map[string]federation.Signal{}
	for _, e := range list {
		seen[e.Observer+" "+e.What] = e.Signal
	}
	if seen["hub beat"] != federation.Red || seen["hub api"] != federation.Red {
		w.t.Errorf("evidence about %s: %+v", member, list)
	}
}

// TestReturn: a member that was lost comes back, proves what it runs and is
// healthy again; what was given to others is taken back from it.
func TestReturn(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	agents := map[string]*agent{
		"tokyo": w.newAgent("tokyo", "ap-northeast"), "osaka": w.newAgent("osaka", "ap-northeast"), "frankfurt": w.newAgent("frankfurt", "eu-central"),
	}
	w.healthy("tokyo", "osaka", "frankfurt")
	load := workload(web, 3)
	load.Placement.Spread = []federation.SpreadConstraint{{By: "member", Max: 1}}
	w.put(load, 0)
	first := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 3 })
	w.ready(first)
	lost := agents[first.Members[0].Member]
	lost.kill()
	w.ready(await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 3 && !on(a, lost.name) }))

	lost.serveAPI()
	lost.start()
	back := await(w, healths, subject.MemberKey(lost.name), func(r federation.HealthRecord) bool {
		return r.Health == federation.Healthy && r.Incarnation == lost.life
	})
	if back.Incarnation != 2 {
		t.Errorf("got %+v", back)
	}
	w.gone(subject.Status, subject.StatusKey(lost.name, web))
	for _, h := range lost.holdings() {
		t.Errorf("%s still runs %s of epoch %d", lost.name, h.Workload, h.Epoch)
	}
}

// TestLeave: nothing that a member reported is left when it has left, so that the next
// one of its name begins with nothing.
func TestLeave(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	gone := w.newAgent("tokyo", "ap-northeast")
	w.newAgent("osaka", "ap-northeast")
	w.healthy("tokyo", "osaka")
	load := workload(web, 2)
	load.Placement.Spread = []federation.SpreadConstraint{{By: "member", Max: 2, Min: 2}}
	w.put(load, 0)
	w.ready(await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return on(a, "tokyo") }))
	gone.kill()
	await(w, healths, subject.MemberKey("tokyo"), func(r federation.HealthRecord) bool { return r.Health == federation.Unreachable })
	_, err := w.ask(subject.HubMember, federationv1.EncodeMemberChange(federation.MemberChange{Member: "tokyo", Action: "leave", Argument: "forget"}))
	must(t, err)
	w.gone(subject.Members, subject.MemberKey("tokyo"))
	for _, bucket := range []string{subject.Health, subject.Facts, subject.Status, subject.Exports} {
		for key := range w.entries(bucket) {
			if key == subject.MemberKey("tokyo") || strings.HasPrefix(key, subject.MemberKey("tokyo")+".") {
				t.Errorf("%s still has %s", bucket, key)
			}
		}
	}
}

func TestRequestRefusals(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	scope := federation.Scope{By: "member", Value: "atlantis"}
	for _, c := range []struct {
		name, method string
		data         []byte
		kind         messaging.Kind
		text         string
	}{
		{"unknown member", subject.HubMember, federationv1.EncodeMemberChange(federation.MemberChange{Member: "atlantis", Action: "cordon"}), messaging.NotFound, "atlantis"},
		{"evidence of an unknown member", subject.HubDescribe, federationv1.EncodeDescribeRequest("atlantis"), messaging.NotFound, "atlantis"},
		{"operation on nobody", subject.HubOperation, federationv1.EncodeOperationRequest(federation.OperationRequest{Verb: "evacuate", Scope: scope, Mode: "Live"}), "", "atlantis"},
		{"abort of nothing", subject.HubAbort, federationv1.EncodeAbortRequest(federation.AbortRequest{ID: "nope"}), messaging.NotFound, "nope"},
		{"simulation of nobody's loss", subject.HubSimulate, federationv1.EncodeSimulationRequest(federation.SimulationRequest{Lose: []federation.Scope{scope}}), messaging.Invalid, "atlantis"},
		{"garbage", subject.HubJoin, []byte{0xff, 0xff}, messaging.Invalid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.ask(c.method, c.data)
			refused := asRemote(t, err)
			if c.kind != "" && refused.Kind != c.kind || !strings.Contains(refused.Text, c.text) || strings.Contains(refused.Text, "\n") {
				t.Errorf("got %s: %s", refused.Kind, refused.Text)
			}
		})
	}
	if n := len(w.entries(subject.Members)); n != 0 {
		t.Errorf("refused requests wrote %d members", n)
	}
	for _, e := range w.entries(subject.Operations) { // a refused operation stays as a record of the refusal
		op, err := federationv1.DecodeOperation(e.Value)
		must(t, err)
		if op.State != federation.OperationRefused {
			t.Errorf("a refused operation is %s", op.State)
		}
	}
}

// TestForgedReports: what an account says about another member is refused.
func TestForgedReports(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.newAgent("frankfurt", "eu-central")
	w.healthy("tokyo", "frankfurt")
	before := w.entries(subject.Facts)[subject.MemberKey("frankfurt")].Revision
	_, err := askUntilHeard(t.Context(), tokyo.conn, subject.MemberUp(subject.UpFacts),
		federationv1.EncodeMemberFacts(federation.MemberFacts{Member: "frankfurt", Incarnation: 9, Sequence: 9, Nodes: 1000}))
	if r := asRemote(t, err); r.Kind != messaging.Denied || !strings.Contains(r.Text, `speaks about member "frankfurt", which is not its own`) {
		t.Errorf("got %s: %s", r.Kind, r.Text)
	}
	if after := w.entries(subject.Facts)[subject.MemberKey("frankfurt")].Revision; after != before {
		t.Error("the forged report was stored")
	}
}

// TestLateReports: a report that an earlier life or an earlier moment sent is
// not stored over a newer one.
func TestLateReports(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	send := func(incarnation federation.Incarnation, sequence uint64, nodes int64) {
		t.Helper()
		_, err := tokyo.conn.Request(t.Context(), subject.MemberUp(subject.UpFacts), federationv1.EncodeMemberFacts(federation.MemberFacts{
			Member: "tokyo", Incarnation: incarnation, Sequence: sequence, Nodes: nodes,
		}))
		must(t, err)
	}
	send(1, 5, 5)
	send(1, 4, 4)
	send(1, 5, 50)
	send(0, 9, 9)
	facts, err := federationv1.DecodeMemberFacts(w.entries(subject.Facts)[subject.MemberKey("tokyo")].Value)
	must(t, err)
	if facts.Nodes != 5 {
		t.Errorf("stored the report with %d nodes", facts.Nodes)
	}
}

func TestNewRefuses(t *testing.T) {
	w := newWorld(t)
	for want, opts := range map[string]hub.Options{
		"new hub: Bus must be set":      {},
		"new hub: Ears must be set":     {Bus: w.records},
		"new hub: Accounts must be set": {Bus: w.records, Ears: w.records},
		"new hub: Works must be set":    {Bus: w.records, Ears: w.records, Accounts: w.accounts()},
		"new hub: Sealing must be set":  {Bus: w.records, Ears: w.records, Accounts: w.accounts(), Works: w.records},
	} {
		if _, err := hub.New(opts); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
