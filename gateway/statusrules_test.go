package gateway_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

const ruleText = `apiVersion: hansa.io/v1alpha1
kind: StatusRule
metadata: {name: webs}
spec:
  target: {group: apps, kind: Deployment}
  ready: object.status.readyReplicas > 1
`

// TestStatusRules: a rule is checked, written beside workloads, shown with what members
// tell by it, and removed; there is one for each kind.
func TestStatusRules(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	apply := func(r *gatewayv1.ApplyRequest) ([]*gatewayv1.ApplyResult, error) {
		got, err := api.Apply(w.as(operator), r)
		return got.GetResults(), err
	}
	for _, c := range []struct{ in, want string }{
		{"  ready: object.status.ready >", "shop.yaml:1: StatusRule webs: ready: 1:22: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"},
		{"  ready: status.ready", "shop.yaml:1: StatusRule webs: ready: 1:1: undeclared reference to 'status'"},
		{"  ready: '3'", "shop.yaml:1: StatusRule webs: ready returns int: want bool"},
		{"  message: object.kind", "shop.yaml:1: StatusRule webs: it tells no state: give ready, progressing or failed, or replicas and readyReplicas"},
		{"  raedy: 'true'", `shop.yaml:6: unknown field "raedy": did you mean "ready"?`},
	} {
		_, err := apply(&gatewayv1.ApplyRequest{Files: files("apiVersion: hansa.io/v1alpha1\nkind: StatusRule\nmetadata: {name: webs}\nspec:\n  target: {group: apps, kind: Deployment}\n" + c.in)})
		refused(t, err, codes.InvalidArgument, c.want)
	}
	if n := len(w.stored(subject.StatusRules)); n != 0 {
		t.Fatalf("refused rules wrote %d records", n)
	}

	got, err := apply(&gatewayv1.ApplyRequest{Files: files(ruleText + "---\n" + good), Source: "dir"})
	must(t, err)
	if len(got) != 2 || got[0].GetKind() != "StatusRule" || got[0].GetName() != "webs" || got[0].GetAction() != "created" || got[1].GetKind() != "Workload" {
		t.Fatalf("got %v", got)
	}
	got, err = apply(&gatewayv1.ApplyRequest{Files: files(ruleText), Source: "dir"})
	must(t, err)
	if len(got) != 1 || got[0].GetAction() != "unchanged" {
		t.Errorf("applying again: %v", got)
	}
	_, err = apply(&gatewayv1.ApplyRequest{Files: files(`apiVersion: hansa.io/v1alpha1
kind: StatusRule
metadata: {name: others}
spec: {target: {group: apps, kind: Deployment}, ready: "true"}
`)})
	refused(t, err, codes.Aborted, "StatusRule others is for Deployment.apps, as StatusRule webs is: change that one, or delete it first: hansa delete statusrule webs")

	web := federation.Key{Namespace: "shop", Name: "web"}
	w.member("tokyo", "ap-northeast", "10.0.0.1")
	w.put(subject.Assignments, subject.WorkloadKey(web), federationv1.EncodeAssignment(federation.Assignment{
		Workload: web, Epoch: 1, Members: []federation.AssignedMember{{Member: "tokyo", Replicas: 2, Since: 1}},
	}))
	w.put(subject.Status, subject.StatusKey("tokyo", web), federationv1.EncodeWorkStatus(federation.WorkStatus{
		Workload: web, Member: "tokyo", Epoch: 1, State: federation.WorkProgressing,
		Objects: []federation.ObjectStatus{
			{ID: "apps/v1/Deployment shop/web", State: federation.WorkProgressing, Message: "StatusRule webs: ready: no such key: readyReplicas"},
			{ID: "v1/Namespace shop", State: federation.WorkReady},
		},
	}))
	w.beat(healthy("tokyo"))
	var rule *gatewayv1.StatusRule
	w.until("the rule tells of tokyo", func() bool {
		list, err := api.ListStatusRules(w.as(viewer), &gatewayv1.ListStatusRulesRequest{Name: "webs"})
		must(t, err)
		rule = list.GetItems()[0]
		return len(rule.GetStatus().GetObjects()) == 1
	})
	if o := rule.GetStatus().GetObjects()[0]; o.GetMember() != "tokyo" || o.GetWorkload() != "shop/web" || o.GetMessage() == "" || rule.GetStatus().GetWorkloads() != 1 {
		t.Errorf("got %v", rule)
	}
	_, err = api.ListStatusRules(w.as(viewer), &gatewayv1.ListStatusRulesRequest{Name: "wobs"})
	refused(t, err, codes.NotFound, `StatusRule wobs does not exist: see "hansa get statusrules"`)

	_, err = api.Delete(w.as(viewer), &gatewayv1.DeleteRequest{Kind: "StatusRule", Name: "webs"})
	refused(t, err, codes.PermissionDenied, "eve may not do this: it needs the role operator")
	got, err = apply(&gatewayv1.ApplyRequest{Files: files(good), Source: "dir", Prune: true})
	must(t, err)
	if len(got) != 2 || got[0].GetName() != "webs" || got[0].GetAction() != "pruned" {
		t.Errorf("a rule that the source has no longer: %v", got)
	}
	list, err := api.ListStatusRules(w.as(viewer), &gatewayv1.ListStatusRulesRequest{})
	must(t, err)
	if len(list.GetItems()) != 0 || len(w.stored(subject.StatusRules)) != 0 {
		t.Errorf("left: %v", list.GetItems())
	}
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Kind: "StatusRule", Name: "webs"})
	refused(t, err, codes.NotFound, `StatusRule webs does not exist: see "hansa get statusrules"`)
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Kind: "Member", Name: "tokyo"})
	refused(t, err, codes.InvalidArgument, `kind "Member" cannot be deleted: want Workload or StatusRule`)
}
