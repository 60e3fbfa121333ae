package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// idleHeartbeat is how often the server says that a follower has missed nothing;
// two missing ones start the consumer again.
const idleHeartbeat = time.Second

// idleConsumer is how long a consumer is kept from which nobody reads.
const idleConsumer = time.Minute

// followRetry is the wait before a follower that failed starts again.
const followRetry = 200 * time.Millisecond

// catchUp is how long a follower that is not synced waits for the next record
// before it looks again what there is to wait for.
const catchUp = 2 * time.Second

// askWithin bounds one question of a follower, with its repetitions.
const askWithin = 2 * time.Second

// mostBehind is how often in a row a stream may end before what was read of it
// until it counts as cut back: a leader may apply a write after another server.
const mostBehind = 5

var _ messaging.Resumer = (*bucket)(nil)

// Follow reads the part of the bucket that matches filter with a consumer, which is
// made anew after each gap. When the stream itself was made anew or cut back, the
// follower is told to forget and starts from a new snapshot.
func (b *bucket) Follow(ctx context.Context, filter string, handle func(messaging.Change) error) error {
	if filter == "" {
		filter = ">"
	}
	f := follower{
		bucket: b, filter: b.prefix + filter, all: filter == ">", told: map[string]struct{}{},
		handle: func(c messaging.Change, _ messaging.Extent) error { return handle(c) }, reader: &reader{stream: b.stream},
	}
	return b.conn.readAgain(ctx, f.reader, f.read)
}

// FollowFrom reads the whole bucket in the same way, from the cursor on.
func (b *bucket) FollowFrom(ctx context.Context, from messaging.Cursor, handle func(messaging.Change, messaging.Extent) error) error {
	f := follower{bucket: b, filter: b.prefix + ">", all: true, handle: handle, at: messaging.Extent{Cursor: from}, reader: &reader{stream: b.stream}}
	return b.conn.readAgain(ctx, f.reader, f.read)
}

// Extent asks the stream's leader what it holds.
func (b *bucket) Extent(ctx context.Context) (messaging.Extent, error) {
	info, err := b.info(ctx)
	if err != nil {
		return messaging.Extent{}, err
	}
	return extent(info), nil
}

func (b *bucket) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	info, err := again(ctx, askAgain, b.infoOnce)
	if err != nil {
		return nil, wrap(err, "look at stream %s", b.stream)
	}
	return info, nil
}

// errNoLeader is the answer of a server that is about to elect: the others may have more.
var errNoLeader = errors.New("the stream has no leader now")

func (b *bucket) infoOnce(ctx context.Context) (*jetstream.StreamInfo, error) {
	stream, err := b.conn.js.Stream(ctx, b.stream)
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	if c := info.Cluster; c != nil && len(c.Replicas) > 0 && c.Leader == "" {
		return nil, errNoLeader
	}
	return info, nil
}

// readAgain reads until ctx ends or the caller's handler fails, and returns that error.
func (c *Conn) readAgain(ctx context.Context, r *reader, read func(context.Context) error) error {
	defer c.link.reads(r)()
	for {
		err := read(ctx)
		var failed handlerError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &failed):
			return failed.err
		}
		c.link.stumbled(r, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(followRetry):
		}
	}
}

// handlerError carries an error of the caller's handler, which ends a Follow.
type handlerError struct{ err error }

func (e handlerError) Error() string { return e.err.Error() }

// follower is what must survive a new consumer.
type follower struct {
	bucket *bucket
	filter string // a subject
	all    bool   // the filter leaves nothing out
	handle func(messaging.Change, messaging.Extent) error
	reader *reader

	at     messaging.Extent // where the reader stands; nothing was read while its revision is 0
	synced bool
	told   map[string]struct{} // keys of the snapshot, whose deletions are news; nil where every deletion is
	behind int                 // how often in a row the stream ended before the reader

	// Of the present consumer:
	found     messaging.Extent // the stream before it was made
	wanted    uint64           // sequence of the last message that matched then
	delivered uint64           // messages
	pending   uint64           // messages that it knows of and has not delivered
	stalled   bool             // the last consumer brought nothing more and the reader was not synced
}

func (f *follower) tell(c messaging.Change) error {
	if err := f.handle(c, f.at); err != nil {
		return handlerError{err}
	}
	return nil
}

// read follows with one consumer until it fails.
func (f *follower) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer f.bucket.conn.onDisconnect(cancel)()
	info, err := f.bucket.info(ctx)
	if err != nil {
		return err
	}
	if err := f.check(info); err != nil {
		return err
	}
	if f.wanted, err = f.last(ctx, info); err != nil {
		return err
	}
	messages, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer messages.Stop()
	stall := time.AfterFunc(catchUp, cancel)
	defer stall.Stop()
	for {
		if err := f.sync(); err != nil {
			return err
		}
		f.reader.has(f.waiting(), time.Now())
		if stall.Stop(); !f.synced {
			stall.Reset(catchUp)
		}
		m, err := messages.Next(jetstream.NextContext(ctx))
		f.stalled = !stall.Stop() && !f.synced
		if err != nil {
			return wrap(err, "follow %s", f.bucket.stream)
		}
		if err := f.take(m); err != nil {
			return err
		}
	}
}

