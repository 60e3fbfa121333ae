package nats

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// watcher is a follower with its own model of the bucket.
type watcher struct {
	load *load
	name string

	mu       sync.Mutex
	have     map[string]messaging.Entry
	seen     federation.Revision
	progress []moment
	resets   int
}

func (f *watcher) run(ctx context.Context, c *Conn) {
	err := workloads(c).Follow(ctx, "", func(c messaging.Change) error {
		f.take(c)
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		f.load.fault("%s ends with %v", f.name, err)
	}
}

func (f *watcher) take(c messaging.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case c.Reset:
		clear(f.have)
		f.seen = 0
		f.resets++
		return
	case c.Synced:
		return
	}
	if c.Revision <= f.seen {
		f.load.fault("%s: revision %d of %s comes after %d", f.name, c.Revision, c.Key, f.seen)
	}
	f.seen = c.Revision
	f.progress = append(f.progress, moment{c.Revision, time.Now()})
	if c.Deleted {
		delete(f.have, c.Key)
		return
	}
	f.have[c.Key] = c.Entry
}

func (f *watcher) last() federation.Revision {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// stale is the span from an acknowledged write until the follower had seen it, or what
// replaced it, that has the most time in which the network was whole; and the longest
// span of all.
func (f *watcher) stale(written []moment) (worst, longest span, missed int) {
	written = slices.Clone(written)
	slices.SortFunc(written, func(a, b moment) int { return int(a.revision) - int(b.revision) })
	f.mu.Lock()
	defer f.mu.Unlock()
	next := 0
	for _, p := range f.progress {
		for ; next < len(written) && written[next].revision <= p.revision; next++ {
			s := span{written[next].at, p.at}
			if s.to.Sub(s.from) > longest.to.Sub(longest.from) {
				longest = s
			}
			if f.load.whole(s) > f.load.whole(worst) {
				worst = s
			}
		}
	}
	return worst, longest, len(written) - next
}

// Of the one lease.
const (
	loadLease = 4 * time.Second
	loadRenew = time.Second
)

// leaseRecord is until when each holder believes that it holds the lease.
type leaseRecord struct {
	mu     sync.Mutex
	until  map[string]time.Time
	grants int
	passed int // from one holder to another
	last   string
}

// granted notes that somebody was granted the lease, which it asked for at sent.
func (r *leaseRecord) granted(l *load, name string, sent time.Time) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = map[string]time.Time{}
	}
	for other, until := range r.until {
		if other != name && now.Before(until) {
			l.fault("%s holds the lease %v before that of %s has ended", name, until.Sub(now), other)
		}
	}
	r.until[name] = sent.Add(loadLease)
	r.grants++
	if r.last != name {
		r.passed++
	}
	r.last = name
}

// holder wants the lease, keeps it for some time, and wants it again.
type holder struct {
	load *load
	name string
	conn *Conn
	held federation.Revision
}

func (h *holder) run(ctx context.Context) {
	ticks := time.NewTicker(loadRenew)
	defer ticks.Stop()
	for ctx.Err() == nil {
		sent := time.Now()
		revision, err := h.conn.Acquire(ctx, "hub", []byte(h.name), loadLease, h.held)
		switch {
		case err == nil:
			h.held = revision
			h.load.lease.granted(h.load, h.name, sent)
		case errors.Is(err, messaging.ErrConflict):
			h.held = 0
		case errors.Is(err, messaging.ErrUnknown):
			h.look(ctx)
		case ctx.Err() == nil:
			h.load.fault("%s: the lease fails with %v", h.name, err)
		}
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
	}
}

// look finds out whether the lease is its own; it was not granted, so it does not count.
func (h *holder) look(ctx context.Context) {
	b, _ := h.conn.Bucket(ctx, subject.Leases) // opening cannot fail
	e, err := b.Get(ctx, "hub")
	if err == nil && string(e.Value) == h.name {
		h.held = e.Revision
	} else if err == nil || errors.Is(err, messaging.ErrNotFound) {
		h.held = 0
	}
}
