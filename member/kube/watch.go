package kube

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
)

// ManagedLabel marks every object that Hansa made.
const ManagedLabel = "hansa.io/managed"

// What says which part of the picture changed.
type What int

// The parts of the picture.
const (
	Capacity What = iota // nodes, pods and quotas
	Exports              // ServiceExports, Services, EndpointSlices
	Landed               // an object that Hansa made
)

// Watch keeps caches of one cluster. Its methods are safe for concurrent use.
type Watch struct {
	client  *Client
	changed func(What, *unstructured.Unstructured)
	typed   informers.SharedInformerFactory
	nodes   cache.SharedIndexInformer
	pods    cache.SharedIndexInformer
	svcs    cache.SharedIndexInformer
	slices  cache.SharedIndexInformer
	exports cache.SharedIndexInformer
	quotas  cache.SharedIndexInformer

	mu     sync.Mutex
	stop   <-chan struct{} // of Run
	landed map[schema.GroupVersionResource]cache.SharedIndexInformer
}

// Watch makes the caches. changed is called for every difference, from several
// goroutines, and must not block; the object is set for Landed only, also when it
// was deleted.
func (c *Client) Watch(changed func(What, *unstructured.Unstructured)) *Watch {
	w := &Watch{
		client: c, changed: changed, typed: informers.NewSharedInformerFactory(c.typed, 0),
		landed: map[schema.GroupVersionResource]cache.SharedIndexInformer{},
	}
	w.nodes = w.typed.Core().V1().Nodes().Informer()
	w.pods = w.typed.Core().V1().Pods().Informer()
	w.quotas = w.typed.Core().V1().ResourceQuotas().Informer()
	w.svcs = w.typed.Core().V1().Services().Informer()
	w.slices = w.typed.Discovery().V1().EndpointSlices().Informer()
	w.exports = w.dynamic(mcs.SchemeGroupVersion.WithResource("serviceexports"), labels.Everything())
	return w
}

func (w *Watch) dynamic(resource schema.GroupVersionResource, selector labels.Selector) cache.SharedIndexInformer {
	return dynamicinformer.NewFilteredDynamicInformer(w.client.dynamic, resource, metav1.NamespaceAll, 0, cache.Indexers{},
		func(o *metav1.ListOptions) { o.LabelSelector = selector.String() }).Informer()
}

// Run follows the cluster until ctx ends; synced is called once all caches hold
// its present state. The CRDs of the Multi-Cluster Services API must be there.
func (w *Watch) Run(ctx context.Context, synced func()) error {
	w.mu.Lock()
	w.stop = ctx.Done()
	w.mu.Unlock()
	parts := []struct {
		informer  cache.SharedIndexInformer
		what      What
		transform cache.TransformFunc
	}{
		{w.nodes, Capacity, keepNode},
		{w.pods, Capacity, keepPod},
		{w.quotas, Capacity, keepQuota},
		{w.svcs, Exports, keepService},
		{w.slices, Exports, keepSlice},
		{w.exports, Exports, dropManagedFields},
	}
	if err := w.pods.AddIndexers(cache.Indexers{unscheduled: indexUnscheduled}); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	var ready []cache.InformerSynced
	for _, p := range parts {
		if err := p.informer.SetTransform(p.transform); err != nil {
			return fmt.Errorf("watch the cluster: %w", err)
		}
		registration, err := p.informer.AddEventHandler(w.handler(p.what))
		if err != nil {
			return fmt.Errorf("watch the cluster: %w", err)
		}
		ready = append(ready, registration.HasSynced)
		running.Go(func() { p.informer.RunWithContext(ctx) })
	}
	if cache.WaitForCacheSync(ctx.Done(), ready...) {
		synced()
	}
	<-ctx.Done()
	w.typed.Shutdown()
	return nil
}

func (w *Watch) handler(what What) cache.ResourceEventHandler {
	tell := func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		u, _ := o.(*unstructured.Unstructured)
		if what != Landed {
			u = nil
		}
		w.changed(what, u)
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc: tell, DeleteFunc: tell,
		UpdateFunc: func(before, after any) {
			if resourceVersion(before) != resourceVersion(after) {
				tell(after)
			}
		},
	}
}

func resourceVersion(o any) string {
	m, ok := o.(metav1.Object)
	if !ok {
		return ""
	}
	return m.GetResourceVersion()
}

// Follow makes sure that objects of the kind that Hansa made are watched. It
// does nothing before Run, or when the kind is watched already.
func (w *Watch) Follow(r Ref) error {
	mapping, err := w.client.mapping(r)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil || w.landed[mapping.Resource] != nil {
		return nil
	}
	informer := w.dynamic(mapping.Resource, labels.SelectorFromSet(labels.Set{ManagedLabel: "true"}))
	if err := informer.SetTransform(dropManagedFields); err != nil {
		return fmt.Errorf("watch %s: %w", r.Kind, err)
	}
	if _, err := informer.AddEventHandler(w.handler(Landed)); err != nil {
		return fmt.Errorf("watch %s: %w", r.Kind, err)
	}
	w.landed[mapping.Resource] = informer
	go informer.Run(w.stop)
	return nil
}

// Lookup returns an object that Hansa made, nil when it does not exist; seen is
// false while the cache of its kind is not filled.
func (w *Watch) Lookup(r Ref) (u *unstructured.Unstructured, seen bool) {
	mapping, err := w.client.mapping(r)
	if err != nil {
		return nil, false
	}
	w.mu.Lock()
	informer := w.landed[mapping.Resource]
	w.mu.Unlock()
	if informer == nil || !informer.HasSynced() {
		return nil, false
	}
	key := r.Name
	if r.Namespace != "" {
		key = r.Namespace + "/" + r.Name
	}
	o, _, err := informer.GetStore().GetByKey(key)
	if err != nil {
		return nil, false
	}
	u, _ = o.(*unstructured.Unstructured)
	return u, true
}
