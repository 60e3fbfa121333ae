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

// chartTest has all charts on one cluster, as one agent has all works.
type chartTest struct {
	*site
	others *others
	charts []*chart
	had    map[string]*unstructured.Unstructured // what others have, by chart
	before map[kube.Ref]*unstructured.Unstructured
}

// TestCharts lands charts side by side, each as users apply it, beside what others have in
// their way, and lands them again in the agent's next life, which changes nothing.
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
}

// each gives the orders of every chart, and then looks at one after the other.
func (c *chartTest) each(t *testing.T, phase string, orders func(*testing.T, *chart), look func(*testing.T, *chart)) {
	ok := t.Run(phase, func(t *testing.T) {
		for _, chart := range c.charts {
			orders(t, chart)
		}
		c.end = time.Now().Add(settleBound) // for all together
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
