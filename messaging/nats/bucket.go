package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// deletedHeader marks a deletion marker.
const deletedHeader = "Hansa-Deleted"

// Bucket opens one of the buckets of package subject.
func (c *Conn) Bucket(_ context.Context, name string) (messaging.Bucket, error) {
	if c.gateway != "" {
		return askedBucket{c.bucket(name)}, nil
	}
	return c.bucket(name), nil
}

func (c *Conn) bucket(name string) *bucket {
	return &bucket{conn: c, stream: streamName(name), prefix: subject.RecordPrefix(name)}
}

// bucket is a stream with one message for each subject.
type bucket struct {
	conn   *Conn
	stream string
	prefix string
}

var _ messaging.Bucket = (*bucket)(nil)

// Get returns the latest version of the record.
func (b *bucket) Get(ctx context.Context, key string) (messaging.Entry, error) {
	e, err := b.last(ctx, key)
	if err == nil && e.Deleted {
		err = messaging.ErrNotFound
	}
	if err != nil {
		return messaging.Entry{}, fmt.Errorf("get %s%s: %w", b.prefix, key, err)
	}
	return e, nil
}

// last returns the last message of the key, deletion markers included. The stream's
// leader is asked: a replica may not have the last write yet.
func (b *bucket) last(ctx context.Context, key string) (messaging.Entry, error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": b.prefix + key})
	if err != nil {
		return messaging.Entry{}, err
	}
	answer, err := b.conn.readStore(ctx, b.conn.api+".STREAM.MSG.GET."+b.stream, request)
	if err != nil {
		return messaging.Entry{}, wrap(err, "read")
	}
	switch {
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return messaging.Entry{}, messaging.ErrNotFound
	case answer.Error != nil:
		return messaging.Entry{}, wrap(answer.Error, "read")
	}
	var header nats.Header
	if len(answer.Message.Header) > 0 {
		if header, err = nats.DecodeHeadersMsg(answer.Message.Header); err != nil {
			return messaging.Entry{}, fmt.Errorf("read: %w", err)
		}
	}
	return entry(key, answer.Message.Data, header, answer.Message.Sequence), nil
}

// A stream whose leader was lost answers nobody until it has elected another, which
// takes 4 to 9 s. A question of that time is lost, so it is asked again.
const (
	storeWithin = 3 * time.Second // one question, or one write
	storePause  = 100 * time.Millisecond
	storeReads  = 15 * time.Second // a read, with its repetitions
)

// stored is a message as the store returns it.
type stored struct {
	Error   *jetstream.APIError `json:"error"`
	Message struct {
		Sequence uint64 `json:"seq"`
		Header   []byte `json:"hdrs"`
		Data     []byte `json:"data"`
	} `json:"message"`
}

// readStore asks until the store answers that it has the message, or has not.
func (c *Conn) readStore(ctx context.Context, subj string, request []byte) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, storeReads)
	defer cancel()
	for {
		answer, err := c.readOnce(ctx, subj, request)
		if err == nil || c.nc.IsClosed() {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return stored{}, err
		case <-time.After(storePause):
		}
	}
}

// readOnce asks once. That the store cannot answer now is an error.
func (c *Conn) readOnce(ctx context.Context, subj string, request []byte) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	var answer stored
	reply, err := c.nc.RequestWithContext(ctx, subj, request)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return answer, err
	}
	if answer.Error != nil && answer.Error.Code == http.StatusServiceUnavailable {
		return answer, answer.Error
	}
	return answer, nil
}

func entry(key string, data []byte, header nats.Header, sequence uint64) messaging.Entry {
	e := messaging.Entry{Key: key, Value: data, Revision: federation.Revision(sequence), Trace: header.Get(trace.Header)}
	if deleted(header) {
		e.Deleted, e.Value = true, nil
	}
	return e
}

// deleted reports a marker: ours, or the server's when a lease ended by itself.
func deleted(header nats.Header) bool {
	return header.Get(deletedHeader) != "" || header.Get("Nats-Marker-Reason") != ""
}

