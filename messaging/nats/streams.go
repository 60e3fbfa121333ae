package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

func streamName(bucket string) string { return "R_" + bucket }

// Bounds of the history of events.
const (
	eventsMaxAge   = 30 * 24 * time.Hour
	eventsMaxBytes = 64 << 20
)

// EnsureBuckets makes the streams of all buckets, or brings them up to date. Every hub
// calls it at its start.
func (c *Conn) EnsureBuckets(ctx context.Context) error {
	if err := c.beginAbove(ctx, bucketConfig(subject.Workloads, jetstream.FileStorage)); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx) // each stream of several servers elects its leader
	for _, name := range subject.Durable() {
		group.Go(func() error { return c.ensure(ctx, bucketConfig(name, jetstream.FileStorage)) })
	}
	for _, name := range subject.Rebuilt() {
		group.Go(func() error { return c.ensure(ctx, bucketConfig(name, c.rebuiltStorage())) })
	}
	return group.Wait()
}

// rebuiltStorage is where the buckets are that agents fill again. Several servers keep
// them on disk: a copy in memory begins empty when its server starts, and when the last
// full one goes before the others have caught up, the stream never answers again.
func (c *Conn) rebuiltStorage() jetstream.StorageType {
	if c.replicas > 1 || c.durable {
		return jetstream.FileStorage
	}
	return jetstream.MemoryStorage
}

// awaitBuckets is the wait between two attempts to make the buckets.
const awaitBuckets = 250 * time.Millisecond

// AwaitBuckets is EnsureBuckets, tried until a majority of the bus's servers is there
// and takes it. It notes the start in every bucket, so that readers that resume learn
// what was lost before. Only a bus of one server can fail.
func (c *Conn) AwaitBuckets(ctx context.Context, log *slog.Logger) error {
	noted := &starting{streams: map[string]bool{}}
	return c.await(ctx, log, func(ctx context.Context) error {
		if err := c.EnsureBuckets(ctx); err != nil {
			return err
		}
		return c.noteStart(ctx, noted)
	})
}

// await calls do until a majority of the bus's servers is there and takes it.
func (c *Conn) await(ctx context.Context, log *slog.Logger, do func(context.Context) error) error {
	for told := false; ; told = true {
		attempt, cancel := context.WithTimeout(ctx, storeWithin)
		err := do(attempt)
		cancel()
		if err == nil || c.replicas == 1 || errors.Is(err, errTwoChanges) {
			return err
		}
		if !told {
			log.Info("waiting for a majority of the bus's servers", "servers", c.replicas, "reason", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(awaitBuckets):
		}
	}
}

func bucketConfig(name string, storage jetstream.StorageType) jetstream.StreamConfig {
	config := jetstream.StreamConfig{
		Name: streamName(name), Subjects: []string{subject.RecordPrefix(name) + ">"},
		Storage: storage, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld, DenyPurge: true,
		AllowDirect: true, AllowAtomicPublish: true, Duplicates: time.Second,
	}
	switch name {
	case subject.Leases:
		config.AllowMsgTTL = true
	case subject.Events:
		config.MaxAge, config.MaxBytes, config.DenyDelete = eventsMaxAge, eventsMaxBytes, true
	}
	return config
}

// MadeAnew says that the store is new and takes the place of one that was lost: the
// revisions that members have seen, of workloads and of their orders, go on from first,
// which is above all that the lost streams gave. So no such revision is given twice, and
// members take the new orders for newer.
func (c *Conn) MadeAnew(first federation.Revision) { c.first = uint64(first) }

// beginAbove makes the stream, unless it is there, with its first sequence.
func (c *Conn) beginAbove(ctx context.Context, config jetstream.StreamConfig) error {
	if c.first == 0 {
		return nil
	}
	config.FirstSeq, config.Replicas, config.Placement = c.first, c.replicas, c.placement.config()
	if _, err := c.js.CreateStream(bounded(ctx), config); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return wrap(err, "make stream %s", config.Name)
	}
	return nil
}

// errTwoChanges is what servers refuse with the code below.
var errTwoChanges = errors.New("streams cannot be moved and get another number of replicas at once: change bus.placement and bus.replicas one after the other, with \"hansa bus bootstrap --apply\" between them")

const twoChangesCode = 10123

func (c *Conn) ensure(ctx context.Context, config jetstream.StreamConfig) error {
	config.Replicas, config.Placement = c.replicas, c.placement.config()
	if stream, err := c.js.Stream(bounded(ctx), config.Name); err == nil {
		now := stream.CachedInfo().Config
		if upToDate(now, config) {
			return nil
		}
		config.Metadata = now.Metadata // the starts of hubs
	}
	if _, err := c.js.CreateOrUpdateStream(bounded(ctx), config); err != nil {
		var api *jetstream.APIError
		if errors.As(err, &api) && api.ErrorCode == twoChangesCode {
			return fmt.Errorf("make stream %s: %w", config.Name, errTwoChanges)
		}
		return wrap(err, "make stream %s", config.Name)
	}
	return nil
}

// upToDate reports whether a stream is as it is wanted, as far as ensure's callers say.
func upToDate(now, wanted jetstream.StreamConfig) bool { return len(differences(now, wanted)) == 0 }

