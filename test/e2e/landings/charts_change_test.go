package landings

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
)

func (c *chartTest) second(t *testing.T, chart *chart) {
	for _, at := range chart.versions["1"].refs() {
		c.before[at] = c.others.get(t, at)
	}
	c.giveAll(chart.versions["2"])
}

// changes: an update leaves exactly what it says, and takes away exactly what is no more.
func (c *chartTest) changes(t *testing.T, chart *chart) {
	was, v := chart.versions["1"], chart.versions["2"]
	c.carriedAll(t, v)
	c.holds(t, v)
	now := v.refs()
	for _, old := range was.objects {
		at := kube.RefOf(old)
		i := slices.Index(now, at)
		if i < 0 {
			c.await(t, "gone", func() string { return uidOf(c.others.get(t, at)) })
			continue
		}
		live := c.others.get(t, at)
		if uid := uidOf(c.before[at]); uidOf(live) != uid && chart.immutable == "" {
			t.Errorf("%s was made anew", at)
		}
		for _, path := range taken(old, v.objects[i]) {
			if got, there, _ := unstructured.NestedFieldNoCopy(live.Object, path...); there {
				t.Errorf("%s still has %v: %v", at, path, got)
			}
		}
	}
	c.settled(t, chart, v)
}

func uidOf(u *unstructured.Unstructured) string {
	if u == nil {
		return "gone"
	}
	return string(u.GetUID())
}

// correcting lets drift be corrected from now on.
func (c *chartTest) correcting(_ *testing.T, chart *chart) {
	c.again(chart, "2", func(o *landing.Order) { o.Work.Landing.Drift = "Correct" })
}

func (c *chartTest) isLanded(t *testing.T, chart *chart) { c.carriedAll(t, chart.versions["2"]) }

// damage lets others write into every object, and take one away.
func (c *chartTest) damage(t *testing.T, chart *chart) {
	v := chart.versions["2"]
	c.writes.written(v.refs())
	spare, ok := v.spare()
	for _, at := range v.refs() {
		if !ok || at != spare { // an annotation that went with its object is drift
			c.others.annotate(t, at, "again")
		}
	}
	if ok {
		c.before[spare] = c.others.get(t, spare)
		c.others.remove(t, spare)
	}
}

// spare is the first object with which nothing else of the chart goes, and that no
// finalizer keeps.
func (v version) spare() (kube.Ref, bool) {
	for _, at := range v.refs() {
		switch at.Kind {
		case "CustomResourceDefinition", "Namespace", "ServiceAccount", "PersistentVolume", "PersistentVolumeClaim":
		default:
			return at, true
		}
	}
	return kube.Ref{}, false
}

// isCorrected: what was taken away is brought back; what others wrote is theirs.
func (c *chartTest) isCorrected(t *testing.T, chart *chart) {
	v := chart.versions["2"]
	at, ok := v.spare()
	if ok {
		c.await(t, "true", func() string {
			now := c.others.get(t, at)
			if now == nil || now.GetUID() == c.before[at].GetUID() {
				return "false"
			}
			return "true"
		})
	}
	c.settled(t, chart, v)
	for _, wrote := range c.writes.written(v.refs()) {
		if wrote != "create "+at.String() && !strings.HasPrefix(wrote, "apply ") { // which may say nothing new
			t.Errorf("it also wrote: %s", wrote)
		}
	}
}

// older gives an order of an older epoch.
func (c *chartTest) older(t *testing.T, chart *chart) {
	for _, at := range chart.versions["2"].refs() {
		c.before[at] = c.others.get(t, at)
	}
	c.again(chart, "1", func(o *landing.Order) { o.Do, o.Work.Epoch = landing.Remove, 1 })
}

func (c *chartTest) isGuarded(t *testing.T, chart *chart) {
	for _, o := range chart.versions["1"].orders {
		c.says(t, o, "runs here under epoch 2, above the order's 1")
	}
	for at, was := range c.before {
		if !slices.Contains(chart.versions["2"].refs(), at) {
			continue
		}
		if now := c.others.get(t, at); uidOf(now) != uidOf(was) || now.GetDeletionTimestamp() != nil {
			t.Errorf("%s was touched by an order of an older epoch", at)
		}
	}
}

func (c *chartTest) last(_ *testing.T, chart *chart) {
	c.again(chart, "2", func(o *landing.Order) { o.Do = landing.Remove })
}

func (c *chartTest) isGone(t *testing.T, chart *chart) {
	v := chart.versions["2"]
	c.carriedAll(t, v)
	for _, at := range v.refs() {
		if at.Kind == "Namespace" || at.Kind == "CustomResourceDefinition" {
			continue
		}
		if live := c.others.get(t, at); live != nil && !madeAnew(live) {
			t.Errorf("%s is left: %v", at, live.Object)
		}
	}
}

// madeAnew: the cluster applies the rules of an aggregated ClusterRole when the roles
// change that it is made of, and makes one anew that was deleted in that moment.
func madeAnew(u *unstructured.Unstructured) bool {
	return u.GetKind() == "ClusterRole" && u.GetLabels()[kube.ManagedLabel] == "" && len(u.GetAnnotations()) == 0 &&
		!slices.ContainsFunc(u.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Manager != "clusterrole-aggregation-controller" })
}

// mayStay: definitions, and namespaces in which there is what others have made, as the
// volumes of a StatefulSet.
func (c *chartTest) mayStay(t *testing.T, id string) bool {
	t.Helper()
	name, namespace := strings.CutPrefix(id, "Namespace ")
	if !namespace {
		return strings.HasPrefix(id, "CustomResourceDefinition ")
	}
	user, err := c.client.NamespaceUsers(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(user, "PersistentVolumeClaim ")
}

// leavesNothing: definitions stay, and namespaces that others have made.
func (c *chartTest) leavesNothing(t *testing.T) {
	t.Run("leaves nothing", func(t *testing.T) {
		c.end = time.Now().Add(settleBound)
		c.await(t, "", func() string {
			left := slices.DeleteFunc(c.others.marked(t, c.client), func(id string) bool { return c.mayStay(t, id) })
			return strings.Join(left, "\n")
		})
		for _, chart := range c.charts {
			if c.had[chart.name] != nil && c.others.get(t, kube.Ref{APIVersion: "v1", Kind: "Namespace", Name: chart.namespace}) == nil {
				t.Errorf("the namespace of others, %s, is gone", chart.namespace)
			}
		}
	})
}
