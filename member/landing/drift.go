package landing

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json" // keeps whole numbers whole

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// drift is what was found when an object was looked at closely.
type drift struct {
	stamp     string // of the object that was looked at
	fields    []federation.FieldDrift
	corrected time.Time // zero while the drift stands
}

// marks are the labels and annotations that an object should have: changing them counts
// no generation. They are kept for everything that is landed, so they are no maps.
type marks struct {
	kube.Ref
	labels, annotations []pair
}

type pair struct{ name, value string }

func marksOf(u *unstructured.Unstructured) marks {
	return marks{kube.RefOf(u), pairs(u.GetLabels()), pairs(u.GetAnnotations())}
}

func pairs(m map[string]string) []pair {
	out := make([]pair, 0, len(m))
	for name, value := range m {
		out = append(out, pair{name, value})
	}
	return out
}

func (m marks) on(u *unstructured.Unstructured) bool {
	return includes(u.GetLabels(), m.labels) && includes(u.GetAnnotations(), m.annotations)
}

func includes(have map[string]string, want []pair) bool {
	for _, m := range want {
		if found, there := have[m.name]; !there || found != m.value {
			return false
		}
	}
	return true
}

// stampOf changes with all of an object that may be drift; a status is not, where
// generations are counted.
func stampOf(u *unstructured.Unstructured) string {
	if u.GetGeneration() == 0 {
		return string(u.GetUID()) + " " + u.GetResourceVersion()
	}
	h := fnv.New64a()
	b, err := json.Marshal([]map[string]string{u.GetLabels(), u.GetAnnotations()})
	if err != nil {
		panic("hash labels: " + err.Error()) // maps of text
	}
	_, _ = h.Write(b) // a hash takes everything
	return fmt.Sprintf("%s %d %x", u.GetUID(), u.GetGeneration(), h.Sum64())
}

// remember notes what labels and annotations the objects should have.
func (l *Lander) remember(k federation.Key, objects []*unstructured.Unstructured) {
	all := make([]marks, 0, len(objects))
	for _, u := range objects {
		all = append(all, marksOf(u))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work(k).marks = all
}

// marked reports whether an object has the marks that it should have.
func (w *work) marked(r kube.Ref, u *unstructured.Unstructured) bool {
	i := slices.IndexFunc(w.marks, func(m marks) bool { return m.Ref == r })
	return i < 0 || w.marks[i].on(u)
}

// found notes what a close look at an object has found.
func (l *Lander) found(k federation.Key, r kube.Ref, d drift) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.work(k)
	if w.drifts == nil {
		w.drifts = map[kube.Ref]drift{}
	}
	w.drifts[r] = d
}

// forgetDrift is for a new order, which settles what was found before.
func (l *Lander) forgetDrift(k federation.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work(k).drifts = nil
}

// suspects reports whether an object that is there may not be as it was landed, and was
// not looked at since.
func (l *Lander) suspects(k federation.Key, item Item, u *unstructured.Unstructured) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.work(k)
	known, looked := w.drifts[item.Ref]
	if looked && known.corrected.IsZero() && known.stamp == stampOf(u) {
		return false
	}
	switch {
	case u.GetUID() != item.UID:
		return true
	case item.Generation != 0:
		return u.GetGeneration() != item.Generation || !w.marked(item.Ref, u)
	}
	return u.GetResourceVersion() != item.Version
}

// examine asks the API server what landing the object would change. It is nil when
// nothing would, or when the object is not there.
func (l *Lander) examine(ctx context.Context, u *unstructured.Unstructured) (live *unstructured.Unstructured, fields []federation.FieldDrift, err error) {
	live, err = l.opts.Cluster.Get(ctx, kube.RefOf(u))
	if errors.Is(err, kube.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	would, err := l.opts.Cluster.Apply(ctx, u, true)
	if err != nil {
		return nil, nil, err
	}
	return live, difference(live, would), nil
}

// lookAt examines what may have drifted, and changes nothing.
func (l *Lander) lookAt(ctx context.Context, o Order) error {
	k := o.Work.Workload
	objects, err := objectsOf(o.Work, l.guardEnv(k))
	if err != nil {
		return err
	}
	if err := l.yield(ctx, k, objects); err != nil {
		return err
	}
	l.remember(k, objects)
	inv, _ := l.inventory(k)
	for _, u := range objects {
		item, listed := inv.find(kube.RefOf(u))
		if !listed {
			continue // it belongs to others
		}
		if seen, _ := l.look(item); seen == nil || !l.suspects(k, item, seen) {
			continue
		}
		live, fields, err := l.examine(ctx, u)
		if err != nil {
			return err
		}
		if live != nil {
			l.found(k, item.Ref, drift{stamp: stampOf(live), fields: fields})
		}
	}
	return nil
}

// correcting notes what is about to be put right. That it cannot be told is no reason
// to leave it.
func (l *Lander) correcting(ctx context.Context, k federation.Key, u *unstructured.Unstructured) {
	live, fields, err := l.examine(ctx, u)
	switch {
	case err != nil:
		l.opts.Logger.Info("correcting drift that cannot be told", "workload", k.String(), "object", kube.RefOf(u).String(), "reason", err)
	case live == nil:
		l.opts.Logger.Info("bringing back what was deleted", "workload", k.String(), "object", kube.RefOf(u).String())
	case len(fields) > 0:
		l.opts.Logger.Info("correcting drift", "workload", k.String(), "object", kube.RefOf(u).String(), "field", fields[0].Path, "by", fields[0].Manager, "fields", len(fields))
		l.found(k, kube.RefOf(u), drift{stamp: stampOf(live), fields: fields, corrected: time.Now()})
	}
}

// Correct lands the workload's last order again if the cluster has drifted from it and
// the work asks for that, or else looks at what others have changed; each at most once a
// second. later is when it wants to be called again, zero for never. With careful
// nothing is taken away, so what has more replicas than the order says is left alone.
// The caller has made sure that the workload may run here.
func (l *Lander) Correct(k federation.Key, now time.Time, careful bool) (later time.Time) {
	inv, there := l.inventory(k)
	o, idle := l.lastOf(k)
	if !there || !idle || !inv.Whole || !l.anyDrift(inv, o, careful) {
		return time.Time{}
	}
	l.mu.Lock()
	w := l.works[k]
	if due := w.corrected.Add(correctEvery); now.Before(due) {
		l.mu.Unlock()
		return due
	}
	w.corrected = now
	l.mu.Unlock()
	o.Careful, o.Prune = careful, o.Prune && !careful
	if inv.Landing.Drift == driftReport {
		o.Do = Look
	}
	l.give(o)
	return time.Time{}
}

// lastOf returns the last order that was carried out, unless another one is under way.
func (l *Lander) lastOf(k federation.Key) (o Order, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.works[k]
	if w == nil || w.last == nil || w.now != nil || w.next != nil {
		return Order{}, false
	}
	return *w.last, true
}

func (l *Lander) anyDrift(inv Inventory, o Order, careful bool) bool {
	for _, item := range inv.Items {
		u, seen := l.look(item)
		switch {
		case !seen || u != nil && (u.GetDeletionTimestamp() != nil || !l.suspects(inv.Workload, item, u)):
		case u == nil && (inv.Landing.Drift == driftReport || item.Ends > 0): // that it is gone can be seen without looking
		case u != nil && careful && takesAway(o.Work, u):
		default:
			return true
		}
	}
	return false
}
