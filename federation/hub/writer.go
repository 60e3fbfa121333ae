package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/trace"
)

// maxBatch and maxBatchBytes bound what goes out as one atomic batch.
const (
	maxBatch      = 500
	maxBatchBytes = 4 << 20
)

// mostWriters bounds how many members' works are written at once. The bus's disk takes no
// more of them per second when more wait for it, while everything else that is written,
// the hub's own lease among it, waits behind them.
const mostWriters = 32

// write is one effect on one bucket. id is 0 when nobody waits for the outcome.
type write struct {
	id uint64
	messaging.Write
	encode  func() ([]byte, error) // makes Value just before it goes out; nil: it is made
	batch   bool                   // may go out together with its neighbours
	decided time.Time              // when the machine asked for it
	answer  chan<- error           // gets the outcome, unless it is nil; has room for it
	ended   func(error)            // is told the outcome, unless it is nil
}

// writer carries out the writes of one bucket in order, in a goroutine of its
// own, and tells the machine how each ended.
type writer struct {
	bucket messaging.Bucket
	queue  *mailbox.Box[write]
	gate   *semaphore.Weighted // bounds how many write at once; nil: nothing does
	done   func(decision.WriteDone)
	count  func(write, decision.Outcome)
	wrote  func(federation.Revision) // is told the revision of each write
}

// run writes until ctx ends.
func (w writer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.queue.Ready():
			if err := w.enter(ctx); err != nil {
				return err
			}
			w.writeAll(ctx, w.queue.Take())
			w.leave()
		}
	}
}

func (w writer) enter(ctx context.Context) error {
	if w.gate == nil {
		return nil
	}
	return w.gate.Acquire(ctx, 1)
}

func (w writer) leave() {
	if w.gate != nil {
		w.gate.Release(1)
	}
}

func (w writer) writeAll(ctx context.Context, writes []write) {
	writes = w.encoded(writes)
	for len(writes) > 0 {
		n := batchLength(writes)
		if n == 1 || !w.tryBatch(ctx, writes[:n]) {
			for _, one := range writes[:n] {
				w.writeOne(ctx, one)
			}
		}
		writes = writes[n:]
	}
}

// encoded makes the values that are not made yet. A write without one ends here.
func (w writer) encoded(writes []write) []write {
	out := writes[:0]
	for _, one := range writes {
		if one.encode != nil {
			value, err := one.encode()
			if err != nil {
				w.tell(one, 0, fmt.Errorf("%w: %w", errNotSealed, err))
				continue
			}
			one.Value = value
		}
		out = append(out, one)
	}
	return out
}

// batchLength says how many of the first writes go out together.
func batchLength(writes []write) int {
	n, size := 1, len(writes[0].Value)
	for writes[0].batch && n < len(writes) && n < maxBatch && writes[n].batch {
		if size += len(writes[n].Value); size > maxBatchBytes {
			break
		}
		n++
	}
	return n
}

// tryBatch writes all or none. It reports false when one of them conflicts, and
// each must be tried by itself.
func (w writer) tryBatch(ctx context.Context, writes []write) bool {
	all := make([]messaging.Write, len(writes))
	for i, one := range writes {
		all[i] = one.Write
	}
	revisions, err := w.bucket.WriteAll(ctx, all)
	if err != nil && outcome(err) != decision.Lost {
		return false
	}
	for i, one := range writes {
		var revision federation.Revision
		if err == nil {
			revision = revisions[i]
		}
		w.tell(one, revision, err)
	}
	return true
}

func (w writer) writeOne(ctx context.Context, one write) {
	ctx = trace.With(ctx, one.Trace)
	if one.Delete {
		err := w.bucket.Delete(ctx, one.Key, one.Expected)
		if errors.Is(err, messaging.ErrNotFound) {
			err = nil // it is gone, which is what was asked for
		}
		w.tell(one, 0, err)
		return
	}
	revision, err := w.bucket.Put(ctx, one.Key, one.Value, one.Expected)
	w.tell(one, revision, err)
}

func (w writer) tell(one write, revision federation.Revision, err error) {
	ended := outcome(err)
	w.count(one, ended)
	w.wrote(revision)
	if one.ended != nil {
		one.ended(err)
	}
	if one.answer != nil {
		one.answer <- err
	}
	if one.id == 0 {
		return
	}
	done := decision.WriteDone{ID: one.id, Outcome: ended, Revision: revision}
	if err != nil {
		done.Detail = err.Error()
	}
	w.done(done)
}

// outcome maps an error of the bus to what the machine branches on.
func outcome(err error) decision.Outcome {
	switch {
	case err == nil:
		return decision.Written
	case errors.Is(err, messaging.ErrConflict):
		return decision.Conflicted
	case errors.Is(err, messaging.ErrTooLarge), errors.Is(err, messaging.ErrDenied), errors.Is(err, errNotSealed):
		return decision.Rejected
	}
	return decision.Lost
}
