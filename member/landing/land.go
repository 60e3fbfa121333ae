package landing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/admit"
	"github.com/hansa-io/hansa/member/kube"
)

// The annotations of what Hansa makes; package placement/manifest writes the same.
const (
	workloadAnnotation = admit.Annotation
	epochAnnotation    = "hansa.io/epoch"
)

// crdEvery is how often a new CustomResourceDefinition is looked at until it is
// served, at most crdTimes times.
const (
	crdEvery = 50 * time.Millisecond
	crdTimes = 200
)

// plan is what landing a work will do.
type plan struct {
	Order
	objects []*unstructured.Unstructured
	old     Inventory // before
	inv     Inventory // after
	settled bool      // old is of this very order, or of one that says the same, so that only what has changed is written
}

// plan writes down what will be landed, so that a crash forgets nothing of it. Where
// everything stands there is nothing to land, and nothing is written.
func (l *Lander) plan(ctx context.Context, o Order) (plan, error) {
	objects, err := objectsOf(o.Work, l.guardEnv(o.Work.Workload))
	if err != nil {
		return plan{}, err
	}
	if err := l.yield(ctx, o.Work.Workload, objects); err != nil {
		return plan{}, err
	}
	l.remember(o.Work.Workload, objects)
	old, _ := l.inventory(o.Work.Workload)
	p := plan{Order: o, objects: objects, old: old, settled: old.settled(o) || l.repeats(old, o)}
	if !p.settled {
		l.forgetDrift(o.Work.Workload)
	}
	if l.standing(p) {
		l.rename(old, o.Revision)
		p.objects, p.inv = nil, old
		return p, nil
	}
	inv := old.clone()
	inv.Epoch, inv.WorkloadRevision, inv.Replicas, inv.Landing, inv.Whole = o.Work.Epoch, o.Work.WorkloadRevision, o.Work.Replicas, o.Work.Landing, false
	inv.Variant = o.Work.Variant
	inv.Revision = o.Revision
	for _, u := range objects {
		if _, known := inv.find(kube.RefOf(u)); !known {
			inv.set(Item{Ref: kube.RefOf(u)})
		}
	}
	p.inv = inv
	return p, l.write(ctx, inv)
}

// land brings the cluster to what the work says. An object that is refused does not
// keep the others from it, but for webhooks, which might refuse it for good; nothing is
// pruned then.
func (l *Lander) land(ctx context.Context, p plan) error {
	whole := true
	var refusals []error
	for _, u := range p.objects {
		if len(refusals) > 0 && rank(u.GetKind()) == webhookRank {
			break
		}
		leave, err := l.leaves(ctx, p, u)
		if err == nil && leave {
			whole = whole && p.settled // what is left as it is has drifted; it is no other order's
			continue
		}
		var item Item
		if err == nil {
			item, err = l.landOne(ctx, p, u)
		}
		l.refuse(p.Work.Workload, kube.RefOf(u), err)
		switch {
		case refused(err):
			refusals = append(refusals, err)
			continue
		case err != nil:
			return said(append(refusals, err))
		case item.UID == "": // others' namespace: not ours to list
			p.inv.Items = slices.DeleteFunc(p.inv.Items, func(i Item) bool { return i.Ref == item.Ref })
			continue
		}
		p.inv.set(item)
		l.follow(item.Ref)
	}
	if len(refusals) == 0 && p.Prune {
		if err := l.prune(ctx, &p); err != nil {
			return err
		}
	}
	p.inv.Whole = whole && len(refusals) == 0
	l.noted(p.inv)
	return said(refusals)
}

// said makes one line of what was refused.
func said(errs []error) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return fmt.Errorf("%w; and %d more", errs[0], len(errs)-1)
}

