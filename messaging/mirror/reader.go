package mirror

import (
	"context"
	"errors"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// retry is the wait before the bus is asked again.
const retry = 100 * time.Millisecond

// answerWithin is how long the bus has to say how far it is.
const answerWithin = 4 * time.Second

// tellSilence is how often in a row it must not have said so until that is told: a stream
// that elects a leader says nothing for up to nine seconds.
const tellSilence = 5

// patience is how long a mirror may be behind the bus without any progress until its
// follower begins again.
const patience = 2 * time.Second

// reader is one call of Follow. mirror.mu guards it.
type reader struct {
	resets   int // of the mirror, when it began
	position federation.Revision
}

var errReset = errors.New("the mirror was reset")

// Follow tells the snapshot, Synced, and every later change.
func (m *mirror) Follow(ctx context.Context, filter string, handle func(messaging.Change) error) error {
	if filter == "" {
		filter = ">"
	}
	tell := func(n *node) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !subject.Matches(filter, n.Key):
			return nil
		}
		return handle(messaging.Change{Entry: n.Entry})
	}
	for {
		err := m.serve(ctx, tell, handle)
		if !errors.Is(err, errReset) {
			return err
		}
		if err := handle(messaging.Change{Reset: true}); err != nil {
			return err
		}
	}
}

// serve is Follow until the mirror is reset.
func (m *mirror) serve(ctx context.Context, tell func(*node) error, handle func(messaging.Change) error) error {
	r, snapshot, err := m.enter(ctx)
	if err != nil {
		return err
	}
	defer m.leave(r)
	for _, n := range snapshot {
		if n.Deleted {
			continue
		}
		if err := tell(n); err != nil {
			return err
		}
	}
	if err := handle(messaging.Change{Synced: true, Entry: messaging.Entry{Revision: r.position}}); err != nil {
		return err
	}
	for {
		changes, err := m.next(ctx, r)
		if err != nil {
			return err
		}
		for _, n := range changes {
			if err := tell(n); err != nil {
				return err
			}
		}
	}
}

// enter waits until the mirror has all that the bus had when it was called, and
// returns that with a reader that has it.
func (m *mirror) enter(ctx context.Context) (*reader, []*node, error) {
	for silent := 1; ; silent++ {
		had := m.cursor()
		extent, err := m.extent(ctx)
		if err == nil {
			if r, snapshot := m.await(ctx, had, extent); r != nil {
				return r, snapshot, nil
			}
		}
		if err != nil && silent == tellSilence && ctx.Err() == nil {
			m.log.Warn("the bus does not say what the bucket holds; asking again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(retry):
		}
	}
}

// extent asks the bus how far it is.
func (m *mirror) extent(ctx context.Context) (messaging.Extent, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	return m.source.Extent(ctx)
}

func (m *mirror) cursor() messaging.Cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at.Cursor
}

// await waits until the mirror is as far as the bus. It returns nil when the bus has
// to be asked again: ctx ended, or what it said and what the mirror had before it was
// asked contradict each other, so that the mirror has to resume.
func (m *mirror) await(ctx context.Context, had messaging.Cursor, bus messaging.Extent) (*reader, []*node) {
	stuck := time.NewTimer(patience)
	defer stuck.Stop()
	for {
		m.mu.Lock()
		switch {
		case m.synced && (m.at.Life != bus.Life || had.Life == bus.Life && had.Revision > bus.Revision):
			m.resume()
			m.mu.Unlock()
			return nil, nil
		case m.synced && m.at.Revision >= bus.Revision:
			defer m.mu.Unlock()
			m.records.drop(bus.Oldest)
			r := &reader{resets: m.resets, position: m.at.Revision}
			m.readers[r] = struct{}{}
			return r, m.records.after(0)
		}
		changed, at := m.wait(), m.at.Revision
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, nil
		case <-changed:
			stuck.Reset(patience)
		case <-stuck.C:
			m.unstick(at)
			stuck.Reset(patience)
		}
	}
}

// unstick resumes a mirror that is still where it was.
func (m *mirror) unstick(at federation.Revision) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.synced && m.at.Revision == at {
		m.resume()
	}
}

// next returns what the reader has not seen, and waits until there is something.
func (m *mirror) next(ctx context.Context, r *reader) ([]*node, error) {
	for {
		m.mu.Lock()
		if r.resets != m.resets {
			m.mu.Unlock()
			return nil, errReset
		}
		if changes := m.records.after(r.position); len(changes) > 0 {
			defer m.mu.Unlock()
			r.position = changes[len(changes)-1].Revision
			m.records.forget(m.passed())
			return changes, nil
		}
		changed := m.wait()
		m.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// leave ends a reader.
func (m *mirror) leave(r *reader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.readers, r)
	m.records.forget(m.passed())
}
