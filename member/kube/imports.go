package kube

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/imports"
)

// ImportRights are what an agent needs beside BaseRights to write what its cluster
// imports. An agent without them does everything else.
func ImportRights() []Right {
	var out []Right
	for _, r := range []struct {
		resource string
		verbs    []string
	}{
		{"namespaces", []string{"list", "watch"}},
		{"services", []string{"create", "delete", "patch"}},
		{"endpointslices.discovery.k8s.io", []string{"create", "delete", "patch"}},
		{"serviceimports.multicluster.x-k8s.io", []string{"create", "delete", "patch", "watch"}},
		{"serviceimports/status.multicluster.x-k8s.io", []string{"patch"}},
		{"serviceexports/status.multicluster.x-k8s.io", []string{"patch"}},
	} {
		for _, verb := range r.verbs {
			out = append(out, Right{Verb: verb, Resource: r.resource})
		}
	}
	return out
}

// MissingImportRights returns one line that lists which of ImportRights the agent lacks,
// "" when none.
func (c *Client) MissingImportRights(ctx context.Context) (string, error) {
	missing, err := c.Missing(ctx, ImportRights())
	return join(missing), err
}

// Imports keeps caches of what a cluster imports. Its methods are safe for concurrent
// use.
type Imports struct {
	imports, services, slices, namespaces cache.SharedIndexInformer
}

// WatchImports makes the caches. changed is called for every difference, from several
// goroutines, and must not block.
func (w *Watch) WatchImports(changed func()) (*Imports, error) {
	ours := labels.SelectorFromSet(labels.Set{imports.Label: "true"})
	i := &Imports{
		imports:    w.dynamic(mcs.SchemeGroupVersion.WithResource("serviceimports"), labels.Everything()),
		services:   w.dynamic(corev1.SchemeGroupVersion.WithResource("services"), ours),
		slices:     w.dynamic(discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), ours),
		namespaces: w.dynamic(corev1.SchemeGroupVersion.WithResource("namespaces"), labels.Everything()),
	}
	for _, informer := range i.all() {
		transform := dropManagedFields
		if informer == i.namespaces {
			transform = keepName
		}
		if err := informer.SetTransform(transform); err != nil {
			return nil, fmt.Errorf("watch imports: %w", err)
		}
		if _, err := informer.AddEventHandler(differences(func(any) { changed() })); err != nil {
			return nil, fmt.Errorf("watch imports: %w", err)
		}
	}
	return i, nil
}

func (i *Imports) all() []cache.SharedIndexInformer {
	return []cache.SharedIndexInformer{i.imports, i.services, i.slices, i.namespaces}
}

// keepName keeps of an object its name, and that it is being deleted.
func keepName(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	out := &unstructured.Unstructured{}
	out.SetName(u.GetName())
	out.SetResourceVersion(u.GetResourceVersion())
	out.SetDeletionTimestamp(u.GetDeletionTimestamp())
	return out, nil
}

// Run follows the cluster until ctx ends; synced is called once all caches hold its
// present state.
func (i *Imports) Run(ctx context.Context, synced func()) {
	var running sync.WaitGroup
	defer running.Wait()
	var ready []cache.InformerSynced
	for _, informer := range i.all() {
		running.Go(func() { informer.RunWithContext(ctx) })
		ready = append(ready, informer.HasSynced)
	}
	if cache.WaitForCacheSync(ctx.Done(), ready...) {
		synced()
	}
	<-ctx.Done()
}

// Cluster is what is there now; the caller adds Exports. Its objects must not be changed.
func (i *Imports) Cluster() imports.Cluster {
	out := imports.Cluster{
		Namespaces: map[string]bool{}, Imports: byKey(i.imports), Services: byKey(i.services), Slices: byKey(i.slices),
	}
	for _, o := range i.namespaces.GetStore().List() {
		if u, ok := o.(*unstructured.Unstructured); ok && u.GetDeletionTimestamp() == nil {
			out.Namespaces[u.GetName()] = true
		}
	}
	return out
}

func byKey(informer cache.SharedIndexInformer) map[federation.Key]imports.Object {
	out := map[federation.Key]imports.Object{}
	for _, o := range informer.GetStore().List() {
		if u, ok := o.(*unstructured.Unstructured); ok {
			out[keyOf(u)] = u.Object
		}
	}
	return out
}

func keyOf(u *unstructured.Unstructured) federation.Key {
	return federation.Key{Namespace: u.GetNamespace(), Name: u.GetName()}
}

// ServiceExports are those of the cluster. They must not be changed.
func (w *Watch) ServiceExports() map[federation.Key]imports.Export {
	out := map[federation.Key]imports.Export{}
	for _, o := range w.exports.GetStore().List() {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			continue
		}
		e := imports.Export{Object: u.Object}
		found, _, _ := w.svcs.GetStore().GetByKey(keyOf(u).String())
		switch s, _ := found.(*corev1.Service); {
		case s == nil:
			e.Invalid = string(mcs.ServiceExportReasonNoService)
		case s.Spec.Type == corev1.ServiceTypeExternalName:
			e.Invalid = string(mcs.ServiceExportReasonInvalidServiceType)
		}
		out[keyOf(u)] = e
	}
	return out
}

// PutImport applies an object of a plan.
func (c *Client) PutImport(ctx context.Context, o imports.Object) error {
	_, err := c.Apply(ctx, &unstructured.Unstructured{Object: o}, false)
	return err
}

// PutStatus applies the status of an object of a plan. Fields that another manager owns
// stay, and are an ErrConflict.
func (c *Client) PutStatus(ctx context.Context, o imports.Object) error {
	u := &unstructured.Unstructured{Object: o}
	r := RefOf(u)
	at, err := c.resource(r)
	if err != nil {
		return err
	}
	_, err = at.ApplyStatus(ctx, r.Name, u, metav1.ApplyOptions{FieldManager: FieldManager})
	return explain("apply the status of", r, err)
}

// DropImport deletes an object of a plan, if it is still that one.
func (c *Client) DropImport(ctx context.Context, o imports.Object) error {
	u := &unstructured.Unstructured{Object: o}
	err := c.Delete(ctx, RefOf(u), u.GetUID(), metav1.DeletePropagationBackground)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// DropImports deletes everything that Hansa imported. Where it may not even look there
// is nothing of it.
func (c *Client) DropImports(ctx context.Context) error {
	ours := metav1.ListOptions{LabelSelector: imports.Label + "=true"}
	for _, kind := range []schema.GroupVersionResource{
		mcs.SchemeGroupVersion.WithResource("serviceimports"),
		corev1.SchemeGroupVersion.WithResource("services"),
		discoveryv1.SchemeGroupVersion.WithResource("endpointslices"),
	} {
		list, err := c.dynamic.Resource(kind).List(ctx, ours)
		if Denied(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("find imported %s: %w", kind.Resource, err)
		}
		for n := range list.Items {
			if err := c.DropImport(ctx, list.Items[n].Object); err != nil {
				return err
			}
		}
	}
	return nil
}
