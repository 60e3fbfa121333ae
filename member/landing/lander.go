package landing

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/kube"
)

// Cluster is what landing asks of a cluster; *kube.Client is one.
type Cluster interface {
	Reader
	Writer
	// Disown gives up Hansa's ownership of the object's fields, which stay as they are.
	Disown(ctx context.Context, r kube.Ref) error
}

// Reader reads objects.
type Reader interface {
	Get(ctx context.Context, r kube.Ref) (*unstructured.Unstructured, error)
	List(ctx context.Context, r kube.Ref, label string) ([]unstructured.Unstructured, error)
	NamespaceUsers(ctx context.Context, namespace string) (string, error)
}

// Writer writes objects.
type Writer interface {
	Create(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error)
	Adopt(ctx context.Context, r kube.Ref) error
	Apply(ctx context.Context, u *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error)
	Merge(ctx context.Context, r kube.Ref, patch []byte) error
	Delete(ctx context.Context, r kube.Ref, uid types.UID, policy metav1.DeletionPropagation) error
}

// Views are the caches that status is read from; *kube.Watch is one.
type Views interface {
	// Follow watches the kind of the object from now on.
	Follow(r kube.Ref) error
	// Lookup returns the object, nil when it does not exist; seen is false while
	// what the cache has is older than the resource version since, "" for any.
	Lookup(r kube.Ref, since string) (u *unstructured.Unstructured, seen bool)
	// Unscheduled counts the pods of the object that find no node.
	Unscheduled(r kube.Ref) int64
	// Troubles says why pods of the object do not run, a line for each reason.
	Troubles(r kube.Ref) []string
}

// Options of a Lander.
type Options struct {
	Cluster Cluster
	Views   Views
	// Done is called when an order is carried out. It must not block.
	Done func(Order)
	// Changed is called when the status of a workload may have changed. It must
	// not block.
	Changed func(federation.Key)
	// GuardEnv is what the guarded pods of an at-most-one workload get into their
	// environment; nil, or a nil result: nothing.
	GuardEnv func(federation.Key) map[string]string
	// Open makes a work whose Secrets are sealed readable, or says in one line why it
	// cannot: nothing of the work is landed then. Nil: no work is sealed.
	Open func(federation.Work) (federation.Work, error)
	// Patience is how long a deletion may take before the status tells what holds it
	// back; 10 s by default.
	Patience time.Duration
	Logger   *slog.Logger
}

// Verb says what an order asks for.
type Verb string

// The verbs.
const (
	Land   Verb = "land"   // apply the work's objects
	Remove Verb = "remove" // remove everything up to the work's epoch
	Stop   Verb = "stop"   // remove what makes pods, keep the rest
	Look   Verb = "look"   // find out what others have changed, and change nothing
)

// Order is one thing to do about one workload. Remove and Stop need only the
// work's Workload, Epoch and Landing.
type Order struct {
	Do       Verb
	Work     federation.Work
	Revision federation.Revision // of the work's record; handed back by Done
	Prune    bool                // objects that the work no longer has may go
	Careful  bool                // nothing may be taken away, neither objects nor replicas
}

func (o Order) same(p Order) bool {
	return o.Do == p.Do && o.Work.Epoch == p.Work.Epoch && o.Revision == p.Revision && o.Prune == p.Prune && o.Careful == p.Careful
}

// Waits between attempts.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
	// correctEvery bounds how often drift of one workload is corrected.
	correctEvery = time.Second
)

// Lander carries out orders, one at a time per workload and any number of
// workloads side by side.
type Lander struct {
	opts    Options
	pace    *pacer
	journal *journal
	spaces  spaces
	scalers scalers
	rules   compiler

	mu    sync.Mutex
	ctx   context.Context // of Run; nil outside
	works map[federation.Key]*work
	wg    sync.WaitGroup
}

// work is what is known about one workload. Its fields belong to Lander.mu.
type work struct {
	inventory *Inventory // nil when the workload has nothing here
	next      *Order     // waits
	now       *Order     // is being carried out
	pursued   bool       // a goroutine carries out what waits
	cancel    context.CancelFunc
	last      *Order // the last Land that was carried out; drift is measured by it
	failure   string // of the last attempt
	// autoscalers own the replicas of objects, by name.
	autoscalers map[kube.Ref]string
	rules       *rules // that came with the last order from outside
	corrected   time.Time
	marks       []marks             // that the objects should have
	drifts      map[kube.Ref]drift  // what close looks have found
	refusals    map[kube.Ref]string // why objects could not be landed
	landed      map[kube.Ref]bool   // by earlier attempts at the present order
}

// New makes a lander.
func New(opts Options) *Lander {
	if opts.Patience == 0 {
		opts.Patience = 10 * time.Second
	}
	l := &Lander{opts: opts, pace: newPacer(), journal: newJournal(opts.Cluster), works: map[federation.Key]*work{}}
	l.scalers = scalers{ask: l.autoscaled, spawn: l.wg.Go, next: map[string]*scalersAnswer{}}
	return l
}

// Run lets orders be carried out until ctx ends, and returns when none is under
// way any more.
func (l *Lander) Run(ctx context.Context) error {
	l.mu.Lock()
	l.ctx = ctx
	for _, k := range slices.SortedFunc(maps.Keys(l.works), federation.Key.Compare) {
		l.start(k, l.works[k])
	}
	l.mu.Unlock()
	l.journal.run(ctx)
	l.mu.Lock()
	l.ctx = nil
	l.mu.Unlock()
	l.wg.Wait()
	return nil
}

