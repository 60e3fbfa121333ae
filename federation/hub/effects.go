package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// writeRecord hands a write of one of the hub's own buckets to its writer.
func (l *leadership) writeRecord(ctx context.Context, effect decision.Effect) {
	switch e := effect.(type) {
	case decision.PutAssignment:
		parent, end := l.traces.decide(e.Assignment.Workload, e.Assignment.WorkloadRevision, time.Now())
		l.log.Info("assignment", "workload", e.Assignment.Workload, "epoch", e.Assignment.Epoch, "reason", e.Assignment.Reason, trace.Attr(trace.IDOf(parent)))
		l.enqueue(ctx, subject.Assignments, write{id: e.ID, batch: true, ended: end, Write: messaging.Write{
			Key: subject.WorkloadKey(e.Assignment.Workload), Value: federationv1.EncodeAssignment(e.Assignment), Expected: e.Expected, Trace: parent,
		}})
	case decision.DeleteAssignment:
		l.enqueue(ctx, subject.Assignments, write{id: e.ID, Write: messaging.Write{
			Key: subject.WorkloadKey(e.Key), Expected: e.Expected, Delete: true,
		}})
	case decision.PutHealth:
		l.log.Info("health", "member", e.Record.Member, "health", e.Record.Health, "reason", e.Record.Reason)
		l.enqueue(ctx, subject.Health, write{id: e.ID, batch: true, Write: messaging.Write{
			Key: subject.MemberKey(e.Record.Member), Value: federationv1.EncodeHealthRecord(e.Record), Expected: e.Expected,
		}})
	case decision.PutOperation:
		l.hub.metrics.operation(e.Operation, l.told[e.Operation.ID])
		l.told[e.Operation.ID] = e.Operation.State
		l.enqueue(ctx, subject.Operations, write{id: e.ID, Write: messaging.Write{
			Key: subject.Token(e.Operation.ID), Value: federationv1.EncodeOperation(e.Operation), Expected: e.Expected,
		}})
	case decision.PutMember:
		l.enqueue(ctx, subject.Members, write{id: e.ID, Write: messaging.Write{
			Key: subject.MemberKey(e.Spec.Name), Value: federationv1.EncodeMemberSpec(e.Spec), Expected: e.Expected,
		}})
	}
}

// dropWork forgets a work whose removal was proven.
func (l *leadership) dropWork(ctx context.Context, e decision.DropWork) {
	l.enqueue(ctx, subject.Status, write{Write: messaging.Write{
		Key: subject.StatusKey(e.Member, e.Key), Expected: messaging.AnyRevision, Delete: true,
	}})
	l.enqueueWork(ctx, e.Account, write{id: e.ID, Write: messaging.Write{
		Key: subject.WorkloadKey(e.Key), Expected: messaging.AnyRevision, Delete: true,
	}})
}

// deleteMember forgets a member that left: first what it reported, so that nobody takes
// it for that of the next one under its name, then its record and its credentials. Those
// of one whose agent is done end before its record does.
func (l *leadership) deleteMember(ctx context.Context, e decision.DeleteMember) {
	l.dir.leaves(e.Member, true)
	l.group.Go(func() error {
		err := forgetReports(ctx, l.buckets, e.Member)
		if err == nil && e.Done {
			err = l.endAccount(ctx, e.Account)
		}
		if err == nil {
			err = forget(ctx, l.buckets[subject.Members], messaging.Entry{Key: subject.MemberKey(e.Member), Revision: e.Expected})
		}
		done := decision.WriteDone{ID: e.ID, Outcome: outcome(err)}
		if err != nil {
			done.Detail = err.Error()
			l.dir.leaves(e.Member, false)
		}
		l.events.Put(done)
		if err != nil || e.Done {
			return nil
		}
		if err := l.endAccount(ctx, e.Account); err != nil {
			l.log.Warn("credentials of a member that left are not revoked", "member", e.Member, "error", err)
		}
		return nil
	})
}

// endAccount ends the credentials of a member that left, and removes its works.
func (l *leadership) endAccount(ctx context.Context, account string) error {
	if err := l.hub.opts.Accounts.Revoke(ctx, account); err != nil {
		return err
	}
	l.hub.closeWorks(account)
	return l.hub.opts.Works.DropWorks(ctx, account)
}

// forgetReports removes what the store has of a member but its record.
func forgetReports(ctx context.Context, buckets map[string]messaging.Bucket, member string) error {
	key := subject.MemberKey(member)
	for _, bucket := range []string{subject.Health, subject.Facts} {
		if err := forget(ctx, buckets[bucket], messaging.Entry{Key: key, Revision: messaging.AnyRevision}); err != nil {
			return err
		}
	}
	for _, bucket := range []string{subject.Status, subject.Exports} {
		entries, err := snapshot(ctx, buckets[bucket], key+".>")
		if err != nil {
			return fmt.Errorf("list what %s reported in %s: %w", member, bucket, err)
		}
		for _, e := range entries {
			if err := forget(ctx, buckets[bucket], messaging.Entry{Key: e.Key, Revision: messaging.AnyRevision}); err != nil {
				return err
			}
		}
	}
	return nil
}

// errRead ends the following of a bucket whose snapshot is all that was wanted.
var errRead = errors.New("the snapshot is complete")

// snapshot returns the records of a bucket that match a filter.
func snapshot(ctx context.Context, bucket messaging.Follower, filter string) ([]messaging.Entry, error) {
	out := map[string]messaging.Entry{}
	err := bucket.Follow(ctx, filter, func(c messaging.Change) error {
		switch {
		case c.Synced:
			return errRead
		case c.Reset:
			clear(out)
		case c.Deleted:
			delete(out, c.Key)
		default:
			out[c.Key] = c.Entry
		}
		return nil
	})
	if !errors.Is(err, errRead) {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(out), func(a, b messaging.Entry) int { return cmp.Compare(a.Revision, b.Revision) }), nil
}

