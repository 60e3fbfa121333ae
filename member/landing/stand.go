package landing

import (
	"context"
	"errors"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// settled reports whether the inventory is that of exactly this order, carried out to
// its end. Pods that run once are told where this agent listens, so their works are
// landed anew by each of its lives.
func (inv Inventory) settled(o Order) bool {
	w := o.Work
	return inv.Whole && o.Revision != 0 && inv.Revision == o.Revision && inv.Epoch == w.Epoch &&
		inv.WorkloadRevision == w.WorkloadRevision && inv.Replicas == w.Replicas && w.Continuity != federation.AtMostOne
}

// repeats reports whether the order says what the last one said: a hub that restarts
// writes its works anew. One with Secrets is never the same: they are sealed anew too.
func (l *Lander) repeats(old Inventory, o Order) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.work(o.Work.Workload).last
	return last != nil && old.settled(*last) && reflect.DeepEqual(landedOf(last.Work), landedOf(o.Work))
}

// landedOf is what of a work is written into the cluster: how its state is told is not.
func landedOf(w federation.Work) federation.Work {
	w.StatusRules = nil
	return w
}

// rename notes under which revision what stands was ordered last.
func (l *Lander) rename(old Inventory, r federation.Revision) {
	if old.Revision != r {
		old.Revision = r
		l.noted(old)
	}
}

// standing reports whether there is nothing to write: what the order asks for was
// landed by an earlier one, or an earlier life, and is as it was left.
func (l *Lander) standing(p plan) bool {
	if !p.settled {
		return false
	}
	wanted := map[kube.Ref]bool{}
	for _, u := range p.objects {
		wanted[kube.RefOf(u)] = true
		if p.Work.Landing.Drift != driftReport && !l.stands(p.old, u) {
			return false
		}
	}
	for _, item := range p.old.Items {
		if p.Prune && !wanted[item.Ref] {
			return false
		}
	}
	return true
}

// stands reports whether the object is as it was left when the inventory was settled.
// Of kinds that count no generations the content is compared when something was
// written, which may have been a status.
func (l *Lander) stands(old Inventory, u *unstructured.Unstructured) bool {
	r := kube.RefOf(u)
	item, listed := old.find(r)
	if !listed {
		return r.Kind == "Namespace" || r.Kind == definition // it is left to others
	}
	live, seen := l.look(item)
	switch {
	case seen && live == nil && item.Ends > 0:
		return true
	case !seen || live == nil || live.GetUID() != item.UID || live.GetDeletionTimestamp() != nil:
		return false
	case item.Generation != 0:
		return live.GetGeneration() == item.Generation && marksOf(u).on(live)
	}
	if live.GetResourceVersion() == item.Version {
		return true
	}
	same := contains(live.Object, u.Object)
	if same {
		l.found(old.Workload, r, drift{stamp: stampOf(live)})
	}
	return same
}

// contains reports whether have is as want says; it may have more fields.
func contains(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		fields, ok := have.(map[string]any)
		for name, v := range want {
			if !ok || !contains(fields[name], v) {
				return false
			}
		}
		return ok || len(want) == 0
	case []any:
		list, ok := have.([]any)
		if !ok || len(list) != len(want) {
			return false
		}
		for i := range want {
			if !contains(list[i], want[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}

// leaves reports whether a careful order leaves the object as it is: it would take
// replicas away.
func (l *Lander) leaves(ctx context.Context, p plan, u *unstructured.Unstructured) (bool, error) {
	if !p.Careful || len(scales(u)) == 0 {
		return false, nil
	}
	live, err := l.opts.Cluster.Get(ctx, kube.RefOf(u))
	if errors.Is(err, kube.ErrNotFound) {
		return false, nil
	}
	return err == nil && scalesDown(live, u), err
}

// scaleFields say how many pods an object makes, or may make.
var scaleFields = []string{"replicas", "parallelism", "minReplicas", "maxReplicas"}

func scales(u *unstructured.Unstructured) map[string]int64 {
	out := map[string]int64{}
	for _, field := range scaleFields {
		if n, there, err := unstructured.NestedInt64(u.Object, "spec", field); there && err == nil {
			out[field] = n
		}
	}
	return out
}

// scalesDown reports whether less is wanted than there is.
func scalesDown(live, wanted *unstructured.Unstructured) bool {
	now := scales(live)
	for field, n := range scales(wanted) {
		if now[field] > n {
			return true
		}
	}
	return false
}

// takesAway reports whether landing the work again would take replicas from the object.
func takesAway(w federation.Work, live *unstructured.Unstructured) bool {
	for _, o := range w.Objects {
		if o.Kind != live.GetKind() || o.Name != live.GetName() || o.Namespace != live.GetNamespace() {
			continue
		}
		u := &unstructured.Unstructured{}
		return json.Unmarshal(o.Raw, &u.Object) == nil && scalesDown(live, u)
	}
	return false
}
