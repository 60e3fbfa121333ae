package nats

import (
	"sync"
	"time"
)

// reader knows how far one reader of a stream is behind the stream's head, as the server
// says with each message. Of what has arrived since and is not handled it knows nothing:
// handlers are fast, and a gateway compares what it has with what the hub says there is.
type reader struct {
	stream string

	mu      sync.Mutex
	records int       // that wait
	since   time.Time // when it last had everything; zero while it has
	failed  int       // how often in a row it could not read
}

// has tells how many records wait.
func (r *reader) has(records int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records, r.failed = records, 0
	switch {
	case records == 0:
		r.since = time.Time{}
	case r.since.IsZero():
		r.since = now
	}
}

// fails tells that it cannot read, and returns how often in a row.
func (r *reader) fails(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since.IsZero() {
		r.since = now
	}
	r.failed++
	return r.failed
}

// lag is how many records wait, and for how long it has not had everything: since the
// connection was lost, if it is.
func (r *reader) lag(now, lost time.Time) (int, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.since
	if !lost.IsZero() && (since.IsZero() || lost.Before(since)) {
		since = lost
	}
	if since.IsZero() {
		return r.records, 0
	}
	return r.records, max(0, now.Sub(since))
}