// forget deletes a record of that revision; one that is gone is as good.
func forget(ctx context.Context, bucket messaging.KV, e messaging.Entry) error {
	if err := bucket.Delete(ctx, e.Key, e.Revision); err != nil && !errors.Is(err, messaging.ErrNotFound) {
		return fmt.Errorf("remove %s: %w", e.Key, err)
	}
	return nil
}

// writeEvent appends to the history. Its key is its time and number, so that
// events sort as they happened.
func (l *leadership) writeEvent(ctx context.Context, e federation.Event) {
	l.numbered++
	e.Trace = l.traces.about(e.About, time.Now())
	key := strings.Join([]string{strconv.FormatInt(e.At.UnixNano(), 10), strconv.FormatUint(l.term, 10), strconv.FormatUint(l.numbered, 10)}, "-")
	l.log.Debug("event", "type", e.Type, "about", e.About, "text", e.Text)
	l.enqueue(ctx, subject.Events, write{batch: true, Write: messaging.Write{Key: key, Value: federationv1.EncodeEvent(e), Expected: messaging.AnyRevision}})
}

// enqueue hands a write to the writer of one of the hub's own buckets.
func (l *leadership) enqueue(ctx context.Context, bucket string, w write) {
	l.writer(ctx, l.ownBucket(bucket), w)
}

func (l *leadership) enqueueWork(ctx context.Context, account string, w write) {
	l.writer(ctx, opener{name: subject.WorkBucket(account), label: "works", gate: l.works, open: func() (messaging.Bucket, error) {
		return l.hub.workBucket(ctx, account)
	}}, w)
}

// opener says how to open a bucket, and how metrics name it.
type opener struct {
	name, label string
	open        func() (messaging.Bucket, error)
	gate        *semaphore.Weighted // nil: none
}

// writer gives w to the bucket's writer; the first call starts it.
func (l *leadership) writer(ctx context.Context, o opener, w write) {
	w.decided = time.Now()
	queue, ok := l.writers[o.name]
	if !ok {
		queue = l.startWriter(ctx, o)
		l.writers[o.name] = queue
	}
	queue.Put(w)
}

// startWriter returns the queue of a new writer.
func (l *leadership) startWriter(ctx context.Context, o opener) *mailbox.Box[write] {
	queue := mailbox.New[write]()
	l.group.Go(func() error {
		bucket, err := l.open(ctx, o)
		if err != nil {
			return err
		}
		return writer{
			bucket: bucket, queue: queue, gate: o.gate, done: func(d decision.WriteDone) { l.events.Put(d) },
			count: func(w write, ended decision.Outcome) { l.hub.metrics.written(o.label, w, ended) },
			wrote: func(r federation.Revision) { l.wrote(o, r) },
		}.run(ctx)
	})
	return queue
}

// openRetry is how long it waits before a bucket is asked for again.
const openRetry = 200 * time.Millisecond

// open asks for a bucket until it is there: that of one member must not end the term for
// all. What is to be written waits in the queue.
func (l *leadership) open(ctx context.Context, o opener) (messaging.Bucket, error) {
	for told := false; ; told = true {
		bucket, err := o.open()
		if err == nil {
			return bucket, nil
		}
		if !told && ctx.Err() == nil {
			l.log.Warn("a bucket cannot be opened yet; what is to be written there waits", "bucket", o.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(openRetry):
		}
	}
}

// wrote tells gateways that there is more to read. Works are none of their business.
func (l *leadership) wrote(o opener, revision federation.Revision) {
	if _, own := l.buckets[o.name]; own {
		l.heads.note(o.name, revision)
	}
}

// startStores starts the writers of what members report, which are asked from any
// goroutine.
func (l *leadership) startStores(ctx context.Context) {
	for _, name := range []string{subject.Facts, subject.Status, subject.Exports} {
		l.stores[name] = l.startWriter(ctx, l.ownBucket(name))
		l.writers[name] = l.stores[name]
	}
}

func (l *leadership) ownBucket(name string) opener {
	return opener{name: name, label: name, open: func() (messaging.Bucket, error) { return l.buckets[name], nil }}
}

// survey asks an agent how long the way to another member is.
func (l *leadership) survey(e decision.Survey) {
	if account, ok := l.dir.accountOf(e.Vantage); ok {
		request := federation.ProbeRequest{Member: e.Member, URL: e.URL, CA: e.CA, Timeout: e.Timeout, Survey: true}
		_ = l.hub.opts.Bus.Publish(subject.Down(account, subject.DownProbe), federationv1.EncodeProbeRequest(request)) // its turn comes again
	}
}

// readRetry is how long a failed read waits before it is tried again.
const readRetry = 200 * time.Millisecond

// read reads one record again, until the store answers.
func (l *leadership) read(ctx context.Context, e decision.ReadRecord) error {
	source := string(e.Source)
	key, err := recordKey(source, e.Name)
	if err != nil {
		return err
	}
	for {
		entry, err := l.buckets[source].Get(ctx, key)
		if err == nil || errors.Is(err, messaging.ErrNotFound) {
			entry.Key, entry.Deleted = key, err != nil
			l.accept(source, entry)
			return nil
		}
		l.log.Warn("read record", "bucket", source, "name", e.Name, "error", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readRetry):
		}
	}
}

// recordKey turns the machine's name of a record into its key.
func recordKey(bucket, name string) (string, error) {
	switch bucket {
	case subject.Workloads, subject.Assignments:
		key, err := federation.ParseKey(name)
		return subject.WorkloadKey(key), err
	}
	return subject.Token(name), nil
}
