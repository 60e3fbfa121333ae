package landing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// Deleted objects are looked at until they are gone, after goneEvery at first and then
// less and less often.
const (
	goneEvery  = 50 * time.Millisecond
	goneAtMost = time.Second
)

// remove removes what the order says and returns when it is proven gone.
func (l *Lander) remove(ctx context.Context, o Order) error {
	inv, there := l.inventory(o.Work.Workload)
	if !there {
		return nil
	}
	if inv.Epoch > o.Work.Epoch {
		return fmt.Errorf("%s runs here under epoch %d, above the order's %d", o.Work.Workload, inv.Epoch, o.Work.Epoch)
	}
	var waits []kube.Ref
	for _, item := range slices.Backward(inv.Items) {
		if o.Do == Stop && !runs(item.Kind) {
			continue
		}
		there, err := l.removeOne(ctx, o.Work, item.Ref, policyOf(item.Kind, o.Work.Landing))
		if err != nil {
			return err
		}
		if there && item.Kind != "Namespace" {
			waits = append(waits, item.Ref)
		}
	}
	if err := l.gone(ctx, o.Work, waits); err != nil || o.Do == Stop {
		return err
	}
	if err := l.removeNamespaces(ctx, o.Work, inv); err != nil {
		return err
	}
	return l.deleteInventory(ctx, o.Work.Workload)
}

// removeOne asks for the deletion of one object if it is ours to delete, and
// reports whether it is still there.
func (l *Lander) removeOne(ctx context.Context, w federation.Work, r kube.Ref, policy metav1.DeletionPropagation) (there bool, err error) {
	if r.Kind == "Namespace" {
		return false, nil
	}
	live, err := l.opts.Cluster.Get(ctx, r)
	if errors.Is(err, kube.ErrNotFound) || errors.Is(err, kube.ErrNoKind) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !ours(live) || checkOwner(live, w) != nil {
		return false, nil
	}
	if w.Landing.Deletion == "Orphan" || isTaken(live) {
		return false, l.release(ctx, r)
	}
	if r.Kind == definition { // any workload may have it from now on
		return false, l.opts.Cluster.Merge(ctx, r, []byte(`{"metadata":{"annotations":{"`+workloadAnnotation+`":null,"`+epochAnnotation+`":null}}}`))
	}
	if live.GetDeletionTimestamp() != nil {
		return true, nil
	}
	err = l.opts.Cluster.Delete(ctx, r, live.GetUID(), policy)
	if err != nil && !errors.Is(err, kube.ErrNotFound) {
		return true, err
	}
	return true, nil
}

// gone waits until none of the objects is there. What holds one back for long is told
// in the work's status.
func (l *Lander) gone(ctx context.Context, w federation.Work, waits []kube.Ref) error {
	began, told := time.Now(), ""
	for every := goneEvery; ; every = min(2*every, goneAtMost) {
		left, err := l.left(ctx, w, waits)
		if err != nil || len(left) == 0 {
			return err
		}
		if now := strings.Join(left, ", "); now != told && time.Since(began) >= l.opts.Patience {
			told = now
			l.tell(w.Workload, fmt.Sprintf("waits for %v until these are deleted: %s", l.opts.Patience, now))
		}
		if err := pause(ctx, every); err != nil {
			return fmt.Errorf("%s is still there: %w", strings.Join(left, ", "), err)
		}
	}
}

// left lists which of the objects are there, with what holds them.
func (l *Lander) left(ctx context.Context, w federation.Work, waits []kube.Ref) ([]string, error) {
	var left []string
	for _, r := range waits {
		live, err := l.opts.Cluster.Get(ctx, r)
		switch {
		case errors.Is(err, kube.ErrNotFound) || errors.Is(err, kube.ErrNoKind):
		case err != nil:
			return nil, err
		case ours(live) && checkOwner(live, w) == nil:
			left = append(left, r.String()+held(live.GetFinalizers()))
		}
	}
	return left, nil
}

// tell puts a line into the work's status until the attempt ends.
func (l *Lander) tell(k federation.Key, text string) {
	l.mu.Lock()
	w := l.work(k)
	l.mu.Unlock()
	if l.fail(w, text) {
		l.opts.Logger.Warn("deletion takes long", "workload", k.String(), "reason", text)
		l.opts.Changed(k)
	}
}

func held(finalizers []string) string {
	if len(finalizers) == 0 {
		return ""
	}
	return " (finalizers " + strings.Join(finalizers, ", ") + ")"
}

// removeNamespaces deletes the namespaces that Hansa made and nobody uses.
func (l *Lander) removeNamespaces(ctx context.Context, w federation.Work, inv Inventory) error {
	for _, item := range inv.Items {
		if item.Kind != "Namespace" || w.Landing.Deletion == "Orphan" {
			continue
		}
		live, err := l.opts.Cluster.Get(ctx, item.Ref)
		if errors.Is(err, kube.ErrNotFound) || err == nil && (!ours(live) || live.GetDeletionTimestamp() != nil) {
			continue
		}
		if err != nil {
			return err
		}
		user, err := l.opts.Cluster.NamespaceUsers(ctx, item.Name)
		if err != nil {
			return err
		}
		if user != "" {
			continue
		}
		err = l.opts.Cluster.Delete(ctx, item.Ref, live.GetUID(), metav1.DeletePropagationBackground)
		if err != nil && !errors.Is(err, kube.ErrNotFound) {
			return err
		}
	}
	return nil
}

// prune removes what the work no longer has. What is still going stays in the inventory,
// so that what holds it back can be told.
func (l *Lander) prune(ctx context.Context, p *plan) error {
	wanted := map[kube.Ref]bool{}
	for _, u := range p.objects {
		wanted[kube.RefOf(u)] = true
	}
	kept := p.inv.Items[:0:0]
	for _, item := range p.inv.Items {
		there := wanted[item.Ref]
		if !there {
			var err error
			if there, err = l.removeOne(ctx, p.Work, item.Ref, policyOf(item.Kind, p.Work.Landing)); err != nil {
				return err
			}
			item.Leaving = there
		}
		if there {
			kept = append(kept, item)
		}
	}
	p.inv.Items = kept
	return nil
}

// policyOf: what makes pods goes with them, so that gone means stopped.
func policyOf(kind string, s federation.LandingSpec) metav1.DeletionPropagation {
	if runs(kind) || s.Deletion == string(metav1.DeletePropagationForeground) {
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}
