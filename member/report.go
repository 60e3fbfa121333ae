package member

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/member/observe"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	// firstResend and lastResend bound the wait after a report that did not arrive.
	firstResend = 250 * time.Millisecond
	lastResend  = 5 * time.Second
	// settle is how long changes of a part of the cluster are gathered into one
	// report. What leaves an answer must leave fast, so it is short.
	settle = 20 * time.Millisecond
	// factsSettle is the same for capacity, which changes with every pod.
	factsSettle = 250 * time.Millisecond
)

// report is the latest state of one thing, with its sequence number.
type report struct {
	method string
	data   []byte
}

// reporter sends reports to the hub, the latest of each key only, until each has
// arrived.
type reporter struct {
	bus messaging.Requester
	log *slog.Logger

	mu       sync.Mutex
	latest   map[string]report
	waiting  []string // keys that have to be sent, oldest first
	wake     chan struct{}
	sequence uint64 // of the last report
}

func newReporter(bus messaging.Requester, log *slog.Logger) *reporter {
	return &reporter{bus: bus, log: log, latest: map[string]report{}, wake: make(chan struct{}, 1)}
}

// put replaces what is to be told about key. The sequence number that encode gets
// tells the order in which reports about different things were made: the hub counts
// on it that facts with a higher one than a status know the pods of that status.
func (r *reporter) put(key, method string, encode func(sequence uint64) []byte) {
	r.mu.Lock()
	r.sequence++
	r.latest[key] = report{method, encode(r.sequence)}
	if !slices.Contains(r.waiting, key) {
		r.waiting = append(r.waiting, key)
	}
	r.mu.Unlock()
	r.notify()
}

// resend tells everything again: a new hub may not know it.
func (r *reporter) resend() {
	r.mu.Lock()
	for key := range r.latest {
		if !slices.Contains(r.waiting, key) {
			r.waiting = append(r.waiting, key)
		}
	}
	r.mu.Unlock()
	r.notify()
}

func (r *reporter) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (r *reporter) run(ctx context.Context) error {
	backoff := firstResend
	for {
		key, v, ok := r.take()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-r.wake:
			}
			continue
		}
		if r.send(ctx, v) {
			backoff = firstResend
			continue
		}
		r.putBack(key)
		if !wait(ctx, backoff) {
			return nil
		}
		backoff = min(2*backoff, lastResend)
	}
}

func (r *reporter) take() (string, report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return "", report{}, false
	}
	key := r.waiting[0]
	r.waiting = r.waiting[1:]
	return key, r.latest[key], true
}

func (r *reporter) putBack(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.waiting, key) {
		r.waiting = append(r.waiting, key)
	}
}

func (r *reporter) send(ctx context.Context, v report) bool {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	_, err := r.bus.Request(ctx, subject.MemberUp(v.method), v.data)
	if err != nil {
		r.log.Debug("a report did not arrive, sending it again", "method", v.method, "reason", err)
	}
	return err == nil
}

// reportWork tells the hub how a work is.
func (a *Agent) reportWork(s federation.WorkStatus) {
	s.Member, s.Incarnation, s.ObservedAt = a.opts.Name, a.incarnation, time.Now()
	defer a.factsOwed()
	a.reports.put("status "+s.Workload.String(), subject.UpStatus, func(sequence uint64) []byte {
		s.Sequence = sequence
		return federationv1.EncodeWorkStatus(s)
	})
}

// factsOwed asks for facts that are newer than what was reported last, also when
// they say the same: the hub keeps room for replicas until facts count them.
func (a *Agent) factsOwed() {
	a.facts.owed.Store(true)
	mark(a.facts.capacity)
}

// statusChanged reports a workload anew and looks for drift.
func (a *Agent) statusChanged(k federation.Key) {
	if s, ok := a.lander.Status(k); ok {
		a.reportWork(s)
		a.inbox.Put(input{drift: k})
	}
}

