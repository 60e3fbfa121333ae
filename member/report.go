package member

import (
	"context"
	"hash/fnv"
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
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	// settle is how long changes of a part of the cluster are gathered into one
	// report. What leaves an answer must leave fast, so it is short.
	settle = 20 * time.Millisecond
	// factsSettle is the same for capacity, which changes with every pod.
	factsSettle = 250 * time.Millisecond
)

// reportWork tells the hub how a work is, unless that is what it was told last: most of
// what changes in an object while its pods start says nothing new.
func (a *Agent) reportWork(s federation.WorkStatus) {
	s.Member, s.Incarnation = a.opts.Name, a.incarnation
	about := topic{key: statusKey(s.Workload), method: subject.UpStatus, says: digestOf(federationv1.EncodeWorkStatus(s))}
	s.ObservedAt = time.Now()
	if a.reports.put(about, func(sequence uint64) []byte {
		s.Sequence = sequence
		return federationv1.EncodeWorkStatus(s)
	}) {
		a.factsOwed()
	}
}

func digestOf(text []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(text) // a hash takes everything
	return h.Sum64()
}

func statusKey(k federation.Key) string { return "status " + k.String() }

// factsOwed asks for facts that are newer than what was reported last, also when
// they say the same: the hub keeps room for replicas until facts count them.
func (a *Agent) factsOwed() {
	a.facts.owed.Store(true)
	mark(a.facts.capacity)
}

// statusChanged lets a workload be reported anew, and looked at for drift. It does not
// block.
func (a *Agent) statusChanged(k federation.Key) {
	a.changes.mu.Lock()
	a.changes.works[k] = true
	a.changes.mu.Unlock()
	mark(a.changes.some)
}

func (a *Agent) allChanged() {
	for _, k := range a.lander.Workloads() {
		a.statusChanged(k)
	}
}

// changes are the workloads whose status may have changed.
type changes struct {
	some  chan struct{} // a token while there are some
	mu    sync.Mutex
	works map[federation.Key]bool
}

func newChanges() *changes {
	return &changes{some: make(chan struct{}, 1), works: map[federation.Key]bool{}}
}

func (c *changes) take() map[federation.Key]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.works
	c.works = map[federation.Key]bool{}
	return taken
}

// statusPace is how long a rest is for each workload of a round at least: a hub that all
// members of a storm tell of each step of each workload has no time for the storm.
const statusPace = time.Millisecond

// keepStatuses reports what changed. It rests four times as long as a round took: in
// a storm each workload is told less often, and landing keeps the processor.
func (a *Agent) keepStatuses(ctx context.Context) error {
	rest := settle
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.changes.some:
		}
		if !wait(ctx, rest) {
			return nil
		}
		began, changed := time.Now(), a.changes.take()
		for _, k := range slices.SortedFunc(maps.Keys(changed), federation.Key.Compare) {
			if s, ok := a.lander.Status(k); ok {
				a.reportWork(s)
				a.inbox.drifted(k)
			}
		}
		rest = max(settle, 4*time.Since(began), time.Duration(len(changed))*statusPace)
	}
}

// factsSource gathers what the capacity report needs.
type factsSource struct {
	exports, capacity chan struct{} // a token while something changed
	owed              atomic.Bool   // the next facts are sent although nothing changed

	filled   atomic.Bool // the caches have been
	told     bool        // the exports were, with filled caches; this and what follows belong to keepFacts
	version  string
	kinds    []string
	troubles map[string]string // of pods, by what made them
}

func newFacts() *factsSource {
	return &factsSource{exports: make(chan struct{}, 1), capacity: make(chan struct{}, 1)}
}

// changed is called by the caches for every difference.
func (a *Agent) changed(what kube.What, u kube.Annotated) {
	switch what {
	case kube.Capacity:
		mark(a.facts.capacity)
	case kube.Exports:
		mark(a.facts.exports)
		mark(a.imported)
	case kube.Landed:
		if u == nil {
			a.allChanged()
		} else if k, ok := landing.Owner(u); ok {
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
		a.allChanged()
		a.facts.filled.Store(true)
		close(a.watched)
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
			a.reportTroubles()
		case <-refresh.C:
			a.readKinds()
			last = a.reportFacts(last)
		}
	}
}

// reportTroubles tells every work anew when pods begin or cease not to run as they should.
func (a *Agent) reportTroubles() {
	now := a.watch.AllTroubles()
	if maps.Equal(now, a.facts.troubles) {
		return
	}
	a.facts.troubles = now
	a.allChanged()
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
	a.reports.put(topic{key: "facts", method: subject.UpFacts}, func(sequence uint64) []byte {
		sent.Sequence = sequence
		return federationv1.EncodeMemberFacts(sent)
	})
	return f
}

// reportExports tells what changed since the last time, also what is gone. What is there
// when the caches are filled an earlier life may have told.
func (a *Agent) reportExports() {
	filled, now := a.facts.filled.Load(), map[federation.Key]federation.Export{}
	for _, e := range a.watch.Exports() {
		now[e.Service] = e
		if before, known := a.exports[e.Service]; !known || !observe.SameExport(before, e) {
			a.reportExport(e, !a.facts.told)
		}
	}
	for k, before := range a.exports {
		if _, there := now[k]; !there {
			before.Removed, before.Endpoints = true, nil
			a.reportExport(before, false)
		}
	}
	a.exports, a.facts.told = now, filled
}

func (a *Agent) reportExport(e federation.Export, heard bool) {
	e.Member, e.Incarnation, e.ObservedAt = a.opts.Name, a.incarnation, time.Now()
	about := topic{key: "export " + e.Service.String(), method: subject.UpExport, heard: heard, last: e.Removed}
	a.reports.put(about, func(sequence uint64) []byte {
		e.Sequence = sequence
		return federationv1.EncodeExport(e)
	})
}
