package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// askedBucket is a bucket of a gateway, which reads by itself and asks the hubs to write.
type askedBucket struct{ *bucket }

var (
	_ messaging.Bucket  = askedBucket{}
	_ messaging.Resumer = askedBucket{}
)

// Put asks for one write.
func (b askedBucket) Put(ctx context.Context, key string, value []byte, expected federation.Revision) (federation.Revision, error) {
	revisions, err := b.ask(ctx, false, messaging.Write{Key: key, Value: value, Expected: expected, Trace: trace.Parent(ctx)})
	if err != nil {
		return 0, fmt.Errorf("put %s%s: %w", b.prefix, key, err)
	}
	return revisions[0], nil
}

// Delete asks for a deletion marker.
func (b askedBucket) Delete(ctx context.Context, key string, expected federation.Revision) error {
	if _, err := b.ask(ctx, false, messaging.Write{Key: key, Expected: expected, Delete: true, Trace: trace.Parent(ctx)}); err != nil {
		return fmt.Errorf("delete %s%s: %w", b.prefix, key, err)
	}
	return nil
}

// WriteAll asks for all or none. Together they must fit into one message.
func (b askedBucket) WriteAll(ctx context.Context, writes []messaging.Write) ([]federation.Revision, error) {
	switch {
	case len(writes) == 0:
		return nil, nil
	case len(writes) > maxBatch:
		return nil, fmt.Errorf("write %d records to %s: %w: at most %d in a batch", len(writes), b.stream, messaging.ErrTooLarge, maxBatch)
	}
	revisions, err := b.ask(ctx, true, writes...)
	if err != nil {
		return nil, fmt.Errorf("write %d records to %s: %w", len(writes), b.stream, err)
	}
	return revisions, nil
}

// ask sends a request to one of the hubs. That nobody answers is ErrUnknown, as for a
// stream that elects its leader: the caller reads and tries again.
func (b askedBucket) ask(ctx context.Context, batch bool, writes ...messaging.Write) (revisions []federation.Revision, err error) {
	began := time.Now()
	defer func() { b.conn.link.metrics.wrote(b.stream, began, err) }()
	request, err := encodeWrites(bucketOf(b.stream), batch, writes)
	if err == nil {
		err = fits(len(request))
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askedWithin)
	defer cancel()
	data, err := b.conn.Request(ctx, subject.Hub(subject.HubWrite), request)
	for errors.Is(err, messaging.ErrNoResponder) && ctx.Err() == nil { // hubs are being started again
		select {
		case <-ctx.Done():
		case <-time.After(storePause):
			data, err = b.conn.Request(ctx, subject.Hub(subject.HubWrite), request)
		}
	}
	var refused *messaging.RemoteError
	switch {
	case errors.As(err, &refused) && refused.Kind == messaging.Invalid:
		return nil, fmt.Errorf("%w: %w", messaging.ErrDenied, err)
	case err != nil:
		return nil, unsure(err)
	}
	var a writeAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, unsure(err)
	}
	if a.Error != "" {
		return nil, a.err()
	}
	if !writes[0].Delete && len(a.Revisions) != len(writes) {
		return nil, fmt.Errorf("%w: %d revisions of %d writes", messaging.ErrUnknown, len(a.Revisions), len(writes))
	}
	return a.Revisions, nil
}

// askedWithin is longer than a hub takes for a write, so that its answer counts.
const askedWithin = storeWithin + time.Second

// err is the error that the hub met.
func (a writeAnswer) err() error {
	is, known := outcomes[a.Error]
	if !known {
		is = messaging.ErrUnknown
	}
	if rest, ok := strings.CutSuffix(a.Text, is.Error()); ok {
		return fmt.Errorf("%s%w", rest, is)
	}
	return fmt.Errorf("%w: %s", is, a.Text)
}

// consumer makes a consumer for one reader of the bucket, or has a hub make it.
func (f *follower) consumer(ctx context.Context) (jetstream.Consumer, error) {
	c, stream := f.bucket.conn, f.bucket.stream
	if c.gateway == "" {
		return c.makeConsumer(ctx, stream, followConfig(f.filter, f.at.Revision))
	}
	request, err := json.Marshal(followRequest{bucketOf(stream), strings.TrimPrefix(f.filter, f.bucket.prefix), f.at.Revision})
	if err != nil {
		return nil, err
	}
	data, err := c.Request(ctx, subject.Hub(subject.HubFollow), request)
	if err != nil {
		return nil, err
	}
	var a followAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, err
	}
	return c.js.Consumer(ctx, stream, a.Consumer)
}

// makeConsumer makes a consumer under a name that nobody can guess: whoever knows it can
// read from the consumer. The name lets the request be repeated.
func (c *Conn) makeConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	config.Name = rand.Text()
	return again(ctx, makeAgain, func(ctx context.Context) (jetstream.Consumer, error) {
		return c.js.CreateConsumer(ctx, stream, config)
	})
}
