package lease

import (
	"fmt"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// LeaderOptions configure a Leader. The zero value works.
type LeaderOptions struct {
	Lifetime time.Duration // of the record in the store; 0 means 5 s
	Renew    time.Duration // between renewals; 0 means 1 s
	Retry    time.Duration // between attempts to acquire; 0 means 500 ms
	// Soon is Retry while the record of another hub is about to end; 0 means 50 ms.
	Soon time.Duration
	// Above is the highest term that is known of: every leadership is above it.
	Above uint64
}

func (o LeaderOptions) defaulted() LeaderOptions {
	if o.Lifetime == 0 {
		o.Lifetime = 5 * time.Second
	}
	if o.Renew == 0 {
		o.Renew = o.Lifetime / 5
	}
	if o.Retry == 0 {
		o.Retry = o.Lifetime / 10
	}
	if o.Soon == 0 {
		o.Soon = o.Lifetime / 100
	}
	return o
}

// held is how long a request that was granted lets lead, from when it was sent. A fifth of
// the lifetime is kept back: for clocks that run unequally, and for what a leader has under
// way.
func (o LeaderOptions) held() time.Duration { return o.Lifetime * 4 / 5 }

// Event is something that happened to a Leader.
type Event interface{ event() }

// Granted answers the Acquire of that ID: the record was written.
type Granted struct {
	ID       uint64
	Revision federation.Revision
}

// Refused answers it: the record had another revision, so somebody else holds it.
type Refused struct {
	ID   uint64
	Held federation.Revision // that it had; 0: not known
}

// Unknown answers it: it may or may not have been written.
type Unknown struct{ ID uint64 }

// TermHeard: somebody follows another hub of that term, or has. A leader that is not
// above it is not listened to: its store was put back to an older copy, or another hub
// leads.
type TermHeard struct{ Term uint64 }

// Resign gives the leadership up; the Leader does not try again.
type Resign struct{}

// Tick: the Deadline has come.
type Tick struct{}

func (Granted) event()   {}
func (Refused) event()   {}
func (Unknown) event()   {}
func (TermHeard) event() {}
func (Resign) event()    {}
func (Tick) event()      {}

// Effect is what a Leader wants done, in order.
type Effect interface{ effect() }

// Acquire writes the record if its revision is Expected (0: nobody holds it), with
// the lifetime of the options. It is answered by Granted, Refused or Unknown.
type Acquire struct {
	ID       uint64
	Expected federation.Revision
}

// Release deletes the record if it has that revision; nothing answers.
type Release struct{ Expected federation.Revision }

// Lead begins a leadership. Term is larger than that of any before it on this store,
// and than any that was heard.
type Lead struct{ Term uint64 }

// StepDown ends it. From here on nothing may be decided; it comes before Release.
type StepDown struct{ Reason string }

func (Acquire) effect()  {}
func (Release) effect()  {}
func (Lead) effect()     {}
func (StepDown) effect() {}

// Leader competes for the leadership of the hub, and holds it.
type Leader struct {
	opts     LeaderOptions
	leading  bool
	resigned bool
	revision federation.Revision
	term     uint64    // the highest that it led in, or heard of
	until    time.Time // by which it must have stopped
	next     time.Time // the next request
	asked    map[uint64]time.Time
	last     uint64
	foreign  federation.Revision // of another hub's record, as it was seen last
	since    time.Time           // when it was seen first
	now      time.Time
	out      []Effect
}

// NewLeader returns one that asks with its first Step.
func NewLeader(opts LeaderOptions) *Leader {
	return &Leader{opts: opts.defaulted(), asked: map[uint64]time.Time{}, term: opts.Above}
}

// Step applies one event. A leader that is called late has already lost its right
// by then, and steps down first.
func (l *Leader) Step(now time.Time, ev Event) []Effect {
	l.now, l.out = now, nil
	if l.leading && !now.Before(l.until) {
		l.stepDown("the lease was not renewed in time")
	}
	switch ev := ev.(type) {
	case Granted:
		l.granted(ev)
	case Refused:
		l.refused(ev)
	case Unknown:
		delete(l.asked, ev.ID)
	case TermHeard:
		l.heard(ev.Term)
	case Resign:
		l.resign()
	}
	if !l.resigned && !now.Before(l.next) {
		l.ask()
	}
	return l.out
}

// Deadline says when Step wants to be called with Tick if nothing comes before.
func (l *Leader) Deadline() (time.Time, bool) {
	switch {
	case l.resigned:
		return time.Time{}, false
	case l.leading && l.until.Before(l.next):
		return l.until, true
	}
	return l.next, true
}

// Leading reports whether the right holds at now.
func (l *Leader) Leading(now time.Time) bool { return now.Before(l.Until()) }

// Until is when the right ends unless it is renewed; the zero time while there is none.
func (l *Leader) Until() time.Time {
	if !l.leading {
		return time.Time{}
	}
	return l.until
}

func (l *Leader) ask() {
	l.last++
	l.asked[l.last] = l.now
	l.next = l.now.Add(l.opts.Retry)
	if l.leading {
		l.next = l.now.Add(l.opts.Renew)
	}
	l.out = append(l.out, Acquire{ID: l.last, Expected: l.revision})
}

// granted counts from when the request was sent.
func (l *Leader) granted(ev Granted) {
	sent, ok := l.asked[ev.ID]
	if !ok || ev.Revision <= l.revision || l.resigned {
		return
	}
	clear(l.asked)
	until := sent.Add(l.opts.held())
	if !l.now.Before(until) {
		l.out = append(l.out, Release{Expected: ev.Revision})
		return
	}
	l.revision, l.until = ev.Revision, until
	if !l.leading {
		l.leading = true
		l.next = l.now.Add(l.opts.Renew)
		l.term = termAbove(l.term, ev.Revision)
		l.out = append(l.out, Lead{Term: l.term})
	}
}

// Rewound reports whether the store was put back to an older copy since what carries the
// stamp was written: a term, or a number counted on from one.
func Rewound(stamp, term uint64) bool { return stamp/generation < term/generation }

// generation is the part of a term that counts how often the store was put back; the
// rest is the revision of the write that won the lease. So two leaderships on one
// store never have the same term.
const generation = 1 << 32

// highestTerm is far above what can come about; higher ones are mistakes.
const highestTerm = 1 << 62

// PutBack returns what the first leadership has to be above on a store that was made
// anew from a copy, whose last known term is given: all terms of that generation, since
// nobody knows which of them have been led in.
func PutBack(term uint64) uint64 {
	if term > highestTerm {
		return 0 // a mistake
	}
	return term/generation*generation + generation - 1
}

// termAbove is the first term above the given one for a lease of that revision.
func termAbove(term uint64, revision federation.Revision) uint64 {
	next := term/generation*generation + uint64(revision)%generation
	if next <= term {
		next += generation
	}
	return next
}

// heard lets the next leadership be above the term. The present one, when it is not,
// ends: it may be that another hub leads.
func (l *Leader) heard(term uint64) {
	if term < l.term || term > highestTerm {
		return
	}
	l.term = term
	if held := l.revision; l.leading {
		l.stepDown(fmt.Sprintf("term %d was heard, which another hub led in", term))
		l.out = append(l.out, Release{Expected: held})
	}
}

func (l *Leader) refused(ev Refused) {
	if _, ok := l.asked[ev.ID]; !ok {
		return
	}
	delete(l.asked, ev.ID)
	if l.leading {
		l.stepDown("another hub holds the lease")
		return
	}
	l.saw(ev.Held)
}

// saw notes the record of another hub. One that is not renewed for as long as its holder
// may lead by it is about to end, and nobody decides until it has; so it is asked for often
// from then on.
func (l *Leader) saw(held federation.Revision) {
	if held != l.foreign {
		l.foreign, l.since = held, l.now
	}
	soon := l.now.Add(l.opts.Soon)
	if held != 0 && l.now.Sub(l.since) >= l.opts.held() && soon.Before(l.next) {
		l.next = soon
	}
}

// stepDown keeps the revision of a lease that ran out out of later requests: what
// it was is somebody else's by now, or nobody's.
func (l *Leader) stepDown(reason string) {
	l.leading = false
	l.revision = 0
	clear(l.asked)
	l.next = l.now.Add(l.opts.Retry)
	l.out = append(l.out, StepDown{Reason: reason})
}

func (l *Leader) resign() {
	held := l.revision
	if l.leading {
		l.stepDown("resigned")
		l.out = append(l.out, Release{Expected: held})
	}
	l.resigned = true
}

// String is for people: "leading until 15:04:05.000" or "following".
func (l *Leader) String() string {
	if l.leading {
		return fmt.Sprintf("leading until %s", l.until.Format("15:04:05.000"))
	}
	return "following"
}
