package landings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

// checkTakeover: what others made is left alone unless the work says otherwise, and is
// released, not deleted, when the work goes.
func checkTakeover(t *testing.T, s *site) {
	s.kubectl(t, "create", "namespace", "others")
	s.carry(t, order(t, "first", federation.LandingSpec{}, configMap("first", "mine"))) // makes the namespace
	s.kubectl(t, "-n", "shop", "create", "configmap", "theirs", "--from-literal=greeting=hello")
	o := order(t, "taker", federation.LandingSpec{}, configMap("theirs", "hi")+"\n---\n"+configMap("own", "x"))
	s.Give(o)
	s.says(t, o, "ConfigMap shop/theirs exists here and was not made by Hansa")
	if !s.there(t, "configmap", "own") {
		t.Error("one refused object keeps the others from landing")
	}
	o = order(t, "taker", federation.LandingSpec{Takeover: "IfNoDiff"}, configMap("theirs", "hi")+"\n---\n"+configMap("own", "x"))
	s.Give(o)
	s.says(t, o, `in data.greeting (wanted "hi", found "hello")`)
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "theirs", "-o", "jsonpath={.data.greeting}"); got != "hello" {
		t.Errorf("it was changed to %q all the same", got)
	}
	s.carry(t, order(t, "taker", federation.LandingSpec{Takeover: "Always"}, configMap("theirs", "hi")+"\n---\n"+configMap("own", "x")))
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "theirs", "-o", "jsonpath={.data.greeting}"); got != "hi" {
		t.Errorf("it was not taken over: %q", got)
	}
	last := order(t, "taker", federation.LandingSpec{Takeover: "Always"}, configMap("theirs", "bye")+"\n---\n"+configMap("own", "x"))
	s.carry(t, last)
	s.remove(t, last)
	if s.there(t, "configmap", "own") {
		t.Error("what Hansa made is left behind")
	}
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "theirs", "-o", "jsonpath={.data.greeting}{.metadata.annotations}{.metadata.labels}"); !strings.HasPrefix(got, "bye") || strings.Contains(got, "hansa.io") {
		t.Errorf("what was taken over is left as %q", got)
	}
}

// checkDrift: what others change is put right, or told field by field, of every kind.
func checkDrift(t *testing.T, s *site) {
	change := func() {
		s.kubectl(t, "-n", "shop", "scale", "deployment", "drifting", "--replicas=4")
		s.kubectl(t, "-n", "shop", "patch", "configmap", "drifting", "--type=merge", "-p", `{"data":{"greeting":"mine","extra":"x"}}`, "--field-manager=someone")
		s.kubectl(t, "-n", "shop", "label", "deployment", "drifting", "app=other", "--overwrite")
	}
	text := web("drifting", 1) + "\n---\n" + configMap("drifting", "ours")
	o := order(t, "drifting", federation.LandingSpec{Drift: "Report"}, text)
	s.carry(t, o)
	change()
	told := func(w federation.WorkStatus) string {
		var out []string
		for _, object := range w.Objects {
			for _, d := range object.Drift {
				out = append(out, d.Path+" "+d.Wanted+" "+d.Found+" "+d.Manager)
			}
		}
		return strings.Join(out, "\n")
	}
	want := "data.greeting \"ours\" \"mine\" someone\nmetadata.labels.app \"drifting\" \"other\" kubectl-label\nspec.replicas 1 4 kubectl"
	s.until(t, o, "reports "+want, func(w federation.WorkStatus) bool { return told(w) == want })
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "drifting", "-o", "jsonpath={.data.greeting}"); got != "mine" {
		t.Errorf("a report changes what it reports: %q", got)
	}
	s.kubectl(t, "-n", "shop", "patch", "configmap", "drifting", "--type=merge", "-p", `{"data":{"greeting":"ours"}}`)
	s.until(t, o, "forgets what was put right", func(w federation.WorkStatus) bool { return !strings.Contains(told(w), "data.greeting") })

	o = order(t, "drifting", federation.LandingSpec{}, text)
	s.carry(t, o)
	change()
	s.until(t, o, "corrects", func(w federation.WorkStatus) bool {
		corrected := 0
		for _, object := range w.Objects {
			if len(object.Drift) > 0 && !object.CorrectedAt.IsZero() {
				corrected++
			}
		}
		return corrected == 2
	})
	s.await(t, "ours drifting 1", func() string {
		return s.kubectl(t, "-n", "shop", "get", "configmap", "drifting", "-o", "jsonpath={.data.greeting}") + " " +
			s.kubectl(t, "-n", "shop", "get", "deployment", "drifting", "-o", "jsonpath={.metadata.labels.app} {.spec.replicas}")
	})
	if got := s.kubectl(t, "-n", "shop", "get", "configmap", "drifting", "-o", "jsonpath={.data.extra}"); got != "x" {
		t.Error("a field that nobody wrote of is taken away")
	}
	s.kubectl(t, "-n", "shop", "label", "configmap", "drifting", "hansa.io/managed-")
	s.kubectl(t, "-n", "shop", "delete", "deployment", "drifting")
	s.await(t, "true true", func() string {
		return s.kubectl(t, "-n", "shop", "get", "configmap", "drifting", "-o", `jsonpath={.metadata.labels.hansa\.io/managed}`) + " " +
			s.kubectl(t, "-n", "shop", "get", "deployment", "drifting", "--ignore-not-found", "-o", `jsonpath={.metadata.labels.hansa\.io/managed}`)
	})
	s.remove(t, o)
}

