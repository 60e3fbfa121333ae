package landing

import (
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
)

// Status is the present state of a workload here; ok is false when it has
// nothing here. Member, Incarnation, Sequence and ObservedAt are the caller's.
func (l *Lander) Status(k federation.Key) (s federation.WorkStatus, ok bool) {
	l.mu.Lock()
	w := l.works[k]
	if w == nil || w.inventory == nil {
		defer l.mu.Unlock()
		if w == nil || w.now == nil || w.now.Do != Land {
			return s, false
		}
		return pending(w), true
	}
	inv, failure, removing := w.inventory.clone(), w.failure, w.now != nil && w.now.Do == Remove
	l.mu.Unlock()
	s = l.statusOf(inv)
	switch {
	case removing:
		s.State, s.Message = federation.WorkRemoving, failure
	case failure != "":
		s.State, s.Message = federation.WorkFailed, failure
	case !inv.Whole && s.State == federation.WorkReady:
		s.State = federation.WorkProgressing
	}
	return s, true
}

// pending: the first order is under way, and nothing is written yet.
func pending(w *work) federation.WorkStatus {
	o := w.now.Work
	s := federation.WorkStatus{
		Workload: o.Workload, Epoch: o.Epoch, WorkloadRevision: o.WorkloadRevision, Replicas: o.Replicas,
		State: federation.WorkPending, Message: w.failure,
	}
	if w.failure != "" {
		s.State = federation.WorkFailed
	}
	return s
}

// statusOf sums the objects of an inventory up: the worst state counts.
func (l *Lander) statusOf(inv Inventory) federation.WorkStatus {
	s := federation.WorkStatus{
		Workload: inv.Workload, Epoch: inv.Epoch, WorkloadRevision: inv.WorkloadRevision, Replicas: inv.Replicas, State: federation.WorkReady,
	}
	for _, item := range inv.Items {
		o := federation.ObjectStatus{ID: federation.Object{APIVersion: item.APIVersion, Kind: item.Kind, Namespace: item.Namespace, Name: item.Name}.ID()}
		u, seen := l.look(item)
		switch {
		case !seen || u == nil && !inv.Whole:
			o.State = federation.WorkProgressing
		case u == nil:
			o.State, o.Message = federation.WorkFailed, "it was deleted in the cluster"
		default:
			o.State, o.Message = stateOf(u)
			s.Ready += readyOf(u)
			if n := l.opts.Views.Unscheduled(item.Ref); n > 0 {
				s.Unschedulable += n
				o.Message = fmt.Sprintf("%d pods find no node here; %s", n, o.Message)
			}
			if inv.Landing.Drift == "Report" && drifted(item, u) {
				o.Message = fmt.Sprintf("changed in the cluster: generation %d, landed %d", u.GetGeneration(), item.Generation)
			}
		}
		if worse(o.State, s.State) {
			s.State, s.Message = o.State, o.ID+": "+o.Message
		}
		s.Objects = append(s.Objects, o)
	}
	return s
}

// look returns the object of an item; seen is false while the cache is older than what
// was landed.
func (l *Lander) look(item Item) (u *unstructured.Unstructured, seen bool) {
	u, seen = l.opts.Views.Lookup(item.Ref, item.Version)
	return u, seen || u != nil && u.GetUID() == item.UID && u.GetGeneration() >= item.Generation
}

func worse(a, b federation.WorkState) bool { return severity(a) > severity(b) }

func severity(s federation.WorkState) int {
	switch s {
	case federation.WorkFailed:
		return 3
	case federation.WorkRemoving:
		return 2
	case federation.WorkProgressing:
		return 1
	}
	return 0
}

// stateOf maps what kstatus computes.
func stateOf(u *unstructured.Unstructured) (federation.WorkState, string) {
	r, err := status.Compute(u)
	if err != nil {
		return federation.WorkProgressing, err.Error()
	}
	switch r.Status {
	case status.CurrentStatus:
		return federation.WorkReady, ""
	case status.FailedStatus:
		return federation.WorkFailed, r.Message
	case status.TerminatingStatus:
		return federation.WorkRemoving, r.Message
	}
	return federation.WorkProgressing, r.Message
}

// readyOf counts the ready pods of an object that makes pods.
func readyOf(u *unstructured.Unstructured) int64 {
	field := ""
	switch u.GetKind() {
	case "Deployment", "StatefulSet", "ReplicaSet", "ReplicationController":
		field = "readyReplicas"
	case "DaemonSet":
		field = "numberReady"
	case "Job":
		ready, _, _ := unstructured.NestedInt64(u.Object, "status", "ready")
		succeeded, _, _ := unstructured.NestedInt64(u.Object, "status", "succeeded")
		return ready + succeeded
	default:
		return 0
	}
	n, _, _ := unstructured.NestedInt64(u.Object, "status", field)
	return n
}

// drifted: somebody else changed what Hansa wrote.
func drifted(item Item, u *unstructured.Unstructured) bool {
	return u.GetUID() != item.UID || item.Generation != 0 && u.GetGeneration() != item.Generation
}

// Correct lands the workload's last order again if the cluster has drifted from
// it and the work asks for that, at most once a second; later is when it wants
// to be called again, zero for never. With careful nothing is taken away, so what has
// more replicas than the order says is left alone. The caller has made sure that the
// workload may run here.
func (l *Lander) Correct(k federation.Key, now time.Time, careful bool) (later time.Time) {
	inv, there := l.inventory(k)
	o, idle := l.lastOf(k)
	if !there || !idle || !inv.Whole || inv.Landing.Drift == "Report" || !l.anyDrift(inv, o, careful) {
		return time.Time{}
	}
	l.mu.Lock()
	w := l.works[k]
	if due := w.corrected.Add(correctEvery); now.Before(due) {
		l.mu.Unlock()
		return due
	}
	w.corrected = now
	l.mu.Unlock()
	o.Careful, o.Prune = careful, o.Prune && !careful
	l.opts.Logger.Info("correcting drift", "workload", k.String())
	l.Give(o)
	return time.Time{}
}

// lastOf returns the last order that was carried out, unless another one is under way.
func (l *Lander) lastOf(k federation.Key) (o Order, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.works[k]
	if w == nil || w.last == nil || w.now != nil || w.next != nil {
		return Order{}, false
	}
	return *w.last, true
}

func (l *Lander) anyDrift(inv Inventory, o Order, careful bool) bool {
	for _, item := range inv.Items {
		u, seen := l.look(item)
		switch {
		case !seen || u != nil && (u.GetDeletionTimestamp() != nil || !drifted(item, u)):
		case u != nil && careful && takesAway(o.Work, u):
		default:
			return true
		}
	}
	return false
}