// Put writes the record if its revision is the expected one.
func (b *bucket) Put(ctx context.Context, key string, value []byte, expected federation.Revision) (federation.Revision, error) {
	m := nats.NewMsg(b.prefix + key)
	m.Data = value
	follow(m, trace.Parent(ctx))
	revision, err := b.write(ctx, m, expected)
	if err != nil {
		return 0, fmt.Errorf("put %s%s: %w", b.prefix, key, err)
	}
	return revision, nil
}

// Delete leaves a deletion marker.
func (b *bucket) Delete(ctx context.Context, key string, expected federation.Revision) error {
	e, err := b.last(ctx, key)
	if err == nil && e.Deleted {
		err = messaging.ErrNotFound
	}
	if err == nil {
		if expected == messaging.AnyRevision {
			expected = e.Revision
		}
		m := nats.NewMsg(b.prefix + key)
		m.Header.Set(deletedHeader, "1")
		follow(m, trace.Parent(ctx))
		_, err = b.write(ctx, m, expected)
	}
	if err != nil {
		return fmt.Errorf("delete %s%s: %w", b.prefix, key, err)
	}
	return nil
}

// write publishes with an expected last sequence of the subject. A record that
// must not exist may have a deletion marker: then the marker is what is expected.
func (b *bucket) write(ctx context.Context, m *nats.Msg, expected federation.Revision) (revision federation.Revision, err error) {
	began := time.Now()
	defer func() { b.conn.link.metrics.wrote(b.stream, began, err) }()
	revision, err = b.publish(ctx, m, expected)
	if expected != 0 || !errors.Is(err, messaging.ErrConflict) {
		return revision, err
	}
	marker, readErr := b.last(ctx, strings.TrimPrefix(m.Subject, b.prefix))
	if readErr != nil || !marker.Deleted {
		return 0, err
	}
	return b.publish(ctx, m, marker.Revision)
}

func (b *bucket) publish(ctx context.Context, m *nats.Msg, expected federation.Revision) (federation.Revision, error) {
	if err := fits(len(m.Data)); err != nil {
		return 0, err
	}
	if err := b.conn.room(ctx, b.stream); err != nil {
		return 0, err
	}
	options := []jetstream.PublishOpt{jetstream.WithExpectStream(b.stream)}
	if expected != messaging.AnyRevision {
		options = append(options, jetstream.WithExpectLastSequencePerSubject(uint64(expected)))
	}
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	ack, err := b.conn.js.PublishMsg(ctx, m, options...)
	if err != nil {
		return 0, unsure(wrap(err, "write"))
	}
	return federation.Revision(ack.Sequence), nil
}

func fits(size int) error {
	if size <= MaxPayload {
		return nil
	}
	return fmt.Errorf("%w: %d bytes, the bus takes at most %d", messaging.ErrTooLarge, size, MaxPayload)
}

// unsure turns an error after which a write may have happened into ErrUnknown.
func unsure(err error) error {
	for _, known := range []error{messaging.ErrConflict, messaging.ErrTooLarge, messaging.ErrDenied, messaging.ErrNoRoom} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", messaging.ErrUnknown, err)
}

// maxBatch is the server's limit of one atomic batch.
const maxBatch = 1000

