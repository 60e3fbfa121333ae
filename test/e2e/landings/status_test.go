package landings

import (
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

const databases = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: databases.db.example.com}
spec:
  group: db.example.com
  scope: Namespaced
  names: {kind: Database, plural: databases, singular: database, listKind: DatabaseList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    subresources: {status: {}}
---
apiVersion: db.example.com/v1
kind: Database
metadata: {namespace: shop, name: orders}
spec: {instances: 2}`

// checkRules: a rule tells the state of a custom resource, what goes wrong with it is
// told, and a changed rule tells it anew without writing anything into the cluster.
func checkRules(t *testing.T, s *site) {
	status := func(json string) {
		s.kubectl(t, "-n", "shop", "patch", "databases.db.example.com", "orders", "--subresource=status", "--type=merge", "-p", `{"status":`+json+`}`)
	}
	rule := federation.StatusRuleSpec{
		Target: federation.GroupKind{Group: "db.example.com", Kind: "Database"},
		Ready:  `object.status.phase == "Running"`, Failed: `object.?status.?phase.orValue("") == "Broken"`,
		Replicas: `object.spec.instances`, ReadyReplicas: `object.?status.?ready.orValue(0)`,
	}
	o := order(t, "orders", federation.LandingSpec{}, databases)
	o.Work.StatusRules = []federation.StatusRule{{Name: "databases", Spec: rule}}
	s.carry(t, o)
	told := func(state federation.WorkState, ready int64, message string) {
		t.Helper()
		s.until(t, o, "is "+string(state)+" with "+message, func(w federation.WorkStatus) bool {
			return w.State == state && w.Ready == ready && strings.Contains(w.Message, message) && (message == "") == (w.Message == "")
		})
	}
	told(federation.WorkProgressing, 0, "StatusRule databases: ready: no such key: status")
	status(`{"phase":"Starting","ready":1}`)
	told(federation.WorkProgressing, 1, "1 of 2 replicas are ready")
	status(`{"phase":"Running","ready":2}`)
	told(federation.WorkReady, 2, "")
	status(`{"phase":"Broken","ready":0}`)
	told(federation.WorkFailed, 0, "0 of 2 replicas are ready")

	before := s.kubectl(t, "-n", "shop", "get", "databases.db.example.com", "orders", "-o", "jsonpath={.metadata.resourceVersion}")
	rule.Failed, rule.Ready, rule.Message = "", `object.status.phase != "Running"`, `"phase " + object.status.phase`
	revisions++
	o.Revision = revisions
	o.Work.StatusRules = []federation.StatusRule{{Name: "databases", Spec: rule}}
	s.carry(t, o)
	s.until(t, o, "is told by the new rule", func(w federation.WorkStatus) bool {
		return w.State == federation.WorkReady && w.RulesDigest == federation.RulesDigest(o.Work.StatusRules) && strings.Contains(w.Objects[len(w.Objects)-1].Message, "phase Broken")
	})
	if after := s.kubectl(t, "-n", "shop", "get", "databases.db.example.com", "orders", "-o", "jsonpath={.metadata.resourceVersion}"); after != before {
		t.Errorf("a new rule wrote into the cluster: version %s became %s", before, after)
	}
	s.remove(t, o)
}

// checkSets: states that kstatus does not know, as real controllers and the API server
// lead to them.
func checkSets(t *testing.T, s *site) {
	text := `apiVersion: batch/v1
kind: CronJob
metadata: {namespace: shop, name: nightly}
spec: {schedule: "0 3 * * *", suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: example/main}]}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {namespace: shop, name: later}
spec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: main, image: example/main}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {namespace: shop, name: ledger}
spec:
  replicas: 2
  serviceName: ledger
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: ledger}}
  template: {metadata: {labels: {app: ledger}}, spec: {containers: [{name: main, image: "example/main:1"}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {namespace: shop, name: agent}
spec:
  updateStrategy: {type: OnDelete}
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: main, image: "example/main:1"}]}}`
	o := order(t, "sets", federation.LandingSpec{}, text)
	s.carry(t, o)
	message := func(w federation.WorkStatus, name string) string {
		for _, object := range w.Objects {
			if strings.HasSuffix(object.ID, "/"+name) {
				return string(object.State) + " " + object.Message
			}
		}
		return ""
	}
	s.until(t, o, "is ready", func(w federation.WorkStatus) bool {
		return w.State == federation.WorkReady && w.Ready == 4 &&
			message(w, "nightly") == "Ready suspended: it starts no Job" && message(w, "later") == "Ready suspended: it runs nothing"
	})
	o = order(t, "sets", federation.LandingSpec{}, strings.ReplaceAll(text, "example/main:1", "example/main:2"))
	s.carry(t, o)
	s.until(t, o, "tells of pods that wait for their deletion", func(w federation.WorkStatus) bool {
		const old = "Ready 2 of 2 pods are of an older revision until they are deleted (OnDelete)"
		return w.State == federation.WorkReady && message(w, "ledger") == old && message(w, "agent") == old
	})
	s.remove(t, o)
}

// checkAutoscaler: replicas of what an autoscaler targets are not put back, other fields
// are; without the autoscaler they are put back again.
func checkAutoscaler(t *testing.T, s *site) {
	text := web("scaled", 1)
	o := order(t, "scaled", federation.LandingSpec{}, text)
	s.carry(t, o)
	s.kubectl(t, "-n", "shop", "autoscale", "deployment", "scaled", "--name=scaler", "--min=3", "--max=5", "--cpu=80%")
	replicas := func() string {
		return s.kubectl(t, "-n", "shop", "get", "deployment", "scaled", "-o", "jsonpath={.spec.replicas} {.metadata.labels.app}")
	}
	s.await(t, "3 scaled", replicas) // by the real controller: fewer than its least
	s.until(t, o, "tells whose replicas they are", func(w federation.WorkStatus) bool {
		return len(w.Objects) > 0 && strings.Contains(w.Objects[0].Message+w.Objects[len(w.Objects)-1].Message, "its replicas, 3, are those of HorizontalPodAutoscaler scaler")
	})
	s.kubectl(t, "-n", "shop", "label", "deployment", "scaled", "app=other", "--overwrite")
	s.await(t, "3 scaled", replicas)
	s.carry(t, order(t, "scaled", federation.LandingSpec{}, strings.Replace(text, "example/main:1", "example/main:2", 1)))
	if got := replicas(); got != "3 scaled" {
		t.Errorf("a new order puts the replicas back: %s", got)
	}
	s.kubectl(t, "-n", "shop", "delete", "horizontalpodautoscaler", "scaler")
	s.kubectl(t, "-n", "shop", "label", "deployment", "scaled", "app=other", "--overwrite")
	s.await(t, "1 scaled", replicas)
	s.remove(t, o)
}
