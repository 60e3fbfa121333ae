package nats

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/hansa-io/hansa/messaging/subject"
)

// warnExpiry is how long before its credentials end a connection says so, unless that
// is more than a quarter of their life, and warnAgain how often.
const (
	warnExpiry = 14 * 24 * time.Hour
	warnAgain  = 24 * time.Hour
)

// link is how one connection is: what its metrics and its log say.
type link struct {
	name    string
	log     *slog.Logger // nil: nobody reads it
	metrics *metrics     // nil: nobody measures

	mu       sync.Mutex
	expires  time.Time // of the credentials; zero: never
	lost     time.Time // when the bus was lost; zero while it is there
	away     time.Duration
	subs     map[*nats.Subscription]string // by kind of subject
	dropped  map[string]int                // of subscriptions that have ended
	readers  map[*reader]struct{}
	warnings *time.Timer // nil unless the credentials end
	closed   bool
}

func newLink(o DialOptions) (*link, error) {
	measured, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	return &link{
		name: o.Name, log: o.Log, metrics: measured,
		subs: map[*nats.Subscription]string{}, dropped: map[string]int{}, readers: map[*reader]struct{}{},
	}, nil
}

// opened is told that the connection is made, and whether it stands already.
func (l *link) opened(stands bool) {
	l.metrics.watch(l)
	l.mu.Lock()
	if !stands {
		l.lost = time.Now()
	}
	l.mu.Unlock()
}

// use is told which credentials the connection has from now on.
func (l *link) use(c Credentials) {
	user, _ := ReadUser(c.JWT) // a JWT that is none is refused by the server
	l.mu.Lock()
	defer l.mu.Unlock()
	if user.ExpiresAt.Equal(l.expires) {
		return
	}
	l.expires = user.ExpiresAt
	if l.warnings != nil {
		l.warnings.Stop()
		l.warnings = nil
	}
	if l.closed || l.log == nil || l.expires.IsZero() {
		return
	}
	soon := min(warnExpiry, user.ExpiresAt.Sub(user.IssuedAt)/4)
	l.warnings = time.AfterFunc(time.Until(l.expires)-soon, l.warn)
}

func (l *link) warn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.warnings == nil {
		return
	}
	text := "the credentials end: get new ones, or the connection will be refused"
	l.log.Warn("bus: "+text, "connection", l.name, "at", l.expires.UTC().Format(time.RFC3339))
	l.warnings.Reset(warnAgain)
}

// close is told that the connection will be closed.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.warnings != nil {
		l.warnings.Stop()
	}
	for sub := range l.subs {
		l.end(sub)
	}
}

func (l *link) disconnected(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || !l.lost.IsZero() {
		return
	}
	l.lost = time.Now()
	switch {
	case l.log == nil:
	case err == nil: // it was ended here
		l.log.Info("bus: the connection is being made anew", "connection", l.name)
	default:
		l.log.Warn("bus: the connection is lost", "connection", l.name, "reason", err)
	}
}

func (l *link) reconnected(nc *nats.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost.IsZero() {
		return
	}
	away := time.Since(l.lost)
	l.lost, l.away = time.Time{}, l.away+away
	l.metrics.reconnected(l.name)
	if l.log != nil {
		l.log.Info("bus: connected", "connection", l.name, "after", away.Round(time.Millisecond), "server", nc.ConnectedServerName())
	}
}

// complain logs an error that no call returns.
func (l *link) complain(_ *nats.Conn, sub *nats.Subscription, err error) {
	if l.log == nil {
		return
	}
	subj := ""
	if sub != nil {
		subj = sub.Subject
	}
	l.log.Warn("bus: "+err.Error(), "connection", l.name, "subject", subj)
}

// subscribed counts what a subscription drops, until the returned function is called,
// before it is ended.
func (l *link) subscribed(sub *nats.Subscription) (ends func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[sub] = subject.Kind(sub.Subject)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.end(sub)
	}
}

// end keeps what a subscription has dropped. link.mu is held.
func (l *link) end(sub *nats.Subscription) {
	if n, err := sub.Dropped(); err == nil && n > 0 {
		l.dropped[l.subs[sub]] += n
	}
	delete(l.subs, sub)
}

// reads measures a reader of a bucket until the returned function is called.
func (l *link) reads(r *reader) (ends func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readers[r] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.readers, r)
	}
}

// measure adds what is known now.
func (l *link) measure(now time.Time, all sums) {
	l.mu.Lock()
	defer l.mu.Unlock()
	away := l.away
	if !l.lost.IsZero() {
		away += now.Sub(l.lost)
	}
	all.add(series{awayDesc, l.name, ""}, away.Seconds())
	for kind, n := range l.dropped {
		all.add(series{dropDesc, l.name, kind}, float64(n))
	}
	for sub, kind := range l.subs {
		if n, err := sub.Dropped(); err == nil {
			all.add(series{dropDesc, l.name, kind}, float64(n))
		}
	}
	if l.closed {
		return
	}
	if !l.expires.IsZero() {
		all[series{expiryDesc, l.name, ""}] = l.expires.Sub(now).Seconds()
	}
	for r := range l.readers {
		records, behind := r.lag(now, l.lost)
		all.worst(series{lagRecordsDesc, l.name, bucketOf(r.stream)}, float64(records))
		all.worst(series{lagSecondsDesc, l.name, bucketOf(r.stream)}, behind.Seconds())
	}
}

// tellStumbles is how often in a row a reader fails before that is told: it does when a
// server goes away.
const tellStumbles = 5

// stumbled says once, until it reads again, that a reader cannot read.
func (l *link) stumbled(r *reader, err error) {
	if r.fails(time.Now()) == tellStumbles && l.log != nil {
		l.log.Warn("bus: a reader cannot read and tries again", "connection", l.name, "stream", r.stream, "reason", fmt.Sprint(err))
	}
}