// checkImmutable: a change that the API server refuses is told, and made by deletion
// only if the work asks for that.
func checkImmutable(t *testing.T, s *site) {
	job := func(command string) string {
		return "apiVersion: batch/v1\nkind: Job\nmetadata: {namespace: shop, name: migrate}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: example/main, command: [" + command + "]}]}}}"
	}
	s.carry(t, order(t, "fixed", federation.LandingSpec{}, job("a")))
	uid := func() string {
		return s.kubectl(t, "-n", "shop", "get", "job", "migrate", "-o", "jsonpath={.metadata.uid}")
	}
	before := uid()
	o := order(t, "fixed", federation.LandingSpec{}, job("b"))
	s.Give(o)
	s.says(t, o, "set landing.immutable of shop/fixed to Recreate")
	if uid() != before {
		t.Error("it was made anew although nobody asked")
	}
	o = order(t, "fixed", federation.LandingSpec{Immutable: "Recreate"}, job("b"))
	s.carry(t, o)
	if uid() == before {
		t.Error("it was not made anew")
	}
	s.remove(t, o)
}

// checkTwice: a variable that is there twice passes a creation and no apply; that is told,
// and keeps nothing else from landing.
func checkTwice(t *testing.T, s *site) {
	twice := strings.Replace(web("twice-a", 1), `image: "example/main:1"`, `image: "example/main:1", env: [{name: A, value: b}, {name: A, value: c}]`, 1)
	s.carry(t, order(t, "twice", federation.LandingSpec{}, twice))
	o := order(t, "twice", federation.LandingSpec{}, twice+"\n---\n"+web("twice-b", 1))
	s.Give(o)
	s.says(t, o, `duplicate entries for key [name="A"]`)
	s.await(t, "true", func() string { return fmt.Sprint(s.there(t, "deployment", "twice-b")) })
	s.remove(t, o)
}

// checkOrder: definitions come before what they define and webhooks last, whatever the
// order of the documents; what is not served lands once it is.
func checkOrder(t *testing.T, s *site) {
	definition := func(kind, plural string) string {
		return "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: " + plural + ".landing.test}\nspec:\n  group: landing.test\n  scope: Namespaced\n  names: {kind: " + kind + ", plural: " + plural +
			"}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]"
	}
	boat := "apiVersion: landing.test/v1\nkind: Boat\nmetadata: {namespace: shop, name: cog}\nspec: {sails: 1}"
	hook := "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: landing-test}\nwebhooks: [{name: a.landing.test, admissionReviewVersions: [v1], sideEffects: None, failurePolicy: Fail, clientConfig: {url: \"https://127.0.0.1:1/\"}, rules: [{apiGroups: [landing.test], apiVersions: [v1], operations: [CREATE], resources: [boats]}]}]"
	o := order(t, "boats", federation.LandingSpec{}, hook+"\n---\n"+boat+"\n---\n"+definition("Boat", "boats"))
	s.carry(t, o) // a webhook before the boat would refuse it
	s.kubectl(t, "delete", "validatingwebhookconfiguration", "landing-test")

	late := order(t, "late", federation.LandingSpec{}, "apiVersion: landing.test/v1\nkind: Ship\nmetadata: {namespace: shop, name: hulk}\n---\n"+configMap("late", "x"))
	s.Give(late)
	s.says(t, late, "kind is not served by this cluster")
	if !s.there(t, "configmap", "late") {
		t.Error("a kind that is not served keeps the others from landing")
	}
	s.carry(t, order(t, "ships", federation.LandingSpec{}, definition("Ship", "ships")))
	s.await(t, "ship.landing.test/hulk", func() string {
		return s.kubectl(t, "-n", "shop", "get", "ships", "-o", "name")
	})
	s.remove(t, late)
	s.remove(t, o)
	if got := s.kubectl(t, "get", "crd", "boats.landing.test", "-o", "name"); got == "" {
		t.Error("a definition was removed, and with it what others made")
	}
}

