package landing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// mostTogether bounds how many inventories are let go of side by side.
const mostTogether = 8

// LetGo ends what Hansa has in this cluster, for one that leaves its federation. With
// Delete exactly what the inventories list and Hansa has made is removed, as by a Remove
// of each work: what was taken over, CustomResourceDefinitions, and namespaces that
// somebody uses stay. What stays loses Hansa's marks and its ownership of fields, and
// changes in nothing else. The inventories go last, so that whoever did not come to the
// end can begin again.
//
// The error says what holds it up; it does not wait for deletions for longer than
// Patience. No order may be given any more, and Run must have returned.
func (l *Lander) LetGo(ctx context.Context, remains federation.Remains) error {
	all := l.inventories()
	if remains == federation.Delete {
		if err := l.removeAll(ctx, all); err != nil {
			return err
		}
	}
	err := each(ctx, all, func(ctx context.Context, inv Inventory) error {
		for _, item := range inv.Items {
			if err := l.part(ctx, whole(inv), item.Ref); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.dropInventories(ctx, all)
}

// whole is the work of an inventory, as an order that nothing in the cluster is above.
func whole(inv Inventory) federation.Work {
	return federation.Work{Workload: inv.Workload, Epoch: math.MaxUint64, Landing: inv.Landing}
}

func (l *Lander) inventories() []Inventory {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Inventory
	for _, k := range slices.SortedFunc(maps.Keys(l.works), federation.Key.Compare) {
		if inv := l.works[k].inventory; inv != nil {
			out = append(out, inv.clone())
		}
	}
	return out
}

// each does one thing about every inventory, several side by side.
func each(ctx context.Context, all []Inventory, do func(context.Context, Inventory) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(mostTogether)
	for _, inv := range all {
		group.Go(func() error { return do(ctx, inv) })
	}
	return group.Wait()
}

// removeAll removes the objects of all inventories, and then the namespaces, which are
// empty only when every work is gone.
func (l *Lander) removeAll(ctx context.Context, all []Inventory) error {
	var mu sync.Mutex
	waits := map[federation.Key][]kube.Ref{}
	err := each(ctx, all, func(ctx context.Context, inv Inventory) error {
		for _, item := range slices.Backward(inv.Items) {
			there, err := l.removeOne(ctx, whole(inv), item.Ref, policyOf(item.Kind, inv.Landing))
			if err != nil {
				return err
			}
			if there {
				mu.Lock()
				waits[inv.Workload] = append(waits[inv.Workload], item.Ref)
				mu.Unlock()
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := l.allGone(ctx, all, waits); err != nil {
		return err
	}
	for _, inv := range all {
		if err := l.removeNamespaces(ctx, whole(inv), inv); err != nil {
			return err
		}
	}
	return nil
}

// allGone waits until none of the objects is there, but not for ever.
func (l *Lander) allGone(ctx context.Context, all []Inventory, waits map[federation.Key][]kube.Ref) error {
	began := time.Now()
	for every := goneEvery; ; every = min(2*every, goneAtMost) {
		var left []string
		for _, inv := range all {
			some, err := l.left(ctx, whole(inv), waits[inv.Workload])
			if err != nil {
				return err
			}
			left = append(left, some...)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Since(began) >= l.opts.Patience {
			return fmt.Errorf("waits until these are deleted: %s", few(left))
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}

// few names the first of many.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// part releases an object that stays. What others have made meanwhile under the name is
// theirs.
func (l *Lander) part(ctx context.Context, w federation.Work, r kube.Ref) error {
	live, err := l.opts.Cluster.Get(ctx, r)
	switch {
	case errors.Is(err, kube.ErrNotFound), errors.Is(err, kube.ErrNoKind):
		return nil
	case err != nil:
		return err
	case live.GetDeletionTimestamp() != nil, !ours(live), checkOwner(live, w) != nil:
		return nil
	}
	return l.release(ctx, r)
}

// dropInventories removes the inventories and where they were.
func (l *Lander) dropInventories(ctx context.Context, all []Inventory) error {
	records, err := l.opts.Cluster.List(ctx, markRef(), recordLabel)
	if err != nil {
		return fmt.Errorf("find the inventories: %w", err)
	}
	for i := range records {
		err := l.opts.Cluster.Delete(ctx, kube.RefOf(&records[i]), records[i].GetUID(), metav1.DeletePropagationBackground)
		if err != nil && !errors.Is(err, kube.ErrNotFound) {
			return fmt.Errorf("remove the inventories: %w", err)
		}
	}
	for _, inv := range all {
		l.forget(inv.Workload)
	}
	return nil
}
