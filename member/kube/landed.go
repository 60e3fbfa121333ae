package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// landedLimit bounds the wait for the caches of what Hansa made.
const landedLimit = 10 * time.Second

// landed is the cache of one kind of what Hansa made.
type landed struct {
	cache.SharedIndexInformer
	filled chan struct{} // closed once the first list is in the cache
	mu     sync.Mutex
	peak   string // the highest version that was told
}

func (l *landed) tells(version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !reached(l.peak, version) {
		l.peak = version
	}
}

// has reports whether the cache, which is at one version, has come to another. A store
// that was restored from a backup counts again from below; versions say nothing then.
func (l *landed) has(at, version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	rewound := !reached(at, l.peak) // what was told is in the cache
	return rewound || reached(at, version)
}

// reached reports whether a resource version is another one or comes after it. Versions
// that cannot be compared are taken as reached; no version is the first of all.
func reached(at, version string) bool {
	if at == "" || version == "" {
		return version == ""
	}
	c, err := resourceversion.CompareResourceVersion(at, version)
	return err != nil || c >= 0
}

// fill tells when the cache has come to what the API server listed first: whoever looked
// before may not have seen what never changes any more, and what was deleted before that
// is told by nobody else.
func (l *landed) fill(stop <-chan struct{}, tell func()) {
	if !cache.WaitForCacheSync(stop, l.HasSynced) {
		return
	}
	close(l.filled)
	tell()
}

// Follow makes sure that objects of the kind that Hansa made are watched, from Run on.
func (w *Watch) Follow(r Ref) error {
	kind, err := w.client.served.find(r)
	if err != nil {
		return err
	}
	at := kind.GroupVersionResource
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		w.early[at] = true
		return nil
	}
	return w.follow(at)
}

// follow watches a kind unless that happens already. Watch.mu is held.
func (w *Watch) follow(kind schema.GroupVersionResource) error {
	if w.landed[kind] != nil {
		return nil
	}
	l := &landed{filled: make(chan struct{}), SharedIndexInformer: w.dynamic(kind, labels.SelectorFromSet(labels.Set{ManagedLabel: "true"}))}
	if err := l.SetTransform(keepTree); err != nil {
		return fmt.Errorf("watch %s: %w", kind.Resource, err)
	}
	_, err := l.AddEventHandler(differences(func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj // it was missing in a new list
		}
		if t, ok := o.(*tree); ok {
			l.tells(t.ResourceVersion)
			w.changed(Landed, t)
		}
	}))
	if err != nil {
		return fmt.Errorf("watch %s: %w", kind.Resource, err)
	}
	w.landed[kind] = l
	go l.Run(w.stop)
	go l.fill(w.stop, func() { w.changed(Landed, nil) })
	return nil
}

// begin lets kinds be watched, those first that were asked for before, and returns
// their caches.
func (w *Watch) begin(stop <-chan struct{}) ([]*landed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = stop
	var all []*landed
	for kind := range w.early {
		if err := w.follow(kind); err != nil {
			return nil, err
		}
		all = append(all, w.landed[kind])
	}
	return all, nil
}

// await waits until the caches hold what the API server listed, or landedLimit has
// passed: one kind that cannot be listed must not hold up all others.
func await(ctx context.Context, all []*landed) {
	limit := time.NewTimer(landedLimit)
	defer limit.Stop()
	for _, l := range all {
		select {
		case <-l.filled:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Lookup returns an object that Hansa made, nil when it does not exist; seen is false
// while the cache of its kind is not filled, or has not come to the resource version
// since, which is "" for any.
func (w *Watch) Lookup(r Ref, since string) (u *unstructured.Unstructured, seen bool) {
	kind, err := w.client.served.find(r)
	if err != nil {
		return nil, false
	}
	w.mu.Lock()
	l := w.landed[kind.GroupVersionResource]
	w.mu.Unlock()
	if l == nil || !l.HasSynced() {
		return nil, false
	}
	key := r.Name
	if r.Namespace != "" {
		key = r.Namespace + "/" + r.Name
	}
	at := l.GetStore().LastStoreSyncResourceVersion() // before it is read: what comes in between is not missing
	o, _, err := l.GetStore().GetByKey(key)
	if err != nil {
		return nil, false
	}
	t, there := o.(*tree)
	if !there {
		return nil, l.has(at, since)
	}
	if u, err = t.object(); err != nil {
		return nil, false
	}
	return u, reached(t.ResourceVersion, since)
}
