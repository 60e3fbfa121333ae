package landing

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// driftReport is the word for leaving drift as it is.
const driftReport = "Report"

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
	rules := w.rules
	l.mu.Unlock()
	s = l.statusOf(inv, rules)
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
		State: federation.WorkPending, Message: w.failure, RulesDigest: w.rules.name(), Variant: o.Variant,
	}
	if w.failure != "" {
		s.State = federation.WorkFailed
	}
	return s
}

// statusOf sums the objects of an inventory up: the worst state counts.
func (l *Lander) statusOf(inv Inventory, rules *rules) federation.WorkStatus {
	s := federation.WorkStatus{
		Workload: inv.Workload, Epoch: inv.Epoch, WorkloadRevision: inv.WorkloadRevision, Replicas: inv.Replicas, State: federation.WorkReady,
		RulesDigest: rules.name(), Variant: inv.Variant,
	}
	for _, item := range inv.Items {
		u, seen := l.look(item)
		if item.Leaving && u == nil {
			continue
		}
		o := federation.ObjectStatus{ID: federation.Object{APIVersion: item.APIVersion, Kind: item.Kind, Namespace: item.Namespace, Name: item.Name}.ID()}
		switch {
		case item.Leaving:
			o.State, o.Message = federation.WorkRemoving, "is being deleted"+held(u.GetFinalizers())
		case !seen:
			o.State, o.Message = federation.WorkProgressing, "objects of its kind are being read"
		case u == nil && !inv.Whole:
			o.State, o.Message = federation.WorkProgressing, "it is being landed"
		case u == nil && item.Ends > 0:
			o.State, o.Message = federation.WorkReady, "it ended, and is gone as its ttlSecondsAfterFinished says"
			s.Ready += item.Ends
		case u == nil:
			o.State, o.Message = federation.WorkFailed, "it was deleted in the cluster"
		default:
			v := rules.judge(u)
			o.State, o.Message = v.state, v.message
			s.Ready += v.ready
			s.Unschedulable += l.opts.Views.Unscheduled(item.Ref)
			l.detail(inv.Workload, item.Ref, u, &o)
		}
		l.refusalOf(inv.Workload, item.Ref, &o)
		if worse(o.State, s.State) && !item.Leaving {
			s.State, s.Message = o.State, o.ID+": "+o.Message
		}
		s.Objects = append(s.Objects, o)
	}
	return s
}

// detail adds why pods do not run, and what others have changed.
func (l *Lander) detail(k federation.Key, r kube.Ref, u *unstructured.Unstructured, o *federation.ObjectStatus) {
	lines := l.opts.Views.Troubles(r)
	l.mu.Lock()
	d := l.work(k).drifts[r]
	l.mu.Unlock()
	if len(d.fields) > 0 && (!d.corrected.IsZero() || d.stamp == stampOf(u)) {
		o.Drift, o.CorrectedAt = d.fields, d.corrected
		if d.corrected.IsZero() {
			lines = append(lines, "changed in the cluster: "+d.fields[0].Path+more(len(d.fields)-1))
		}
	}
	if o.Message != "" {
		lines = append(lines, o.Message)
	}
	if name := l.autoscalerOf(k, r); name != "" {
		lines = append(lines, fmt.Sprintf("its replicas, %d, are those of HorizontalPodAutoscaler %s", number(u, 1, "spec", "replicas"), name))
	}
	o.Message = strings.Join(lines, "; ")
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// refusalOf tells why an object could not be landed.
func (l *Lander) refusalOf(k federation.Key, r kube.Ref, o *federation.ObjectStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.work(k).refusals[r]; why != "" {
		o.State, o.Message = federation.WorkFailed, why
	}
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
