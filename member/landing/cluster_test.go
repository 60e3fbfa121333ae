package landing

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
)

// TestNamespaceOfOthersAfterARefusal: a namespace that others have made is not listed as
// the work's, also when another object is refused and landing is tried again.
func TestNamespaceOfOthersAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		s.put(object(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`))
		s.put(object(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"shop","name":"web"}}`))
		l := begin(t, s)
		l.Give(shop(1))
		synctest.Wait() // it is refused once
		if status, _ := l.Status(web); status.State != federation.WorkFailed {
			t.Errorf("it was not refused: %+v", status)
		}
		s.edit("ConfigMap", nil)
		<-l.done
		inv, _ := l.inventory(web)
		for _, item := range inv.Items {
			if item.Kind == "Namespace" || item.UID == "" {
				t.Errorf("listed: %+v", item)
			}
		}
		l.end()
	})
}

// TestJobThatGoesByItself: a Job that has ended and is gone, as it asked for, is not
// landed again by the same order, and counts as ready.
func TestJobThatGoesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newAPIServer()
		l := begin(t, s)
		o := Order{Do: Land, Revision: 1, Prune: true, Work: federation.Work{Workload: web, Epoch: 1, WorkloadRevision: 1, Replicas: 2, Objects: []federation.Object{{
			APIVersion: "batch/v1", Kind: "Job", Namespace: "shop", Name: "web",
			Raw: json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"namespace":"shop","name":"web"},"spec":{"completions":2,"ttlSecondsAfterFinished":0}}`),
		}}}}
		l.land(o)
		s.edit("Job", nil)
		if later := l.Correct(web, time.Now(), false); !later.IsZero() {
			t.Error("it is to be corrected")
		}
		l.end()
		s.written()
		next := begin(t, s)
		next.land(o)
		if got := s.written(); got != "" {
			t.Errorf("wrote %s", got)
		}
		if status, _ := next.Status(web); status.State != federation.WorkReady || status.Ready != 2 {
			t.Errorf("status: %+v", status)
		}
		next.end()
	})
}

// TestMarkLeavesWhatIsNoText: labels that no API server takes are handed to it, not
// dropped; a group of none is like none.
func TestMarkLeavesWhatIsNoText(t *testing.T) {
	u := object(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web","labels":{"version":2,"app":"web"},"annotations":null}}`)
	if err := mark(u, federation.Work{Workload: web, Epoch: 7}); err != nil {
		t.Fatal(err)
	}
	labels, _, _ := unstructured.NestedMap(u.Object, "metadata", "labels")
	if len(labels) != 3 || labels["version"] != int64(2) || u.GetAnnotations()[epochAnnotation] != "7" {
		t.Errorf("marked: %v", u.Object)
	}
	u = object(`{"apiVersion":"v1","kind":"Service","metadata":{"namespace":"shop","name":"web","labels":["a"]}}`)
	if err := mark(u, federation.Work{Workload: web}); err == nil {
		t.Errorf("marked: %v", u.Object)
	}
}

// TestAggregatedRulesAreTheClusters: what a controller fills in is not put back.
func TestAggregatedRulesAreTheClusters(t *testing.T) {
	for text, there := range map[string]bool{
		`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"a"},"aggregationRule":{"clusterRoleSelectors":[]},"rules":[]}`: false,
		`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"a"},"rules":[]}`:                                               true,
	} {
		objects, err := objectsOf(federation.Work{Workload: web, Objects: []federation.Object{{Kind: "ClusterRole", Name: "a", Raw: json.RawMessage(text)}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, has := objects[0].Object["rules"]; has != there {
			t.Errorf("%s is landed as %v", text, objects[0].Object)
		}
	}
}

// TestNotesOfAnotherCluster: what an API server has noted about an object that was read
// from it is not landed.
func TestNotesOfAnotherCluster(t *testing.T) {
	objects, err := objectsOf(federation.Work{Workload: web, Objects: []federation.Object{{Kind: "Service", Name: "web", Raw: json.RawMessage(
		`{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","uid":"x","resourceVersion":"4711","generation":3,"creationTimestamp":"2024-01-02T03:04:05Z","managedFields":[{}],"selfLink":"/x","annotations":{"deployment.kubernetes.io/revision":"3"}}}`)}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	metadata, _, _ := unstructured.NestedMap(objects[0].Object, "metadata")
	delete(metadata, "labels")
	delete(metadata, "annotations")
	if len(metadata) != 1 || metadata["name"] != "web" || len(objects[0].GetAnnotations()) != 2 {
		t.Errorf("landed with %v", metadata)
	}
}
