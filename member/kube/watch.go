package kube

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

	"github.com/hansa-io/hansa/member/imports"
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
	changed func(What, Annotated)
	nodes   cache.SharedIndexInformer
	pods    cache.SharedIndexInformer
	svcs    cache.SharedIndexInformer
	slices  cache.SharedIndexInformer
	exports cache.SharedIndexInformer
	quotas  cache.SharedIndexInformer

	mu     sync.Mutex
	stop   <-chan struct{} // of Run
	landed map[schema.GroupVersionResource]*landed
	early  map[schema.GroupVersionResource]bool // to be watched from Run on
}

// Annotated is an object of which only the annotations are told.
type Annotated interface{ GetAnnotations() map[string]string }

// Watch makes the caches. changed is called for every difference, from several
// goroutines, and must not block; the object is set for Landed only, also when it
// was deleted, and of its annotations there are those of Hansa. It is nil when all of a
// kind have to be looked at.
func (c *Client) Watch(changed func(What, Annotated)) *Watch {
	w := &Watch{
		client: c, changed: changed,
		landed: map[schema.GroupVersionResource]*landed{}, early: map[schema.GroupVersionResource]bool{},
	}
	w.nodes = informer(c.typed.core, "nodes", &corev1.Node{}, "")
	w.pods = informer(c.typed.core, "pods", &corev1.Pod{}, "")
	w.quotas = informer(c.typed.core, "resourcequotas", &corev1.ResourceQuota{}, "")
	w.svcs = informer(c.typed.core, "services", &corev1.Service{}, "")
	w.slices = informer(c.typed.discovery, "endpointslices", &discoveryv1.EndpointSlice{}, "!"+imports.SourceLabel) // what is imported is not of this cluster
	w.exports = w.dynamic(mcs.SchemeGroupVersion.WithResource("serviceexports"), labels.Everything())
	return w
}

// dynamic keeps a cache of the objects of a resource that the selector selects, as trees.
func (w *Watch) dynamic(resource schema.GroupVersionResource, selector labels.Selector) cache.SharedIndexInformer {
	at := w.client.dynamic.Resource(resource)
	return cache.NewSharedIndexInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector.String()
			return at.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = selector.String()
			return at.Watch(ctx, o)
		},
	}, &unstructured.Unstructured{}, 0, cache.Indexers{})
}

// Run follows the cluster until ctx ends; synced is called once all caches hold
// its present state. The CRDs of the Multi-Cluster Services API must be there.
func (w *Watch) Run(ctx context.Context, synced func()) error {
	ours, err := w.begin(ctx.Done())
	if err != nil {
		return err
	}
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
	if err := w.pods.AddIndexers(cache.Indexers{unscheduled: indexUnscheduled, troubled: indexTroubled}); err != nil {
		return fmt.Errorf("watch the cluster: %w", err)
	}
	if err := w.svcs.AddIndexers(cache.Indexers{announced: indexAnnounced}); err != nil {
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
		await(ctx, ours)
		synced()
	}
	<-ctx.Done()
	return nil
}

func (w *Watch) handler(what What) cache.ResourceEventHandler {
	return differences(func(any) { w.changed(what, nil) })
}

// differences calls tell for every difference of a cache.
func differences(tell func(any)) cache.ResourceEventHandler {
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
