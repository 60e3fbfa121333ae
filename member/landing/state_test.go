package landing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

// TestStateOfBatchAndSets: what kstatus leaves out.
func TestStateOfBatchAndSets(t *testing.T) {
	const running = `"startTime":"2026-01-02T03:04:05Z"`
	for _, c := range []struct {
		name, kind, spec, status string
		want                     federation.WorkState
		message                  string
	}{
		{"job not started", "batch/v1/Job", `"completions":3`, ``, "Progressing", "Job not started"},
		{"job's pods start", "batch/v1/Job", `"parallelism":2,"completions":3`, running + `,"active":2,"ready":1`, "Progressing", "1 of 2 pods are ready, 0 succeeded"},
		{"job fails and retries", "batch/v1/Job", `"parallelism":1,"completions":1`, running + `,"active":1,"ready":0,"failed":2`, "Progressing", "0 of 1 pods are ready, 0 succeeded, 2 failed"},
		{"job runs", "batch/v1/Job", `"parallelism":2,"completions":3`, running + `,"active":2,"ready":2`, "Ready", ""},
		{"job's last pod", "batch/v1/Job", `"parallelism":2,"completions":3`, running + `,"active":1,"ready":1,"succeeded":2`, "Ready", ""},
		{"work queue empties", "batch/v1/Job", `"parallelism":3`, running + `,"active":1,"ready":1,"succeeded":1`, "Ready", ""},
		{"job suspended", "batch/v1/Job", `"suspend":true`, ``, "Ready", "suspended"},
		{"job complete", "batch/v1/Job", ``, running + `,"completionTime":"2026-01-02T03:05:05Z","succeeded":1,"conditions":[{"type":"Complete","status":"True"}]`, "Ready", ""},
		{
			"job failed", "batch/v1/Job", ``, running + `,"failed":7,"conditions":[{"type":"Failed","status":"True","reason":"BackoffLimitExceeded","message":"too often"}]`,
			"Failed", "BackoffLimitExceeded: too often",
		},
		{"cron job", "batch/v1/CronJob", ``, ``, "Ready", ""},
		{"cron job suspended", "batch/v1/CronJob", `"suspend":true`, ``, "Ready", "suspended"},
		{"cron job runs", "batch/v1/CronJob", ``, `"active":[{}],"lastScheduleTime":"2026-01-02T03:04:05Z"`, "Ready", ""},
		{"cron job ran", "batch/v1/CronJob", ``, `"lastScheduleTime":"2026-01-02T03:04:05Z","lastSuccessfulTime":"2026-01-02T03:04:09Z"`, "Ready", ""},
		{
			"cron job's run failed", "batch/v1/CronJob", ``, `"lastScheduleTime":"2026-01-02T03:05:00Z","lastSuccessfulTime":"2026-01-02T03:04:09Z"`,
			"Ready", "the run of 2026-01-02T03:05:00Z did not succeed",
		},
		{"set on delete starts", "apps/v1/StatefulSet", `"replicas":3,"updateStrategy":{"type":"OnDelete"}`, `"observedGeneration":1,"readyReplicas":1,"updatedReplicas":3`, "Progressing", "Ready: 1/3"},
		{
			"set on delete waits", "apps/v1/StatefulSet", `"replicas":3,"updateStrategy":{"type":"OnDelete"}`, `"observedGeneration":1,"readyReplicas":3,"updatedReplicas":1`,
			"Ready", "2 of 3 pods are of an older revision until they are deleted (OnDelete)",
		},
		{"set rolls", "apps/v1/StatefulSet", `"replicas":2`, `"observedGeneration":1,"replicas":2,"readyReplicas":1`, "Progressing", "Ready: 1/2"},
		{
			"daemons on delete", "apps/v1/DaemonSet", `"updateStrategy":{"type":"OnDelete"}`,
			`"observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":2,"numberAvailable":2,"updatedNumberScheduled":0`,
			"Ready", "2 of 2 pods are of an older revision",
		},
		{
			"daemons start", "apps/v1/DaemonSet", `"updateStrategy":{"type":"OnDelete"}`,
			`"observedGeneration":1,"desiredNumberScheduled":2,"currentNumberScheduled":2,"numberReady":1`, "Progressing", "Ready: 1/2",
		},
		{"daemons not seen", "apps/v1/DaemonSet", `"updateStrategy":{"type":"OnDelete"}`, ``, "Progressing", "observedGeneration not found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			version, kind := c.kind[:strings.LastIndex(c.kind, "/")], c.kind[strings.LastIndex(c.kind, "/")+1:]
			u := object(fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"a","generation":1},"spec":{%s},"status":{%s}}`, version, kind, c.spec, c.status))
			got, message := stateOf(u)
			if got != c.want || !strings.Contains(message, c.message) || (c.message == "") != (message == "") {
				t.Errorf("got %s %q, want %s %q", got, message, c.want, c.message)
			}
		})
	}
}

// TestRulesJudge: a rule tells the state of its kind in any version, others are told as
// ever.
func TestRulesJudge(t *testing.T) {
	var c compiler
	made := c.compile([]federation.StatusRule{
		{Name: "databases", Spec: federation.StatusRuleSpec{
			Target: federation.GroupKind{Group: "x.io", Kind: "Database"},
			Ready:  `object.status.phase == "up"`, ReadyReplicas: `object.status.ready`, Message: `object.spec.note`,
		}},
		{Name: "odd", Spec: federation.StatusRuleSpec{Target: federation.GroupKind{Kind: "ConfigMap"}, Ready: `not a rule`}},
		{Name: "open", Spec: federation.StatusRuleSpec{Target: federation.GroupKind{Group: "apps", Kind: "Deployment"}, Failed: `false`}},
	})
	for _, row := range []struct {
		name, object string
		want         verdict
	}{
		{"ready", `{"apiVersion":"x.io/v2","kind":"Database","metadata":{"name":"a","uid":"1","resourceVersion":"1"},"spec":{"note":"n"},"status":{"phase":"up","ready":2}}`, verdict{federation.WorkReady, "n", 2}},
		{
			"not seen yet", `{"apiVersion":"x.io/v1","kind":"Database","metadata":{"name":"a","generation":2,"resourceVersion":"2"},"spec":{"note":"n"},"status":{"phase":"up","ready":2,"observedGeneration":1}}`,
			verdict{federation.WorkProgressing, "n; its controller has not seen its present spec yet", 2},
		},
		{
			"error", `{"apiVersion":"x.io/v1","kind":"Database","metadata":{"name":"a","resourceVersion":"3"},"spec":{"note":"n"}}`,
			verdict{federation.WorkProgressing, "n; StatusRule databases: ready: no such key: status; readyReplicas: no such key: status", 0},
		},
		{"another group", `{"apiVersion":"y.io/v1","kind":"Database","metadata":{"name":"a"}}`, verdict{federation.WorkReady, "", 0}},
		{"not understood", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}`, verdict{federation.WorkProgressing, "StatusRule odd is not understood by this agent: ready: 1:5: Syntax error", 0}},
		{
			"left open", `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","generation":2},"spec":{"replicas":2},"status":{"observedGeneration":1,"readyReplicas":1}}`,
			verdict{federation.WorkProgressing, "Deployment generation is 2, but latest observed generation is 1", 1},
		},
		{"goes", `{"apiVersion":"x.io/v1","kind":"Database","metadata":{"name":"b","deletionTimestamp":"2026-01-02T03:04:05Z"},"status":{"phase":"up","ready":2}}`, verdict{federation.WorkRemoving, "Resource scheduled for deletion", 0}},
	} {
		got := made.judge(object(row.object))
		if got.state != row.want.state || got.ready != row.want.ready || !strings.HasPrefix(got.message, row.want.message) {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
	if c.compile(nil).name() != "" || made.name() == "" || c.compile(nil).judge(object(`{"kind":"X","metadata":{"name":"x"}}`)).state != federation.WorkReady {
		t.Error("no rules are not like no rules")
	}
}
