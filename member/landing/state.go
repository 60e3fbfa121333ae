package landing

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
)

// verdict is what is told of an object.
type verdict struct {
	state   federation.WorkState
	message string
	ready   int64 // pods, or what a rule counts as replicas
}

// conventions tells the state of an object by Kubernetes' conventions.
func conventions(u *unstructured.Unstructured) verdict {
	v := verdict{ready: readyOf(u)}
	v.state, v.message = stateOf(u)
	return v
}

// stateOf maps what kstatus computes, and adds what it leaves out.
func stateOf(u *unstructured.Unstructured) (federation.WorkState, string) {
	r, err := status.Compute(u)
	if err != nil {
		return federation.WorkProgressing, err.Error()
	}
	switch r.Status {
	case status.TerminatingStatus:
		return federation.WorkRemoving, r.Message
	case status.FailedStatus:
		return federation.WorkFailed, cmp.Or(failedCondition(u), r.Message)
	}
	if more := batchAndSets[u.GroupVersionKind().Group+"/"+u.GetKind()]; more != nil {
		if state, message := more(u); state != "" {
			return state, message
		}
	}
	if r.Status == status.CurrentStatus {
		return federation.WorkReady, ""
	}
	return federation.WorkProgressing, r.Message
}

// batchAndSets are the kinds that kstatus knows too little of. An empty state leaves it
// to kstatus.
var batchAndSets = map[string]func(*unstructured.Unstructured) (federation.WorkState, string){
	"batch/Job":        jobState,
	"batch/CronJob":    cronJobState,
	"apps/StatefulSet": statefulSetState,
	"apps/DaemonSet":   daemonSetState,
}

// jobState: a Job that runs is ready once as many pods are ready as can be at a time.
func jobState(u *unstructured.Unstructured) (federation.WorkState, string) {
	if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); suspended {
		return federation.WorkReady, "suspended: it runs nothing"
	}
	if text(u, "status", "completionTime") != "" || text(u, "status", "startTime") == "" {
		return "", ""
	}
	wanted, succeeded := number(u, 1, "spec", "parallelism"), number(u, 0, "status", "succeeded")
	if completions := number(u, -1, "spec", "completions"); completions >= 0 {
		wanted = min(wanted, completions-succeeded)
	} else if succeeded > 0 {
		wanted = number(u, 0, "status", "active") // nobody takes more from the queue
	}
	failures := ""
	if n := number(u, 0, "status", "failed"); n > 0 {
		failures = fmt.Sprintf(", %d failed", n)
	}
	if ready := number(u, 0, "status", "ready"); ready < wanted {
		return federation.WorkProgressing, fmt.Sprintf("%d of %d pods are ready, %d succeeded%s", ready, wanted, succeeded, failures)
	}
	return federation.WorkReady, ""
}

// endsOf counts the pods of a Job that goes by itself once they have ended.
func endsOf(u *unstructured.Unstructured) int64 {
	if _, goes, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "ttlSecondsAfterFinished"); !goes || u.GetKind() != "Job" {
		return 0
	}
	return number(u, number(u, 1, "spec", "parallelism"), "spec", "completions")
}

// cronJobState: a CronJob is ready when it is there; a run that went wrong is told, and
// is no reason to move it.
func cronJobState(u *unstructured.Unstructured) (federation.WorkState, string) {
	if suspended, _, _ := unstructured.NestedBool(u.Object, "spec", "suspend"); suspended {
		return federation.WorkReady, "suspended: it starts no Job"
	}
	active, _, _ := unstructured.NestedSlice(u.Object, "status", "active")
	began, err := time.Parse(time.RFC3339, text(u, "status", "lastScheduleTime"))
	if err != nil || len(active) > 0 {
		return federation.WorkReady, ""
	}
	if ended, err := time.Parse(time.RFC3339, text(u, "status", "lastSuccessfulTime")); err != nil || ended.Before(began) {
		return federation.WorkReady, "the run of " + began.UTC().Format(time.RFC3339) + " did not succeed"
	}
	return federation.WorkReady, ""
}

// statefulSetState: with OnDelete nobody waits for pods of the new revision, but for all
// to be ready.
func statefulSetState(u *unstructured.Unstructured) (federation.WorkState, string) {
	if text(u, "spec", "updateStrategy", "type") != onDelete {
		return "", ""
	}
	return setState(set{
		wanted: number(u, 1, "spec", "replicas"), ready: number(u, 0, "status", "readyReplicas"), updated: number(u, 0, "status", "updatedReplicas"),
		seen: observed(u),
	})
}

// daemonSetState is likewise.
func daemonSetState(u *unstructured.Unstructured) (federation.WorkState, string) {
	if text(u, "spec", "updateStrategy", "type") != onDelete {
		return "", ""
	}
	return setState(set{
		wanted: number(u, 0, "status", "desiredNumberScheduled"), ready: number(u, 0, "status", "numberReady"), updated: number(u, 0, "status", "updatedNumberScheduled"),
		seen: observed(u),
	})
}

const onDelete = "OnDelete"

// set counts the pods of an object that replaces them when somebody deletes them.
type set struct {
	wanted, ready, updated int64
	seen                   bool // the counts are of its present spec
}

func setState(s set) (federation.WorkState, string) {
	switch {
	case !s.seen:
		return "", ""
	case s.ready < s.wanted:
		return federation.WorkProgressing, fmt.Sprintf("Ready: %d/%d", s.ready, s.wanted)
	case s.updated < s.wanted:
		return federation.WorkReady, fmt.Sprintf("%d of %d pods are of an older revision until they are deleted (OnDelete)", s.wanted-s.updated, s.wanted)
	}
	return federation.WorkReady, ""
}

// observed reports whether the object's controller has seen its present spec.
func observed(u *unstructured.Unstructured) bool {
	return number(u, -1, "status", "observedGeneration") >= u.GetGeneration()
}

// failedCondition says why an object has failed, in the words of who found out.
func failedCondition(u *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		fields, _ := c.(map[string]any)
		kind, _ := fields["type"].(string)
		reason, _ := fields["reason"].(string)
		message, _ := fields["message"].(string)
		if (kind == "Failed" || kind == "Stalled") && fields["status"] == "True" && message != "" {
			return reason + ": " + message
		}
	}
	return ""
}

func text(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

func number(u *unstructured.Unstructured, otherwise int64, path ...string) int64 {
	n, there, err := unstructured.NestedInt64(u.Object, path...)
	if err != nil || !there {
		return otherwise
	}
	return n
}

// readyOf counts the ready pods of an object that makes pods.
func readyOf(u *unstructured.Unstructured) int64 {
	switch u.GetKind() {
	case "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController":
		return number(u, 0, "status", "readyReplicas")
	case "DaemonSet":
		return number(u, 0, "status", "numberReady")
	case "Job":
		return number(u, 0, "status", "ready") + number(u, 0, "status", "succeeded")
	}
	return 0
}