// WriteAll writes all or none, as one atomic batch of the server.
func (b *bucket) WriteAll(ctx context.Context, writes []messaging.Write) ([]federation.Revision, error) {
	if len(writes) == 0 {
		return nil, nil
	}
	if len(writes) > maxBatch {
		return nil, fmt.Errorf("write %d records to %s: %w: at most %d in a batch", len(writes), b.stream, messaging.ErrTooLarge, maxBatch)
	}
	for _, w := range writes {
		if err := fits(len(w.Value)); err != nil { // before anything is sent
			return nil, fmt.Errorf("write %d records to %s: %s: %w", len(writes), b.stream, w.Key, err)
		}
	}
	began := time.Now()
	last, err := b.sendBatch(ctx, writes)
	if errors.Is(err, messaging.ErrConflict) {
		if over, found := b.overMarkers(ctx, writes); found {
			last, err = b.sendBatch(ctx, over)
		}
	}
	b.conn.link.metrics.wrote(b.stream, began, err)
	if err != nil {
		return nil, fmt.Errorf("write %d records to %s: %w", len(writes), b.stream, err)
	}
	revisions := make([]federation.Revision, len(writes))
	for i := range writes {
		revisions[i] = federation.Revision(last - uint64(len(writes)-1-i))
	}
	return revisions, nil
}

// overMarkers returns the writes with deletion markers as what is expected of records
// that must not exist, and whether there are any.
func (b *bucket) overMarkers(ctx context.Context, writes []messaging.Write) ([]messaging.Write, bool) {
	over, found := slices.Clone(writes), false
	for i, w := range writes {
		if w.Expected != 0 {
			continue
		}
		switch marker, err := b.last(ctx, w.Key); {
		case errors.Is(err, messaging.ErrNotFound):
		case err != nil, !marker.Deleted:
			return nil, false
		default:
			over[i].Expected, found = marker.Revision, true
		}
	}
	return over, found
}

// sendBatch publishes all but the last message without waiting, and the last one
// as a request that commits them; it returns the sequence of the last.
func (b *bucket) sendBatch(ctx context.Context, writes []messaging.Write) (uint64, error) {
	if err := b.conn.room(ctx, b.stream); err != nil {
		return 0, err
	}
	id, err := nkeys.CreateUser()
	if err != nil {
		return 0, err
	}
	batch := public(id)[:32]
	for i, w := range writes {
		m := nats.NewMsg(b.prefix + w.Key)
		m.Data = w.Value
		m.Header.Set("Nats-Batch-Id", batch)
		m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		m.Header.Set("Nats-Expected-Stream", b.stream)
		if w.Expected != messaging.AnyRevision {
			m.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(uint64(w.Expected), 10))
		}
		follow(m, w.Trace)
		if w.Delete {
			m.Data = nil
			m.Header.Set(deletedHeader, "1")
		}
		if i+1 < len(writes) {
			if err := b.conn.nc.PublishMsg(m); err != nil {
				return 0, unsure(wrap(err, "batch"))
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		return b.commit(ctx, m)
	}
	return 0, errors.New("an empty batch")
}

func (b *bucket) commit(ctx context.Context, m *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	reply, err := b.conn.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, unsure(wrap(err, "batch"))
	}
	var ack struct {
		Error    *jetstream.APIError `json:"error"`
		Sequence uint64              `json:"seq"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w: batch: %w", messaging.ErrUnknown, err)
	}
	if ack.Error != nil {
		return 0, wrap(ack.Error, "batch")
	}
	return ack.Sequence, nil
}

// Acquire writes a lease: a record that ends by itself after lifetime.
func (c *Conn) Acquire(ctx context.Context, key string, value []byte, lifetime time.Duration, expected federation.Revision) (federation.Revision, error) {
	b := &bucket{conn: c, stream: streamName(subject.Leases), prefix: subject.RecordPrefix(subject.Leases)}
	m := nats.NewMsg(b.prefix + key)
	m.Data = value
	m.Header.Set("Nats-TTL", wholeSeconds(lifetime))
	revision, err := b.write(ctx, m, expected)
	if err != nil {
		return 0, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	return revision, nil
}

// wholeSeconds is what the server counts lifetimes in. A lease must not end before its
// holder thinks that it does, so a part of a second counts as a whole one.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// Release ends a lease that still has the revision.
func (c *Conn) Release(ctx context.Context, key string, held federation.Revision) error {
	b := &bucket{conn: c, stream: streamName(subject.Leases), prefix: subject.RecordPrefix(subject.Leases)}
	return b.Delete(ctx, key, held)
}
