package member

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

const (
	// firstResend and lastResend bound the wait after a report that did not arrive.
	firstResend = 250 * time.Millisecond
	lastResend  = 5 * time.Second
	// mostSending bounds how many reports are under way at once: the hub answers each
	// when it is on disk.
	mostSending = 8
)

// topic is one thing that the hub is told about.
type topic struct {
	key, method string
	heard       bool   // the hub may have heard of it already
	last        bool   // it is gone: nothing follows
	says        uint64 // a digest of what is told, without times and numbers; 0: it is news
}

// report is the latest state of one thing.
type report struct {
	topic
	data     []byte
	queued   bool // waits to be sent
	sending  bool // is under way
	failures int  // of the reporter, when it was sent
}

// reporter sends reports to the hub, the latest of each key only, until each has
// arrived. Two reports of one key are never under way together. It holds one for each
// thing that is here, or is gone and the hub may think that it is here.
type reporter struct {
	bus messaging.Requester
	log *slog.Logger

	mu       sync.Mutex
	latest   map[string]*report
	waiting  []*report // that are queued and not under way, oldest first
	wake     chan struct{}
	sequence uint64        // of the last report
	backoff  time.Duration // since a report did not arrive
	failures int           // how often backoff grew
}

func newReporter(bus messaging.Requester, log *slog.Logger) *reporter {
	return &reporter{bus: bus, log: log, latest: map[string]*report{}, wake: make(chan struct{}, 1)}
}

// put replaces what is to be told about key, and reports whether that is news. The sequence number that encode gets
// tells the order in which reports about different things were made: the hub counts
// on it that facts with a higher one than a status know the pods of that status.
func (r *reporter) put(about topic, encode func(sequence uint64) []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.latest[about.key]
	if v != nil && about.says != 0 && v.says == about.says && v.last == about.last {
		return false
	}
	if v == nil {
		v = &report{topic: about}
		r.latest[about.key] = v
	}
	r.sequence++
	v.last, v.says = about.last, about.says
	if v.last && !v.heard {
		r.forget(v) // it came and went, and nobody heard of it
		return true
	}
	v.data = encode(r.sequence)
	r.queue(v)
	mark(r.wake)
	return true
}

// end says that nothing follows about a thing: it is forgotten once its last report has
// arrived.
func (r *reporter) end(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.latest[key]
	if v == nil {
		return
	}
	v.last = true
	if !v.queued && !v.sending {
		r.forget(v)
	}
}

// forget is called with reporter.mu held.
func (r *reporter) forget(v *report) {
	delete(r.latest, v.key)
	r.waiting = slices.DeleteFunc(r.waiting, func(w *report) bool { return w == v })
}

// resend tells everything again: a new hub may not know it.
func (r *reporter) resend() {
	r.mu.Lock()
	for _, v := range r.latest {
		r.queue(v)
	}
	r.mu.Unlock()
	mark(r.wake)
}

// queue lets a report be sent, after the one of its key that is under way. reporter.mu
// is held.
func (r *reporter) queue(v *report) {
	if !v.queued && !v.sending {
		r.waiting = append(r.waiting, v)
	}
	v.queued = true
}

// run sends until ctx ends.
func (r *reporter) run(ctx context.Context) error {
	slots := make(chan struct{}, mostSending)
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case slots <- struct{}{}:
		}
		if pause := r.pause(); pause > 0 && !wait(ctx, pause) {
			return nil
		}
		v, data := r.take()
		if v == nil {
			<-slots
			select {
			case <-ctx.Done():
				return nil
			case <-r.wake:
			}
			continue
		}
		sending.Go(func() {
			r.sent(v, r.send(ctx, v, data))
			<-slots
			mark(r.wake)
		})
	}
}

// pause is how long to wait before the next report is sent.
func (r *reporter) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return 0
	}
	return r.backoff
}

// take returns what has waited longest, nil when nothing waits.
func (r *reporter) take() (v *report, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil, nil
	}
	v = r.waiting[0]
	r.waiting = r.waiting[1:]
	v.queued, v.sending, v.heard, v.failures = false, true, true, r.failures
	return v, v.data
}

func (r *reporter) sent(v *report, arrived bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v.sending = false
	again := v.queued || !arrived
	v.queued = false
	if again {
		r.queue(v)
	} else if v.last {
		r.forget(v)
	}
	switch {
	case arrived:
		r.backoff = 0
	case v.failures == r.failures: // those that fail together count once
		r.failures++
		r.backoff = min(max(firstResend, 2*r.backoff), lastResend)
	}
}

func (r *reporter) send(ctx context.Context, v *report, data []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	_, err := r.bus.Request(ctx, subject.MemberUp(v.method), data)
	if err != nil {
		r.log.Debug("a report did not arrive, sending it again", "about", v.key, "reason", err)
	}
	return err == nil
}