// check notices a stream that no longer has what was read.
func (f *follower) check(info *jetstream.StreamInfo) error {
	f.found = extent(info)
	v := holds
	if f.at.Revision > 0 {
		v = judge(f.at.Cursor, info)
	}
	if v == behind {
		if f.behind++; f.behind < mostBehind {
			return fmt.Errorf("follow %s: it ends at %d, before what was read of it: %d", f.bucket.stream, f.found.Revision, f.at.Revision)
		}
		v = lost
	}
	f.behind = 0
	if v == holds {
		f.at.Life, f.at.Oldest = f.found.Life, f.found.Oldest
		return nil
	}
	f.at = messaging.Extent{Cursor: messaging.Cursor{Life: f.found.Life}, Oldest: f.found.Oldest}
	f.synced = false
	clear(f.told)
	return f.tell(messaging.Change{Reset: true})
}

// last returns the sequence up to which the reader has to come to be synced. The
// last one of the stream will do where nothing is filtered; it may be the number of
// a message that is gone, so a reader that waited in vain asks for one that is there.
func (f *follower) last(ctx context.Context, info *jetstream.StreamInfo) (uint64, error) {
	switch {
	case info.State.Msgs == 0:
		return 0, nil
	case f.all && !f.stalled:
		return info.State.LastSeq, nil
	}
	request, err := json.Marshal(map[string]string{"last_by_subj": f.filter})
	if err != nil {
		return 0, err
	}
	// Not by direct get, which a server may answer that is behind.
	answer, err := f.bucket.conn.readOnce(ctx, f.bucket.conn.api+".STREAM.MSG.GET."+f.bucket.stream, request)
	if err == nil && answer.Error != nil && answer.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		err = answer.Error
	}
	if err != nil {
		return 0, wrap(err, "look for the end of stream %s", f.bucket.stream)
	}
	return answer.Message.Sequence, nil
}

// open makes a consumer that goes on after the last message that was read. It is
// not the library's ordered consumer, because that begins again by itself and does
// not see that the stream is another one.
func (f *follower) open(ctx context.Context) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	consumer, err := f.consumer(ctx)
	if err != nil {
		return nil, wrap(err, "follow %s", f.bucket.stream)
	}
	f.delivered, f.pending = 0, consumer.CachedInfo().NumPending
	messages, err := consumer.Messages(jetstream.PullHeartbeat(idleHeartbeat), jetstream.PullExpiry(4*idleHeartbeat))
	if err != nil {
		return nil, wrap(err, "follow %s", f.bucket.stream)
	}
	return messages, nil
}

// sync tells that the snapshot is complete, once it is: the consumer's server has
// nothing left, and it had all that the stream's leader had.
func (f *follower) sync() error {
	if f.synced || f.pending > 0 || uint64(f.at.Revision) < f.wanted {
		return nil
	}
	f.synced = true
	clear(f.told)
	if f.all && f.at.Revision <= f.found.Revision {
		f.at.Revision, f.at.At = f.found.Revision, later(f.at.At, f.found.At)
	}
	return f.tell(messaging.Change{Synced: true, Entry: messaging.Entry{Revision: f.upTo()}})
}

// upTo is the revision up to which a synced reader has all that it asked for.
func (f *follower) upTo() federation.Revision { return max(f.at.Revision, f.found.Revision) }

// waiting is how many records the reader has still to read: at least one, while it
// waits for what the server of its consumer has not got yet.
func (f *follower) waiting() int {
	if !f.synced {
		return max(1, int(f.pending))
	}
	return int(f.pending)
}

// take hands one message on. A consumer whose server was behind begins before what
// it was asked for.
func (f *follower) take(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("follow %s: %w", f.bucket.stream, err)
	}
	if f.delivered++; meta.Sequence.Consumer != f.delivered {
		return fmt.Errorf("follow %s: message %d of the consumer came as number %d", f.bucket.stream, meta.Sequence.Consumer, f.delivered)
	}
	f.pending = meta.NumPending
	if revision(meta.Sequence.Stream) <= f.at.Revision {
		return nil
	}
	f.at.Revision, f.at.At = revision(meta.Sequence.Stream), later(f.at.At, meta.Timestamp)
	e := entry(strings.TrimPrefix(m.Subject(), f.bucket.prefix), m.Data(), m.Headers(), meta.Sequence.Stream)
	if !f.news(e) {
		return nil
	}
	return f.tell(messaging.Change{Entry: e})
}

// news reports whether the reader has to know of a version: before it is synced, a
// deletion is none unless the record was told.
func (f *follower) news(e messaging.Entry) bool {
	if f.synced || f.told == nil {
		return true
	}
	_, told := f.told[e.Key]
	if e.Deleted {
		delete(f.told, e.Key)
		return told
	}
	f.told[e.Key] = struct{}{}
	return true
}

// onDisconnect calls end when the connection is lost, until stop is called: a
// consumer in memory may be gone when it is back.
func (c *Conn) onDisconnect(end func()) (stop func()) {
	changed := c.nc.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	go func() {
		for range changed {
			end()
		}
	}()
	return func() { c.nc.RemoveStatusListener(changed) }
}

func revision(sequence uint64) federation.Revision { return federation.Revision(sequence) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
