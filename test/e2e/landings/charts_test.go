package landings

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/cluster/config"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
)

// chartsBound is settleBound for all charts together.
const chartsBound = 3 * settleBound

// chartTest has all charts on one cluster, as one agent has all works.
type chartTest struct {
	*site
	others *others
	charts []*chart
	had    map[string]*unstructured.Unstructured // what others have, by chart
	before map[kube.Ref]*unstructured.Unstructured
}

// TestCharts lands charts side by side, each as users apply it, and follows them through
// their lives. Two things are not in the charts, since the first apply after a creation
// changes them, as it does for kubectl: a written {} that the API server fills in, as of
// rollingUpdate, and an empty caBundle, by which every apply raises the generation.
func TestCharts(t *testing.T) {
	charts := readCharts(t)
	if len(charts) < 50 {
		t.Errorf("%d charts", len(charts))
	}
	kubeconfig := startCluster(t, config.Nodes{Count: 3})
	c := &chartTest{site: openSite(t, kubeconfig), others: openOthers(t, kubeconfig), charts: charts, had: map[string]*unstructured.Unstructured{}, before: map[kube.Ref]*unstructured.Unstructured{}}
	c.prepare(t)
	c.each(t, "leaves others theirs", c.first, c.leaves)
	c.each(t, "lands", func(*testing.T, *chart) {}, c.lands)
	c.stop()
	c.site = openSite(t, kubeconfig)
	c.each(t, "stands", c.first, c.stands)
	c.each(t, "is left alone", c.annotate, c.hasNotDrifted)
	c.each(t, "says the same", c.firstAgain, c.isAdopted)
	c.each(t, "says it again", c.firstAgain, c.isUnchanged)
	c.each(t, "changes", c.second, c.changes)
	c.each(t, "is to be corrected", c.correcting, c.isLanded)
	c.each(t, "is corrected", c.damage, c.isCorrected)
	c.each(t, "is guarded", c.older, c.isGuarded)
	c.each(t, "goes", c.last, c.isGone)
	c.leavesNothing(t)
}

// each gives the orders of every chart, and then looks at one after the other.
func (c *chartTest) each(t *testing.T, phase string, orders func(*testing.T, *chart), look func(*testing.T, *chart)) {
	ok := t.Run(phase, func(t *testing.T) {
		for _, chart := range c.charts {
			orders(t, chart)
		}
		c.end = time.Now().Add(chartsBound)
		for _, chart := range c.charts {
			t.Run(chart.name, func(t *testing.T) { look(t, chart) })
		}
	})
	if !ok {
		t.FailNow() // what comes next builds on this
	}
}

// prepare lets others have something in the charts' way.
func (c *chartTest) prepare(t *testing.T) {
	for _, chart := range c.charts {
		u := chart.theirs()
		if u == nil {
			continue
		}
		c.namespace(t, chart.namespace)
		if ns := u.GetNamespace(); ns != "" && ns != chart.namespace {
			c.namespace(t, ns)
		}
		c.had[chart.name] = c.others.create(t, u)
	}
}

func (c *chartTest) namespace(t *testing.T, name string) {
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	c.others.create(t, ns)
}

// give hands over the orders of a version.
func (c *chartTest) giveAll(v version) {
	for _, o := range v.orders {
		c.give(o)
	}
}

func (c *chartTest) carriedAll(t *testing.T, v version) {
	t.Helper()
	for _, o := range v.orders {
		c.carried(t, o)
	}
}

// again gives the orders of a version under a new revision.
func (c *chartTest) again(chart *chart, name string, change func(*landing.Order)) version {
	v := chart.versions[name].again(change)
	chart.versions[name] = v
	c.giveAll(v)
	return v
}

func (c *chartTest) first(_ *testing.T, chart *chart) {
	c.writes.written(chart.versions["1"].refs())
	c.giveAll(chart.versions["1"])
}

// leaves: others keep what they have, and it is told; then they take it away.
func (c *chartTest) leaves(t *testing.T, chart *chart) {
	theirs := c.had[chart.name]
	if theirs == nil {
		return
	}
	at := kube.RefOf(theirs)
	c.until(t, c.orderOf(chart.versions["1"], at), "is refused", func(w federation.WorkStatus) bool {
		return strings.Contains(w.Message, at.String()+" exists here and was not made by Hansa")
	})
	if now := c.others.get(t, at); now.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Errorf("%s of others was changed: %v", at, now.Object)
	}
	c.others.remove(t, at)
}

// lands: everything is there as the file says.
func (c *chartTest) lands(t *testing.T, chart *chart) {
	v := chart.versions["1"]
	c.carriedAll(t, v)
	c.holds(t, v)
	c.settled(t, chart, v)
}