// factsSource gathers what the capacity report needs.
type factsSource struct {
	exports, capacity chan struct{} // a token while something changed
	owed              atomic.Bool   // the next facts are sent although nothing changed

	version     string // this and what follows belong to keepFacts
	kinds       []string
	unscheduled map[string]int // pods that find no node, by what made them
}

func newFacts() *factsSource {
	return &factsSource{exports: make(chan struct{}, 1), capacity: make(chan struct{}, 1)}
}

// changed is called by the caches for every difference.
func (a *Agent) changed(what kube.What, u *kube.Object) {
	switch what {
	case kube.Capacity:
		mark(a.facts.capacity)
	case kube.Exports:
		mark(a.facts.exports)
	case kube.Landed:
		if k, ok := landing.Owner(u); ok {
			a.statusChanged(k)
		}
	}
}

func mark(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// observe runs the caches and reports everything once they are filled.
func (a *Agent) observe(ctx context.Context) error {
	return a.watch.Run(ctx, func() {
		for _, k := range a.lander.Workloads() {
			a.statusChanged(k)
		}
		mark(a.facts.capacity)
		mark(a.facts.exports)
		a.tell(guard.CachesSynced{})
	})
}

// keepFacts reports exports and capacity when they changed.
func (a *Agent) keepFacts(ctx context.Context) error {
	refresh := time.NewTicker(30 * time.Second)
	defer refresh.Stop()
	a.readKinds()
	var last federation.MemberFacts
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.facts.exports:
			if !wait(ctx, settle) {
				return nil
			}
			a.reportExports()
		case <-a.facts.capacity:
			if !wait(ctx, factsSettle) {
				return nil
			}
			last = a.reportFacts(last)
			a.reportUnscheduled()
		case <-refresh.C:
			a.readKinds()
			last = a.reportFacts(last)
		}
	}
}

// reportUnscheduled tells every work anew when pods find no node, or found one.
func (a *Agent) reportUnscheduled() {
	now := a.watch.AllUnscheduled()
	if maps.Equal(now, a.facts.unscheduled) {
		return
	}
	a.facts.unscheduled = now
	for _, k := range a.lander.Workloads() {
		a.statusChanged(k)
	}
}

func (a *Agent) readKinds() {
	version, err := a.cluster.Version()
	if err == nil {
		a.facts.version = version
	}
	kinds, err2 := a.cluster.Kinds()
	if err2 == nil {
		a.facts.kinds = kinds
	}
	if err != nil || err2 != nil {
		a.log.Debug("the API server does not say what it serves", "reason", err)
	}
}

func (a *Agent) reportFacts(last federation.MemberFacts) federation.MemberFacts {
	owed := a.facts.owed.Swap(false) // before the caches are read
	c := a.watch.Cluster()
	c.Version, c.Kinds = a.facts.version, a.facts.kinds
	f := observe.Facts(c)
	if !owed && observe.SameFacts(f, last) {
		return last
	}
	f.Member, f.Incarnation, f.ObservedAt = a.opts.Name, a.incarnation, time.Now()
	sent := f
	a.reports.put("facts", subject.UpFacts, func(sequence uint64) []byte {
		sent.Sequence = sequence
		return federationv1.EncodeMemberFacts(sent)
	})
	return f
}

// reportExports tells what changed since the last time, also what is gone.
func (a *Agent) reportExports() {
	now := map[federation.Key]federation.Export{}
	for _, e := range a.watch.Exports() {
		now[e.Service] = e
		if before, known := a.exports[e.Service]; !known || !observe.SameExport(before, e) {
			a.reportExport(e)
		}
	}
	for k, before := range a.exports {
		if _, there := now[k]; !there {
			before.Removed, before.Endpoints = true, nil
			a.reportExport(before)
		}
	}
	a.exports = now
}

func (a *Agent) reportExport(e federation.Export) {
	e.Member, e.Incarnation, e.ObservedAt = a.opts.Name, a.incarnation, time.Now()
	a.reports.put("export "+e.Service.String(), subject.UpExport, func(sequence uint64) []byte {
		e.Sequence = sequence
		return federationv1.EncodeExport(e)
	})
}
