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

// goneEvery is how often deleted objects are looked at until they are gone.
const goneEvery = 50 * time.Millisecond

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
		if o.Do == Stop && !runs(item.Kind) || o.Work.Landing.Deletion == "Orphan" && o.Do == Remove {
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
	if r.Kind == "CustomResourceDefinition" || r.Kind == "Namespace" {
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
	if live.GetDeletionTimestamp() != nil {
		return true, nil
	}
	err = l.opts.Cluster.Delete(ctx, r, live.GetUID(), policy)
	if err != nil && !errors.Is(err, kube.ErrNotFound) {
		return true, err
	}
	return true, nil
}

// gone waits until none of the objects is there. What holds one back is told in
// the work's status.
func (l *Lander) gone(ctx context.Context, w federation.Work, waits []kube.Ref) error {
	told := ""
	for {
		var left []string
		for _, r := range waits {
			live, err := l.opts.Cluster.Get(ctx, r)
			switch {
			case errors.Is(err, kube.ErrNotFound):
			case err != nil:
				return err
			case ours(live) && checkOwner(live, w) == nil:
				left = append(left, r.String()+held(live.GetFinalizers()))
			}
		}
		if len(left) == 0 {
			return nil
		}
		if now := strings.Join(left, ", "); now != told {
			told = now
			l.opts.Logger.Debug("waiting for deletion", "workload", w.Workload.String(), "left", left)
		}
		if err := pause(ctx, goneEvery); err != nil {
			return fmt.Errorf("%s is still there: %w", told, err)
		}
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
		if item.Kind != "Namespace" || item.UID == "" || w.Landing.Deletion == "Orphan" {
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