// objectsOf parses the work's objects, adds the namespaces that they need, gives env
// to guarded pods, and puts them in landing order.
func objectsOf(w federation.Work, env map[string]string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	have := map[string]bool{"default": true, "": true}
	for _, o := range w.Objects {
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(o.Raw, &u.Object); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", o.ID(), w.Workload, err)
		}
		if u.GetKind() == "Namespace" {
			have[u.GetName()] = true
		}
		out = append(out, u)
	}
	for _, u := range slices.Clone(out) {
		if ns := u.GetNamespace(); !have[ns] {
			have[ns] = true
			out = append(out, &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns},
			}})
		}
	}
	for _, u := range out {
		leaveFilled(u)
		if err := mark(u, w); err != nil {
			return nil, fmt.Errorf("%s of %s: it cannot be marked: %w", kube.RefOf(u), w.Workload, err)
		}
		if w.Continuity != federation.AtMostOne {
			continue
		}
		if err := markPods(u, w.Workload); err != nil {
			return nil, fmt.Errorf("%s of %s: its pods cannot be marked: %w", kube.RefOf(u), w.Workload, err)
		}
		if err := guardPods(u, env); err != nil {
			return nil, fmt.Errorf("%s of %s: its guard cannot be told where to ask: %w", kube.RefOf(u), w.Workload, err)
		}
	}
	slices.SortStableFunc(out, func(a, b *unstructured.Unstructured) int { return sequence(kube.RefOf(a), kube.RefOf(b)) })
	return out, nil
}

// landOne writes one object. The item has no UID when the object belongs to others and
// is left to them. What is new is created, which cannot take what others made in the
// same moment, and costs half of an apply.
func (l *Lander) landOne(ctx context.Context, p plan, u *unstructured.Unstructured) (Item, error) {
	r := kube.RefOf(u)
	known, ok := p.old.find(r)
	known.Ref = r
	if (p.settled || l.tried(p.Work.Workload, r)) && l.stands(p.old, u) {
		return known, nil
	}
	if ok && known.UID != "" {
		if known.Taken {
			markTaken(u)
		}
		if p.settled {
			l.correcting(ctx, p.Work.Workload, u)
		}
		u.SetUID(known.UID) // of no other object of that name
		if item, err := l.apply(ctx, p.Work, u, known); !errors.Is(err, kube.ErrConflict) {
			return item, err
		}
		u.SetUID("")
	}
	if r.Kind == "Namespace" && onlyMarked(u) {
		return l.space(ctx, p, u)
	}
	return l.create(ctx, p, u, known)
}

// create makes what is not there; known is what the inventory has of it, if anything.
func (l *Lander) create(ctx context.Context, p plan, u *unstructured.Unstructured, known Item) (Item, error) {
	r := kube.RefOf(u)
	out, err := l.opts.Cluster.Create(ctx, u)
	if errors.Is(err, kube.ErrExists) {
		may, err := l.mayTake(ctx, p.Work, u, known)
		if err == nil && may == leaveIt && r.Kind == definition {
			err = l.established(ctx, r)
		}
		if may == leaveIt || err != nil {
			return Item{Ref: r}, err
		}
		if may == takeIt {
			markTaken(u)
		}
		return l.apply(ctx, p.Work, u, Item{Created: may == itIsOurs})
	}
	if err == nil && r.Kind == definition {
		err = l.established(ctx, r)
	}
	if err != nil {
		return Item{}, err
	}
	return itemOf(out, true), nil
}

// apply changes what is there. Fields that belong to a creation are first given to
// server-side apply, which could never remove them otherwise.
func (l *Lander) apply(ctx context.Context, w federation.Work, u *unstructured.Unstructured, known Item) (Item, error) {
	r := kube.RefOf(u)
	if known.Created {
		if err := l.opts.Cluster.Adopt(ctx, r); err != nil && !errors.Is(err, kube.ErrNotFound) {
			return Item{}, err
		}
	}
	out, err := l.opts.Cluster.Apply(ctx, u, false)
	if errors.Is(err, kube.ErrImmutable) {
		return l.recreate(ctx, w, u, err)
	}
	if err == nil && r.Kind == definition {
		err = l.established(ctx, r)
	}
	if err != nil {
		return Item{}, err
	}
	return itemOf(out, false), nil
}

