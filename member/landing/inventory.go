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

const (
	inventoryLabel = "hansa.io/inventory"
	inventoryField = "inventory.json"
)

// Inventory is what a work has in this cluster.
type Inventory struct {
	Workload         federation.Key         `json:"workload"`
	Epoch            federation.Epoch       `json:"epoch"`
	WorkloadRevision federation.Revision    `json:"workloadRevision"`
	Replicas         int64                  `json:"replicas"`
	Landing          federation.LandingSpec `json:"landing,omitzero"`
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
}

func inventoryRef(k federation.Key) kube.Ref {
	// A namespace has no dot, so the name is unambiguous.
	return kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: Namespace, Name: k.Namespace + "." + k.Name}
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

func (inv Inventory) object() (*unstructured.Unstructured, error) {
	b, err := json.Marshal(inv)
	if err != nil {
		return nil, fmt.Errorf("write the inventory of %s: %w", inv.Workload, err)
	}
	r := inventoryRef(inv.Workload)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": r.APIVersion, "kind": r.Kind,
		"metadata": map[string]any{"namespace": r.Namespace, "name": r.Name, "labels": map[string]any{inventoryLabel: "true"}},
		"data":     map[string]any{inventoryField: string(b)},
	}}, nil
}

func parseInventory(u *unstructured.Unstructured) (Inventory, error) {
	text, _, _ := unstructured.NestedString(u.Object, "data", inventoryField)
	var inv Inventory
	if err := json.Unmarshal([]byte(text), &inv); err != nil {
		return inv, fmt.Errorf("inventory %s/%s is damaged, what it lists would be forgotten; restore it from a backup or delete it and apply again: %w", u.GetNamespace(), u.GetName(), err)
	}
	return inv, nil
}

func (l *Lander) writeInventory(ctx context.Context, inv Inventory) error {
	u, err := inv.object()
	if err != nil {
		return err
	}
	if _, err := l.opts.Cluster.Apply(ctx, u, false); err != nil {
		return fmt.Errorf("write the inventory of %s: %w", inv.Workload, err)
	}
	l.keep(inv)
	return nil
}

func (l *Lander) deleteInventory(ctx context.Context, k federation.Key) error {
	r := inventoryRef(k)
	u, err := l.opts.Cluster.Get(ctx, r)
	if err == nil {
		err = l.opts.Cluster.Delete(ctx, r, u.GetUID(), "Background")
	}
	if err != nil && !errors.Is(err, kube.ErrNotFound) {
		return fmt.Errorf("delete the inventory of %s: %w", k, err)
	}
	l.forget(k)
	return nil
}

// Prepare makes the namespace of inventories and reads those that are there. It
// must return before the first order is given.
func (l *Lander) Prepare(ctx context.Context) error {
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": Namespace, "labels": map[string]any{"app.kubernetes.io/managed-by": "hansa"}},
	}}
	if _, err := l.opts.Cluster.Apply(ctx, ns, false); err != nil {
		return fmt.Errorf("make the namespace of inventories: %w", err)
	}
	list, err := l.opts.Cluster.List(ctx, kube.Ref{APIVersion: "v1", Kind: "ConfigMap", Namespace: Namespace}, inventoryLabel+"=true")
	if err != nil {
		return fmt.Errorf("read the inventories: %w", err)
	}
	for i := range list {
		inv, err := parseInventory(&list[i])
		if err != nil {
			return err
		}
		l.keep(inv)
		for _, item := range inv.Items {
			l.follow(item.Ref)
		}
	}
	return nil
}
