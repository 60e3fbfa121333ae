package gateway_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestOverridesAreShown: a workload tells what its overrides change in which member, and
// a simulation what they would change where it would go; a wrong condition is refused.
func TestOverridesAreShown(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	with := func(when string) string {
		return edit("name: web}]\n", "name: web}]\n  overrides:\n  - when: "+when+"\n    labels: {site: here}\n")
	}
	_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(with(`member.regon == "x"`))})
	refused(t, err, codes.InvalidArgument, "shop.yaml:1: Placement shop/web: overrides[0]: when: 1:7: undefined field 'regon'")
	_, err = api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(with(`member.region == "ap-northeast" && object.spec.replicas < 9`))})
	must(t, err)
	web := federation.Key{Namespace: "shop", Name: "web"}
	w.member("tokyo", "ap-northeast", "10.0.0.1")
	w.member("frankfurt", "eu-central", "10.0.0.2")
	w.put(subject.Assignments, subject.WorkloadKey(web), federationv1.EncodeAssignment(federation.Assignment{
		Workload: web, Epoch: 1, Members: []federation.AssignedMember{{Member: "frankfurt", Replicas: 1, Since: 1}, {Member: "tokyo", Replicas: 1, Since: 1}},
	}))
	const want = "tokyo 0 apps/v1/Deployment shop/web metadata.labels  {\"site\":\"here\"}"
	lines := func(effects []*gatewayv1.OverrideEffect) string {
		var out []string
		for _, e := range effects {
			out = append(out, strings.Join([]string{e.GetMember(), "0", e.GetObject(), e.GetPath(), e.GetFrom(), e.GetTo() + e.GetError()}, " "))
		}
		return strings.Join(out, "\n")
	}
	w.until("the override is shown", func() bool {
		got, err := api.GetWorkload(w.as(viewer), &gatewayv1.GetWorkloadRequest{Namespace: "shop", Name: "web"})
		must(t, err)
		var all []*gatewayv1.OverrideEffect
		for _, m := range got.GetWorkload().GetStatus().GetMembers() {
			all = append(all, m.GetOverrides()...)
		}
		return lines(all) == want
	})
	w.hub(subject.HubSimulate, func([]byte) ([]byte, error) {
		return federationv1.EncodeSimulation(federation.Simulation{Fits: true, Moves: []federation.Move{
			{Workload: web, Member: "frankfurt", From: 1}, {Workload: web, Member: "osaka", To: 1},
		}}), nil
	})
	w.member("osaka", "ap-northeast", "10.0.0.3")
	w.until("the override is told of the new member", func() bool {
		got, err := api.Simulate(w.as(viewer), &gatewayv1.SimulateRequest{Lose: []string{"member=frankfurt"}})
		must(t, err)
		return lines(got.GetOverrides()) == strings.ReplaceAll(want, "tokyo", "osaka")
	})
	got, err := api.Simulate(w.as(viewer), &gatewayv1.SimulateRequest{Policies: files("apiVersion: hansa.io/v1alpha1\nkind: Placement\nmetadata: {namespace: shop, name: web}\nspec: {overrides: [{when: member.labels.rack == '7', labels: {a: b}}]}\n")})
	must(t, err)
	if text := lines(got.GetOverrides()); !strings.Contains(text, "osaka 0") || !strings.Contains(text, "when: no such key: rack") {
		t.Errorf("a condition that cannot be told: %s", text)
	}
}
