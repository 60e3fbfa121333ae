package landings

import (
	_ "embed"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/landing"
)

//go:embed testdata/chart.yaml
var chart string

// chartKinds are the kinds of the charts that a removal takes away.
const chartKinds = "validatingwebhookconfigurations,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,configmaps,secrets,services,deployments,statefulsets,horizontalpodautoscalers,ingresses,poddisruptionbudgets,networkpolicies,cronjobs"

// chartOf makes the order for one chart; the second version lacks some objects.
func chartOf(t *testing.T, name, version string) landing.Order {
	t.Helper()
	var docs []string
	for _, doc := range strings.Split(chart, "\n---\n") {
		if version == "1" || !strings.Contains(doc, "NAME-first") {
			docs = append(docs, doc)
		}
	}
	text := strings.NewReplacer("NAME", name, "VERSION", version).Replace(strings.Join(docs, "\n---\n"))
	return order(t, name, federation.LandingSpec{Immutable: "Recreate"}, text)
}

// checkCharts lands three charts of twenty objects beside what others have, changes and
// prunes them, and removes them: nothing of others is touched, and nothing is left.
func checkCharts(t *testing.T, s *site) {
	names := []string{"alpha", "beta", "gamma"}
	s.kubectl(t, "create", "namespace", "charts")
	s.kubectl(t, "-n", "charts", "create", "configmap", "others", "--from-literal=a=b")
	s.kubectl(t, "-n", "charts", "create", "serviceaccount", "others")
	s.kubectl(t, "create", "clusterrole", "others", "--verb=get", "--resource=pods")
	others := func() string {
		return s.kubectl(t, "-n", "charts", "get", "configmap/others", "serviceaccount/others", "clusterrole/others", "-o",
			"jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.metadata.resourceVersion};{end}")
	}
	ours := func(kinds string) []string {
		return strings.Fields(s.kubectl(t, "-n", "charts", "get", kinds, "-l", "hansa.io/managed", "-o", "name"))
	}
	before := others()
	for _, name := range names {
		s.carry(t, chartOf(t, name, "1"))
	}
	if n := len(ours(chartKinds)); n != 3*18 {
		t.Errorf("%d objects beside definitions and resources of them, want %d: %v", n, 3*18, ours(chartKinds))
	}
	last := map[string]landing.Order{}
	for _, name := range names {
		last[name] = chartOf(t, name, "2")
		s.carry(t, last[name])
		s.until(t, last[name], "has only what it should", func(w federation.WorkStatus) bool {
			return len(w.Objects) == 17 && !slices.ContainsFunc(w.Objects, func(o federation.ObjectStatus) bool { return o.State == federation.WorkFailed })
		})
	}
	if left := ours(chartKinds); len(left) != 3*15 || strings.Contains(strings.Join(left, " "), "-first") {
		t.Errorf("after pruning there are %d: %v", len(left), left)
	}
	got := s.kubectl(t, "-n", "charts", "get", "deployments,statefulsets", "-o", "jsonpath={.items[*].spec.template.spec.containers[0].image}")
	if want := "example/alpha:2 example/beta:2 example/gamma:2 example/db:2 example/db:2 example/db:2"; got != want {
		t.Errorf("images %s, want %s", got, want)
	}
	for _, name := range names {
		s.remove(t, last[name])
	}
	if left := ours(chartKinds + ",databases.alpha.test,databases.beta.test,databases.gamma.test"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if after := others(); after != before {
		t.Errorf("what others have was touched:\n%s\n%s", before, after)
	}
}
