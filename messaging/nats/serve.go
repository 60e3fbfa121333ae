package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// hubs is the queue group in which hubs answer what any of them can: one gets each request.
const hubs = "hubs"

// ServeGateways does for gateways, until ctx ends, what they may not do themselves: it
// writes desired state, since who publishes into a stream chooses headers too, one of
// which stops a replicated stream (TestHeaderStopsStream), and makes the consumers with
// which they follow buckets, since who does may choose where one delivers. Every hub
// serves, whether it leads or not; one of them gets each request, and the expected
// revisions of the request decide, as if the gateway had written.
func (c *Conn) ServeGateways(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	everybody := func(messaging.Message) error { return nil }
	for method, answer := range map[string]answerer{
		subject.HubWrite: c.writeAsked, subject.HubFollow: c.followAsked,
	} {
		group.Go(func() error { return c.respondIn(ctx, hubs, subject.Hub(method), everybody, answer) })
	}
	return group.Wait()
}

// writeRequest is what a gateway asks to be written; the values follow it, after a
// newline, one after the other.
type writeRequest struct {
	Bucket string
	Batch  bool // all or none
	Writes []askedWrite
}

type askedWrite struct {
	Key      string
	Expected federation.Revision
	Delete   bool   `json:",omitempty"`
	Trace    string `json:",omitempty"`
	Size     int    // of the value, in bytes
}

// writeAnswer is what became of it.
type writeAnswer struct {
	Revisions []federation.Revision `json:",omitempty"`
	Error     string                `json:",omitempty"` // a name in outcomes
	Text      string                `json:",omitempty"`
}

// outcomes names the errors of a write on the wire. Any other counts as unknown.
var outcomes = map[string]error{
	"conflict": messaging.ErrConflict, "not found": messaging.ErrNotFound, "too large": messaging.ErrTooLarge,
	"no room": messaging.ErrNoRoom, "unknown": messaging.ErrUnknown,
}

func encodeWrites(bucket string, batch bool, writes []messaging.Write) ([]byte, error) {
	r := writeRequest{Bucket: bucket, Batch: batch}
	for _, w := range writes {
		r.Writes = append(r.Writes, askedWrite{Key: w.Key, Expected: w.Expected, Delete: w.Delete, Trace: w.Trace, Size: len(w.Value)})
	}
	head, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	out := append(head, '\n')
	for _, w := range writes {
		out = append(out, w.Value...)
	}
	return out, nil
}

// decodeWrites checks all that a gateway could get wrong on purpose.
func decodeWrites(data []byte) (writeRequest, []messaging.Write, error) {
	var r writeRequest
	head, values, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(head, &r); err != nil {
		return r, nil, fmt.Errorf("read the request: %w", err)
	}
	if !slices.Contains(subject.Desired(), r.Bucket) {
		return r, nil, fmt.Errorf("gateways do not write bucket %q", r.Bucket)
	}
	if len(r.Writes) == 0 || len(r.Writes) > maxBatch || !r.Batch && len(r.Writes) > 1 {
		return r, nil, fmt.Errorf("%d writes in one request", len(r.Writes))
	}
	writes := make([]messaging.Write, len(r.Writes))
	for i, w := range r.Writes {
		if !subject.IsKey(w.Key) {
			return r, nil, fmt.Errorf("%q is not the key of a record", w.Key)
		}
		if w.Size < 0 || w.Size > len(values) {
			return r, nil, fmt.Errorf("the value of %s is cut off", w.Key)
		}
		writes[i] = messaging.Write{Key: w.Key, Value: values[:w.Size:w.Size], Expected: w.Expected, Delete: w.Delete}
		if trace.IDOf(w.Trace) != "" { // it becomes a header
			writes[i].Trace = w.Trace
		}
		values = values[w.Size:]
	}
	return r, writes, nil
}

func (c *Conn) writeAsked(ctx context.Context, m messaging.Message) ([]byte, error) {
	r, writes, err := decodeWrites(m.Data)
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "write: %v", err)
	}
	bucket := c.bucket(r.Bucket)
	var a writeAnswer
	if r.Batch {
		a.Revisions, err = bucket.WriteAll(ctx, writes)
	} else {
		a.Revisions, err = bucket.one(ctx, writes[0])
	}
	if err != nil {
		a = writeAnswer{Error: "unknown", Text: shortened(err.Error())}
		for name, outcome := range outcomes {
			if errors.Is(err, outcome) {
				a.Error = name
			}
		}
	}
	return json.Marshal(a)
}

// one is Put or Delete.
func (b *bucket) one(ctx context.Context, w messaging.Write) ([]federation.Revision, error) {
	ctx = trace.With(ctx, w.Trace)
	if w.Delete {
		return nil, b.Delete(ctx, w.Key, w.Expected)
	}
	revision, err := b.Put(ctx, w.Key, w.Value, w.Expected)
	return []federation.Revision{revision}, err
}

// followRequest asks for a consumer of a bucket, and followAnswer says how it is called.
type followRequest struct {
	Bucket, Filter string // Filter: of keys
	After          federation.Revision
}

type followAnswer struct{ Consumer string }

func (c *Conn) followAsked(ctx context.Context, m messaging.Message) ([]byte, error) {
	var r followRequest
	err := json.Unmarshal(m.Data, &r)
	switch {
	case err != nil:
	case !slices.Contains(subject.Shown(), r.Bucket):
		err = fmt.Errorf("gateways do not read bucket %q", r.Bucket)
	case !subject.IsFilter(r.Filter):
		err = fmt.Errorf("%q is no pattern of keys", r.Filter)
	}
	if err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "follow: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	consumer, err := c.makeConsumer(ctx, streamName(r.Bucket), followConfig(subject.RecordPrefix(r.Bucket)+r.Filter, r.After))
	if err != nil {
		return nil, messaging.Errorf(messaging.Unavailable, "make a consumer of bucket %s: %v", r.Bucket, err)
	}
	return json.Marshal(followAnswer{consumer.CachedInfo().Name})
}

// followConfig is a consumer for one reader, from the last message of each subject on,
// or after a revision.
func followConfig(filter string, after federation.Revision) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{
		FilterSubject: filter, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, AckPolicy: jetstream.AckNonePolicy,
		InactiveThreshold: idleConsumer, MemoryStorage: true, Replicas: 1,
	}
	if after > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, uint64(after)+1
	}
	return config
}