// checkDeletion: what others made is never pruned; what a finalizer holds is told.
func checkDeletion(t *testing.T, s *site) {
	s.carry(t, order(t, "going", federation.LandingSpec{}, configMap("held", "x")+"\n---\n"+configMap("gone", "x")))
	s.kubectl(t, "-n", "shop", "patch", "configmap", "held", "--type=merge", "-p", `{"metadata":{"finalizers":["landing.test/held"]}}`)
	s.kubectl(t, "-n", "shop", "delete", "configmap", "gone")
	s.kubectl(t, "-n", "shop", "create", "configmap", "gone") // another one of that name
	o := order(t, "going", federation.LandingSpec{}, configMap("stays", "x"))
	s.carry(t, o)
	if !s.there(t, "configmap", "gone") {
		t.Error("what somebody else made under that name was pruned")
	}
	s.until(t, o, "tells what is held", func(w federation.WorkStatus) bool {
		return w.State == federation.WorkReady && len(w.Objects) > 1 && strings.Contains(w.Objects[0].Message+w.Objects[1].Message, "finalizers landing.test/held")
	})
	s.kubectl(t, "-n", "shop", "patch", "configmap", "stays", "--type=merge", "-p", `{"metadata":{"finalizers":["landing.test/held"]}}`)
	going := o
	going.Do = "remove"
	s.Give(going)
	s.says(t, o, "until these are deleted: ConfigMap shop/")
	for _, name := range []string{"held", "stays"} {
		s.kubectl(t, "-n", "shop", "patch", "configmap", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	}
	s.await(t, "", func() string {
		return s.kubectl(t, "-n", "shop", "get", "configmap", "held", "stays", "--ignore-not-found", "-o", "name")
	})
	s.kubectl(t, "-n", "shop", "delete", "configmap", "gone")
}

// checkNamespaces: a namespace that Hansa made goes when nothing of others is in it.
func checkNamespaces(t *testing.T, s *site) {
	in := func(ns string) string {
		return strings.Replace(configMap("a", "x"), "namespace: shop", "namespace: "+ns, 1)
	}
	o := order(t, "spaces", federation.LandingSpec{}, in("empty")+"\n---\n"+in("used")+"\n---\n"+in("others"))
	s.carry(t, o)
	if got := s.kubectl(t, "get", "namespace", "empty", "-o", `jsonpath={.metadata.labels.hansa\.io/managed}`); got != "true" {
		t.Errorf("the namespace is marked %q", got)
	}
	s.kubectl(t, "-n", "used", "create", "configmap", "mine")
	s.remove(t, o)
	s.await(t, "namespace/used\nnamespace/others", func() string {
		return s.kubectl(t, "get", "namespace", "empty", "used", "others", "--ignore-not-found", "-o", "name")
	})
}

// checkPods: why pods do not run is told with the object that makes them.
func checkPods(t *testing.T, s *site) {
	huge := strings.Replace(web("huge", 2), "name: main,", "name: main, resources: {requests: {cpu: 900}},", 1)
	o := order(t, "huge", federation.LandingSpec{}, huge)
	s.carry(t, o)
	s.says(t, o, "2 pods: Unschedulable: 0/2 nodes are available: 2 Insufficient cpu")
	s.remove(t, o)
}
