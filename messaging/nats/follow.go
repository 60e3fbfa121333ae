package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
)

// idleHeartbeat is how often the server says that a follower has missed nothing;
// two missing ones start the consumer again.
const idleHeartbeat = time.Second

// followRetry is the wait before a follower that failed starts again.
const followRetry = 200 * time.Millisecond

// Follow reads the bucket with an ordered consumer, which the library makes anew
// after each gap. When the stream itself was made anew, the follower is told to
// forget and starts from a new snapshot.
func (b *bucket) Follow(ctx context.Context, filter string, handle func(messaging.Change) error) error {
	if filter == "" {
		filter = ">"
	}
	f := follower{bucket: b, filter: b.prefix + filter, handle: handle}
	return readAgain(ctx, f.read)
}

// readAgain reads until ctx ends or the caller's handler fails, and returns that error.
func readAgain(ctx context.Context, read func(context.Context) error) error {
	for {
		err := read(ctx)
		var failed handlerError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &failed):
			return failed.err
		}
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
	bucket  *bucket
	filter  string
	handle  func(messaging.Change) error
	created time.Time // of the stream that was read
	last    uint64    // sequence
	synced  bool
}

func (f *follower) tell(c messaging.Change) error {
	if err := f.handle(c); err != nil {
		return handlerError{err}
	}
	return nil
}

// read follows with one consumer until it fails.
func (f *follower) read(ctx context.Context) error {
	if err := f.checkStream(ctx); err != nil {
		return err
	}
	config := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{f.filter}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, InactiveThreshold: time.Minute,
	}
	if f.last > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.last+1
	}
	consumer, err := f.bucket.conn.js.OrderedConsumer(bounded(ctx), f.bucket.stream, config)
	if err != nil {
		return wrap(err, "follow %s", f.bucket.stream)
	}
	messages, err := consumer.Messages(jetstream.PullHeartbeat(idleHeartbeat), jetstream.PullExpiry(4*idleHeartbeat))
	if err != nil {
		return wrap(err, "follow %s", f.bucket.stream)
	}
	defer messages.Stop()
	if consumer.CachedInfo().NumPending == 0 {
		if err := f.sync(); err != nil {
			return err
		}
	}
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return wrap(err, "follow %s", f.bucket.stream)
		}
		if err := f.take(m); err != nil {
			return err
		}
	}
}

// checkStream notices a stream that was made anew or cut back since it was read.
func (f *follower) checkStream(ctx context.Context) error {
	stream, err := f.bucket.conn.js.Stream(bounded(ctx), f.bucket.stream)
	if err != nil {
		return wrap(err, "follow %s", f.bucket.stream)
	}
	info := stream.CachedInfo()
	if f.created.IsZero() {
		f.created = info.Created
		return nil
	}
	if info.Created.Equal(f.created) && info.State.LastSeq >= f.last {
		return nil
	}
	f.created, f.last, f.synced = info.Created, 0, false
	return f.tell(messaging.Change{Reset: true})
}

func (f *follower) sync() error {
	if f.synced {
		return nil
	}
	f.synced = true
	return f.tell(messaging.Change{Synced: true})
}

// take hands one message on; the last of the snapshot is followed by the mark.
func (f *follower) take(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("follow %s: %w", f.bucket.stream, err)
	}
	e := entry(strings.TrimPrefix(m.Subject(), f.bucket.prefix), m.Data(), m.Headers(), meta.Sequence.Stream)
	if !e.Deleted || f.synced {
		if err := f.tell(messaging.Change{Entry: e}); err != nil {
			return err
		}
	}
	f.last = meta.Sequence.Stream
	if meta.NumPending == 0 {
		return f.sync()
	}
	return nil
}