// Give hands over an order. It supersedes what waits or is under way for the
// workload, unless that is the very same order.
func (l *Lander) Give(o Order) {
	if o.Do == Land {
		ruled := l.rules.compile(o.Work.StatusRules)
		l.mu.Lock()
		l.work(o.Work.Workload).rules = ruled
		l.mu.Unlock()
	}
	l.give(o)
}

func (l *Lander) give(o Order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.work(o.Work.Workload)
	if w.next == nil && w.now != nil && w.now.same(o) || w.next != nil && w.next.same(o) {
		return
	}
	w.next = &o
	if w.cancel != nil {
		w.cancel()
	}
	l.start(o.Work.Workload, w)
}

func (l *Lander) work(k federation.Key) *work {
	w := l.works[k]
	if w == nil {
		w = &work{}
		l.works[k] = w
	}
	return w
}

// start begins to work on what waits, unless that happens already. Lander.mu is held.
func (l *Lander) start(k federation.Key, w *work) {
	if l.ctx == nil || w.next == nil || w.pursued {
		return
	}
	ctx := l.ctx
	w.pursued = true
	l.wg.Go(func() { l.pursue(ctx, k, w) })
}

// pursue carries out the orders of one workload until none waits.
func (l *Lander) pursue(run context.Context, k federation.Key, w *work) {
	for {
		l.mu.Lock()
		if w.next == nil || run.Err() != nil {
			w.now, w.pursued = nil, false
			l.mu.Unlock()
			return
		}
		o := *w.next
		ctx, cancel := context.WithCancel(run)
		w.now, w.next, w.cancel, w.landed = &o, nil, cancel, map[kube.Ref]bool{}
		l.mu.Unlock()
		l.opts.Changed(k)
		done := l.retry(ctx, w, o)
		cancel()
		if done {
			l.opts.Done(o)
			l.opts.Changed(k)
		}
	}
}

// retry tries until the order is carried out or superseded. Once it is carried out none
// is under way any more, before anybody hears of it: who then looks for drift that came
// meanwhile would be sent away, and not look again.
func (l *Lander) retry(ctx context.Context, w *work, o Order) bool {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := l.carryOut(ctx, o)
		if err == nil {
			l.fail(w, "")
			l.mu.Lock()
			w.now, w.landed = nil, nil
			switch {
			case o.Do == Look:
			case o.Do != Land:
				w.last, w.drifts = nil, nil
			case !o.Careful || w.last == nil:
				w.last = &o
			}
			l.mu.Unlock()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if l.fail(w, err.Error()) {
			l.opts.Logger.Warn("landing goes wrong, trying again", "do", o.Do, "workload", o.Work.Workload.String(), "epoch", o.Work.Epoch, "reason", err)
			l.opts.Changed(o.Work.Workload)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// fail notes the outcome of an attempt and reports whether it is news.
func (l *Lander) fail(w *work, why string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	news := w.failure != why
	w.failure = why
	return news
}

// refuse notes how an attempt at one object ended.
func (l *Lander) refuse(k federation.Key, r kube.Ref, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.work(k)
	delete(w.refusals, r)
	switch {
	case err == nil:
		w.landed[r] = true
	case refused(err):
		if w.refusals == nil {
			w.refusals = map[kube.Ref]string{}
		}
		w.refusals[r] = err.Error()
	}
}

// tried reports whether an earlier attempt at the present order has landed the object.
func (l *Lander) tried(k federation.Key, r kube.Ref) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.work(k).landed[r]
}

func (l *Lander) carryOut(ctx context.Context, o Order) error {
	if o.Do == Remove || o.Do == Stop {
		return l.remove(ctx, o) // what has to stop waits for nothing
	}
	if l.opts.Open != nil {
		var err error
		if o.Work, err = l.opts.Open(o.Work); err != nil {
			return err
		}
	}
	if o.Do == Look {
		return l.lookAt(ctx, o)
	}
	p, err := l.plan(ctx, o)
	if err != nil || len(p.objects) == 0 && p.settled {
		return err
	}
	if err := l.pace.enter(ctx, o.Work.Tier); err != nil {
		return err
	}
	began := time.Now()
	err = l.land(ctx, p)
	objects := len(o.Work.Objects)
	if err != nil {
		objects = 0
	}
	l.pace.leave(objects, time.Since(began))
	return err
}

// keep notes an inventory as written.
func (l *Lander) keep(inv Inventory) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inv = inv.clone()
	l.work(inv.Workload).inventory = &inv
}

func (l *Lander) forget(k federation.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work(k).inventory = nil
}

// inventory returns a copy of what the workload has here.
func (l *Lander) inventory(k federation.Key) (Inventory, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.works[k]
	if w == nil || w.inventory == nil {
		return Inventory{Workload: k}, false
	}
	return w.inventory.clone(), true
}

// Workloads lists what has an inventory or is being worked on, sorted.
func (l *Lander) Workloads() []federation.Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []federation.Key
	for k, w := range l.works {
		if w.inventory != nil || w.now != nil {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, federation.Key.Compare)
	return out
}

func (l *Lander) follow(r kube.Ref) {
	if err := l.opts.Views.Follow(r); err != nil {
		l.opts.Logger.Warn("cannot watch", "kind", r.Kind, "reason", err)
	}
}