// differences says how a stream is not as it is wanted.
func differences(now, wanted jetstream.StreamConfig) []string {
	if wanted.MaxBytes == 0 {
		now.MaxBytes = 0 // the server says -1
	}
	var out []string
	for _, f := range []struct {
		name        string
		now, wanted any
	}{
		{"subjects", strings.Join(now.Subjects, " "), strings.Join(wanted.Subjects, " ")},
		{"storage", now.Storage, wanted.Storage},
		{"replicas", now.Replicas, wanted.Replicas},
		{"max_msgs_per_subject", now.MaxMsgsPerSubject, wanted.MaxMsgsPerSubject},
		{"placement", placed(now.Placement), placed(wanted.Placement)},
		{"discard", now.Discard, wanted.Discard},
		{"duplicate_window", now.Duplicates, wanted.Duplicates},
		{"deny_purge", now.DenyPurge, wanted.DenyPurge},
		{"deny_delete", now.DenyDelete, wanted.DenyDelete},
		{"allow_direct", now.AllowDirect, wanted.AllowDirect},
		{"allow_atomic", now.AllowAtomicPublish, wanted.AllowAtomicPublish},
		{"allow_msg_ttl", now.AllowMsgTTL, wanted.AllowMsgTTL},
		{"max_age", now.MaxAge, wanted.MaxAge},
		{"max_bytes", now.MaxBytes, wanted.MaxBytes},
	} {
		if f.now != f.wanted {
			out = append(out, fmt.Sprintf("%s is %v, want %v", f.name, f.now, f.wanted))
		}
	}
	return out
}

func placed(p *jetstream.Placement) string {
	if p == nil {
		return "anywhere"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v", p.Cluster, p.Tags))
}

// acknowledgeWithin is when a work is delivered again that was not acknowledged: its
// reader or its server went away. A slow reader gets it twice, which does not matter.
const acknowledgeWithin = 5 * time.Second

// WorkBucket makes the stream of a member's works and the consumer through which
// the member reads it, and returns it as a bucket for the hub.
func (c *Conn) WorkBucket(ctx context.Context, account string) (messaging.Bucket, error) {
	stream := subject.WorkBucket(account)
	config := workConfig(account)
	if err := c.beginAbove(ctx, config); err != nil {
		return nil, err
	}
	if err := c.ensure(ctx, config); err != nil {
		return nil, err
	}
	if err := c.ensureConsumer(ctx, stream, consumerConfig(account)); err != nil {
		return nil, err
	}
	return &bucket{conn: c, stream: stream, prefix: subject.WorkPrefix(account)}, nil
}

// DropWorks removes the stream of a member's works, for a member that has left.
func (c *Conn) DropWorks(ctx context.Context, account string) error {
	stream := subject.WorkBucket(account)
	if err := c.js.DeleteStream(bounded(ctx), stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return wrap(err, "remove stream %s", stream)
	}
	return nil
}

// ensureConsumer makes a consumer, unless it is there as it is wanted: that its leader
// knows, while the cluster may have none that could make it.
func (c *Conn) ensureConsumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) error {
	if consumer, err := c.js.Consumer(bounded(ctx), stream, config.Durable); err == nil {
		now := consumer.CachedInfo().Config
		if now.AckPolicy == config.AckPolicy && now.DeliverPolicy == config.DeliverPolicy && now.FilterSubject == config.FilterSubject &&
			now.AckWait == config.AckWait && now.MaxAckPending == config.MaxAckPending {
			return nil
		}
	}
	if _, err := c.js.CreateOrUpdateConsumer(bounded(ctx), stream, config); err != nil {
		return wrap(err, "make the consumer of stream %s", stream)
	}
	return nil
}

func consumerConfig(account string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: account, AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
		FilterSubject: subject.WorkPrefix(account) + ">", AckWait: acknowledgeWithin, MaxAckPending: 1000,
	}
}

func workConfig(account string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: subject.WorkBucket(account), Subjects: []string{subject.WorkPrefix(account) + ">"},
		Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		DenyPurge: true, AllowDirect: true, AllowAtomicPublish: true, Duplicates: time.Second,
	}
}

// ReplayWorks makes the member's consumer anew, so that an agent that begins a new life
// gets every work again. One that holds every order up to a revision that the
// acknowledgements have not passed lost nothing, and what was never delivered comes
// anyhow. What was delivered to the last life and not acknowledged would come only when
// its time for that is over.
func (c *Conn) ReplayWorks(ctx context.Context, account string, held federation.Revision) error {
	if held > 0 {
		consumer, err := c.js.Consumer(bounded(ctx), subject.WorkBucket(account), account)
		if err == nil {
			if info := consumer.CachedInfo(); info.NumAckPending == 0 && federation.Revision(info.AckFloor.Stream) <= held {
				return nil
			}
		}
		if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return wrap(err, "replay the works of account %s", account)
		}
	}
	err := c.js.DeleteConsumer(bounded(ctx), subject.WorkBucket(account), account)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return wrap(err, "replay the works of account %s", account)
	}
	_, err = c.WorkBucket(ctx, account)
	return err
}
