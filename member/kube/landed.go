package kube

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"
)

// landed is the cache of one kind of what Hansa made.
type landed struct {
	cache.SharedIndexInformer
	mu      sync.Mutex
	version string // that the cache has come to at least
}

// come notes that the cache has come to a version.
func (l *landed) come(version string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !reached(l.version, version) {
		l.version = version
	}
}

// has reports whether the cache has come to a version. A store that was restored from a
// backup counts again from below; versions say nothing then.
func (l *landed) has(version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	rewound := !reached(l.LastSyncResourceVersion(), l.version)
	return rewound || reached(l.version, version)
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
	l := &landed{SharedIndexInformer: w.dynamic(mapping.Resource, labels.SelectorFromSet(labels.Set{ManagedLabel: "true"}))}
	if err := l.SetTransform(dropManagedFields); err != nil {
		return fmt.Errorf("watch %s: %w", r.Kind, err)
	}
	_, err = l.AddEventHandler(differences(func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			l.come(l.LastSyncResourceVersion()) // it was missing in a new list
			o = gone.Obj
		}
		if u, ok := o.(*unstructured.Unstructured); ok {
			l.come(u.GetResourceVersion())
			w.changed(Landed, u)
		}
	}))
	if err != nil {
		return fmt.Errorf("watch %s: %w", r.Kind, err)
	}
	w.landed[mapping.Resource] = l
	go l.Run(w.stop)
	return nil
}

// Lookup returns an object that Hansa made, nil when it does not exist; seen is false
// while the cache of its kind is not filled, or has not come to the resource version
// since, which is "" for any.
func (w *Watch) Lookup(r Ref, since string) (u *unstructured.Unstructured, seen bool) {
	mapping, err := w.client.mapping(r)
	if err != nil {
		return nil, false
	}
	w.mu.Lock()
	l := w.landed[mapping.Resource]
	w.mu.Unlock()
	if l == nil || !l.HasSynced() {
		return nil, false
	}
	key := r.Name
	if r.Namespace != "" {
		key = r.Namespace + "/" + r.Name
	}
	o, _, err := l.GetStore().GetByKey(key)
	if err != nil {
		return nil, false
	}
	u, _ = o.(*unstructured.Unstructured)
	if u != nil {
		return u, reached(u.GetResourceVersion(), since)
	}
	return nil, l.has(since)
}
