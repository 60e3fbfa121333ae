package mirror

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// mirror is the mirror of one bucket.
type mirror struct {
	name   string
	source messaging.Resumer
	log    *slog.Logger

	mu      sync.Mutex
	records *ledger
	at      messaging.Extent
	synced  bool
	resets  int // how often everything was forgotten
	readers map[*reader]struct{}
	changed chan struct{} // closed at the next change; nil while nobody waits
	restart func()        // ends the present follower of the bus, which then resumes; nil without one

	saved  messaging.Cursor // of the snapshot file; owned by who saves
	failed bool             // the last try to save; the same
}

func newMirror(name string, source messaging.Resumer, log *slog.Logger) *mirror {
	return &mirror{name: name, source: source, log: log.With("bucket", name), records: newLedger(), readers: map[*reader]struct{}{}}
}

// follow follows the bucket until ctx ends.
func (m *mirror) follow(ctx context.Context) error {
	for {
		round, stop := context.WithCancel(ctx)
		err := m.source.FollowFrom(round, m.begin(stop), m.take)
		again := round.Err() != nil && ctx.Err() == nil
		stop()
		if !again {
			return fmt.Errorf("mirror bucket %s: %w", m.name, err)
		}
	}
}

// begin notes how the follower is ended, and returns where it resumes.
func (m *mirror) begin(stop func()) messaging.Cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restart = stop
	return m.at.Cursor
}

// resume lets the follower begin again from where it is; readers that begin wait for it.
// m.mu is held.
func (m *mirror) resume() {
	if m.restart != nil {
		m.restart()
		m.restart, m.synced = nil, false
	}
}

// take applies a change of the bucket.
func (m *mirror) take(c messaging.Change, at messaging.Extent) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case c.Reset:
		m.log.Info("the bucket was made anew or cut back: it is read again", "had", m.at.Revision)
		m.records, m.synced = newLedger(), false
		m.resets++
	case c.Synced:
		m.synced = true
	case c.Deleted && len(m.readers) == 0:
		m.records.remove(c.Key)
	default:
		m.records.put(own(c.Entry))
	}
	m.at = at
	m.records.drop(at.Oldest)
	m.signal()
	return nil
}

// own copies an entry, which may be a part of a larger message.
func own(e messaging.Entry) messaging.Entry {
	e.Key, e.Value, e.Trace = strings.Clone(e.Key), bytes.Clone(e.Value), strings.Clone(e.Trace)
	return e
}

// signal wakes all that wait. m.mu is held.
func (m *mirror) signal() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// wait returns what is closed at the next change. m.mu is held.
func (m *mirror) wait() <-chan struct{} {
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

// contents returns every record, and where the mirror stands.
func (m *mirror) contents() ([]*node, messaging.Cursor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records.after(0), m.at.Cursor
}

// load fills a mirror that has not begun.
func (m *mirror) load(records *ledger, at messaging.Cursor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.records, m.at = records, messaging.Extent{Cursor: at}
	m.saved = at
}

// passed is the revision up to which every reader has read. m.mu is held.
func (m *mirror) passed() federation.Revision {
	least := m.at.Revision
	for r := range m.readers {
		least = min(least, r.position)
	}
	return least
}
