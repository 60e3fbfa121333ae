package landing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// Namespace is where inventories are.
const Namespace = "hansa-system"

// Inventory is what a work has in this cluster.
type Inventory struct {
	Workload         federation.Key      `json:"workload"`
	Epoch            federation.Epoch    `json:"epoch"`
	WorkloadRevision federation.Revision `json:"workloadRevision"`
	Replicas         int64               `json:"replicas"`
	Variant          string              `json:"variant,omitempty"` // of the work
	// Revision of the work's record.
	Revision federation.Revision    `json:"revision,omitempty"`
	Landing  federation.LandingSpec `json:"landing,omitzero"`
	// Whole is set once every object of this version was landed.
	Whole bool `json:"whole"`
	// Items are the objects, in landing order.
	Items []Item `json:"items"`
}

// Item is one object of an inventory.
type Item struct {
	kube.Ref
	// UID of the object that Hansa made; empty while it is not landed.
	UID types.UID `json:"uid,omitempty"`
	// Generation after Hansa's last write; 0 for kinds that do not count.
	Generation int64 `json:"generation,omitempty"`
	// Version is the resource version after Hansa's last write.
	Version string `json:"version,omitempty"`
	// Created and never applied: its fields do not belong to server-side apply yet.
	Created bool `json:"created,omitempty"`
	// Taken over from others: it is released where others are deleted.
	Taken bool `json:"taken,omitempty"`
	// Ends is how many pods of a Job end well before it goes by itself, since it has
	// ttlSecondsAfterFinished; 0 for what stays. Gone, it has done its work.
	Ends int64 `json:"ends,omitempty"`
	// Leaving: the work no longer has it, and its deletion is under way.
	Leaving bool `json:"leaving,omitempty"`
}

func (inv Inventory) find(r kube.Ref) (Item, bool) {
	for _, i := range inv.Items {
		if i.Ref == r {
			return i, true
		}
	}
	return Item{}, false
}

// set notes an item, replacing the one with the same reference.
func (inv *Inventory) set(item Item) {
	if i := slices.IndexFunc(inv.Items, func(o Item) bool { return o.Ref == item.Ref }); i >= 0 {
		inv.Items[i] = item
		return
	}
	inv.Items = append(inv.Items, item)
	slices.SortFunc(inv.Items, func(a, b Item) int { return sequence(a.Ref, b.Ref) })
}

func (inv Inventory) clone() Inventory {
	inv.Items = slices.Clone(inv.Items)
	return inv
}

// write puts an inventory into the journal and returns when it is there.
func (l *Lander) write(ctx context.Context, inv Inventory) error {
	if err := l.journal.put(ctx, inv.Workload, inv.text()); err != nil {
		return fmt.Errorf("write the inventory of %s: %w", inv.Workload, err)
	}
	l.keep(inv)
	return nil
}

// noted is for what a crash may forget: the uids of what was landed, which are found
// again when the work is landed again.
func (l *Lander) noted(inv Inventory) {
	l.keep(inv)
	l.journal.putLater(inv.Workload, inv.text())
}

func (l *Lander) deleteInventory(ctx context.Context, k federation.Key) error {
	if err := l.journal.put(ctx, k, ""); err != nil {
		return fmt.Errorf("delete the inventory of %s: %w", k, err)
	}
	l.forget(k)
	return nil
}

func (inv Inventory) text() string {
	b, err := json.Marshal(inv)
	if err != nil {
		panic("write an inventory: " + err.Error()) // every field is plain data
	}
	return string(b)
}

// Prepare makes the namespace of inventories and reads those that are there. It
// must return before the first order is given.
func (l *Lander) Prepare(ctx context.Context) error {
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": Namespace, "labels": map[string]any{"app.kubernetes.io/managed-by": "hansa"}},
	}}
	_, err := l.opts.Cluster.Get(ctx, kube.RefOf(ns))
	if errors.Is(err, kube.ErrNotFound) {
		_, err = l.opts.Cluster.Apply(ctx, ns, false)
	}
	if err != nil {
		return fmt.Errorf("make the namespace of inventories: %w", err)
	}
	records, err := l.opts.Cluster.List(ctx, markRef(), recordLabel)
	if err != nil {
		return fmt.Errorf("read the inventories: %w", err)
	}
	list, err := l.journal.recover(records)
	if err != nil {
		return err
	}
	for _, inv := range list {
		l.keep(inv)
		for _, item := range inv.Items {
			l.follow(item.Ref)
		}
	}
	return nil
}