// orderOf is the order that an object comes with.
func (c *chartTest) orderOf(v version, at kube.Ref) landing.Order {
	for _, o := range v.orders {
		for _, object := range o.Work.Objects {
			if object.Kind == at.Kind && object.Name == at.Name && object.Namespace == at.Namespace {
				return o
			}
		}
	}
	return v.orders[0]
}

// holds compares what is in the cluster with the file.
func (c *chartTest) holds(t *testing.T, v version) {
	t.Helper()
	for _, want := range v.objects {
		at := kube.RefOf(want)
		live := c.others.get(t, at)
		if live == nil {
			t.Errorf("%s is not there", at)
			continue
		}
		if at.Kind == "Namespace" && live.GetLabels()[kube.ManagedLabel] == "" {
			continue // it is others', and left to them
		}
		if text := differs(live, want); text != "" {
			t.Errorf("%s%s", at, text)
		}
	}
}

// settled waits until everything is ready that can be here, and looks for drift.
func (c *chartTest) settled(t *testing.T, chart *chart, v version) {
	t.Helper()
	for _, o := range v.orders {
		c.until(t, o, "is ready", func(w federation.WorkStatus) bool {
			for _, object := range w.Objects {
				if (object.State == federation.WorkReady) == chart.waitsWith(object.ID) {
					return false
				}
			}
			return len(w.Objects) > 0
		})
	}
	c.hasNoDrift(t, v)
}

func (c *chartTest) hasNoDrift(t *testing.T, v version) {
	t.Helper()
	for _, o := range v.orders {
		status, _ := c.Status(o.Work.Workload)
		for _, object := range status.Objects {
			if len(object.Drift) > 0 {
				t.Errorf("%s has drifted: %+v (corrected %v)", object.ID, object.Drift, object.CorrectedAt)
			}
		}
	}
}

// stands: a new life of the agent writes nothing, but for pods that run at most once,
// which have to be told where it listens.
func (c *chartTest) stands(t *testing.T, chart *chart) {
	v := chart.versions["1"]
	c.carriedAll(t, v)
	wrote := c.writes.written(v.refs())
	if chart.continuity == string(federation.AtMostOne) {
		wrote = slices.DeleteFunc(wrote, func(what string) bool { return strings.HasPrefix(what, "apply ") })
	}
	if len(wrote) > 0 {
		t.Errorf("the second landing wrote: %v", wrote)
	}
	c.settled(t, chart, v)
}

// annotate lets others write something of their own into every object, and has Hansa look.
func (c *chartTest) annotate(t *testing.T, chart *chart) {
	v := chart.versions["1"]
	for _, at := range v.refs() {
		c.others.annotate(t, at, "others")
	}
}

func (c *chartTest) hasNotDrifted(t *testing.T, chart *chart) {
	v := chart.versions["1"].again(func(o *landing.Order) { o.Do = landing.Look })
	c.giveAll(v)
	c.carriedAll(t, v)
	c.hasNoDrift(t, v)
	if wrote := c.writes.written(v.refs()); len(wrote) > 0 {
		t.Errorf("what others may write led to: %v", wrote)
	}
}

func (c *chartTest) firstAgain(t *testing.T, chart *chart) {
	for _, at := range chart.versions["1"].refs() {
		c.before[at] = c.others.get(t, at)
	}
	c.again(chart, "1", func(o *landing.Order) { o.Work.WorkloadRevision = o.Revision })
}

// isAdopted: what was created is applied the first time that something may have changed;
// that changes nothing but whose fields they are.
func (c *chartTest) isAdopted(t *testing.T, chart *chart) {
	v := chart.versions["1"]
	c.carriedAll(t, v)
	for _, at := range v.refs() {
		before, now := c.before[at], c.others.get(t, at)
		if now == nil || before == nil {
			t.Errorf("%s is gone", at)
			continue
		}
		before = before.DeepCopy()
		before.SetManagedFields(nil)
		now.SetManagedFields(nil)
		if content(now) != content(before) {
			t.Errorf("%s became\n%s\nfrom\n%s", at, content(now), content(before))
		}
	}
	c.settled(t, chart, v)
}

// isUnchanged: an apply that says nothing new changes nothing.
func (c *chartTest) isUnchanged(t *testing.T, chart *chart) {
	v := chart.versions["1"]
	c.carriedAll(t, v)
	for _, at := range v.refs() {
		before, now := c.before[at], c.others.get(t, at)
		if now == nil || before == nil {
			t.Errorf("%s is gone", at)
			continue
		}
		if now.GetResourceVersion() != before.GetResourceVersion() && content(now) != content(before) {
			t.Errorf("%s became\n%s\nfrom\n%s", at, content(now), content(before))
		}
	}
	c.settled(t, chart, v)
}