// space makes a namespace, one work at a time: a thousand works of one namespace that
// come together ask the API server for it once.
func (l *Lander) space(ctx context.Context, p plan, u *unstructured.Unstructured) (Item, error) {
	r := kube.RefOf(u)
	turn := l.spaces.turn(r.Name)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return Item{}, ctx.Err()
	}
	defer func() { <-turn }()
	if live, _ := l.opts.Views.Lookup(r, ""); live != nil && live.GetDeletionTimestamp() == nil {
		return itemOf(live, false), nil // ours, as Views are
	}
	if item, fresh := l.spaces.recent(r.Name); fresh {
		return item, nil // the cache is about to have it
	}
	item, err := l.create(ctx, p, u, Item{})
	if err == nil {
		l.spaces.made(r.Name, item)
	}
	return item, err
}

// itemOf lists what was just written.
func itemOf(u *unstructured.Unstructured, created bool) Item {
	return Item{
		Ref: kube.RefOf(u), UID: u.GetUID(), Generation: u.GetGeneration(), Version: u.GetResourceVersion(),
		Created: created, Taken: isTaken(u), Ends: endsOf(u),
	}
}

// onlyMarked: nobody asks anything of the object but that it is there.
func onlyMarked(u *unstructured.Unstructured) bool {
	return len(u.GetLabels()) == 1 && len(u.GetAnnotations()) == 0 && u.Object["spec"] == nil
}

// Owner is the workload that an object was landed for.
func Owner(u kube.Annotated) (federation.Key, bool) {
	k, err := federation.ParseKey(u.GetAnnotations()[workloadAnnotation])
	return k, err == nil
}

func ours(u *unstructured.Unstructured) bool { return u.GetLabels()[kube.ManagedLabel] == "true" }

// checkOwner refuses an object of another workload, or of a newer order.
func checkOwner(live *unstructured.Unstructured, w federation.Work) error {
	owner := live.GetAnnotations()[workloadAnnotation]
	if owner != "" && owner != w.Workload.String() {
		return refusef("%s belongs to workload %s: let one Placement select it", kube.RefOf(live), owner)
	}
	if epoch := epochOf(live); epoch > w.Epoch {
		return refusef("%s is there under epoch %d, above the order's %d", kube.RefOf(live), epoch, w.Epoch)
	}
	return nil
}

func epochOf(u *unstructured.Unstructured) federation.Epoch {
	n, err := strconv.ParseUint(u.GetAnnotations()[epochAnnotation], 10, 64)
	if err != nil {
		return 0 // nobody's
	}
	return federation.Epoch(n)
}

// bare is an object without what the server adds and without Hansa's marks.
func bare(u *unstructured.Unstructured) map[string]any {
	u = u.DeepCopy()
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	delete(labels, kube.ManagedLabel)
	delete(annotations, workloadAnnotation)
	delete(annotations, epochAnnotation)
	delete(annotations, takenAnnotation)
	delete(u.Object, "metadata")
	delete(u.Object, "status")
	if len(labels) > 0 {
		u.SetLabels(labels)
	}
	if len(annotations) > 0 {
		u.SetAnnotations(annotations)
	}
	return u.Object
}

// established waits until a CustomResourceDefinition is served: the API server lists its
// kind some time after it says so.
func (l *Lander) established(ctx context.Context, r kube.Ref) error {
	for range crdTimes {
		u, err := l.opts.Cluster.Get(ctx, r)
		if err != nil {
			return err
		}
		if kube.Established(u) && l.listed(ctx, u) {
			return nil
		}
		if err := pause(ctx, crdEvery); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is not served %v after it was applied: look at its status", r, crdTimes*crdEvery)
}

// listed reports whether the API server lists the kind of a definition.
func (l *Lander) listed(ctx context.Context, crd *unstructured.Unstructured) bool {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		version, ok := v.(map[string]any)
		if !ok || version["served"] != true {
			continue
		}
		_, err := l.opts.Cluster.Get(ctx, kube.Ref{APIVersion: fmt.Sprintf("%s/%v", group, version["name"]), Kind: kind, Namespace: "default", Name: "any"})
		return !errors.Is(err, kube.ErrNoKind)
	}
	return true // it serves nothing
}

// pause waits for d unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
