package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// restorer compares a backup with what the store has and, with write, makes the store
// agree with it. It holds a hash of each record of the store, and one batch of writes.
// Running it again, over what an earlier run left half done, comes to the same end.
//
// What is desired (workloads, scores, status rules, members, tokens, grants) and decided
// (assignments) becomes that of the backup, and records that it does not have are
// removed. What is about the present or a record of what happened (health, operations,
// events) stays as the store has it, and the backup fills in what is missing: a verdict
// of the past is none, and an operation that has ended does not go on.
//
// Nothing that runs is stopped by it: an assignment without its workload would have the
// machine remove the workload everywhere, and is left out.
type restorer struct {
	hub     *Hub
	buckets map[string]messaging.Bucket
	write   bool

	present   map[string]map[string]found // the store's records, by bucket and key
	seen      map[string]map[string]bool  // the backup's
	workloads map[string]versions
	lastEvent string // the newest that the store has
	batch     batch
	at        int // of the bucket that is read, in the order of buckets
	keys      map[string][]byte
	foreign   []string // files of keys that are not those of the hub
	changes   []federation.Change
	unlisted  int64
}

// found is a record of the store.
type found struct {
	sum      [sha256.Size]byte
	revision federation.Revision
}

// versions are the revisions of a workload's record in the backup and in the store.
type versions struct{ archived, stored federation.Revision }

// batch are writes of one bucket that go out together.
type batch struct {
	bucket string
	writes []messaging.Write
	size   int
}

// writeTries is how often a batch of which no answer came is written again.
const writeTries = 5

// maxChanges bounds what is told of a restore; the rest is counted.
const maxChanges = 2000

func newRestorer(h *Hub, buckets map[string]messaging.Bucket) *restorer {
	return &restorer{
		hub: h, buckets: buckets, present: map[string]map[string]found{}, seen: map[string]map[string]bool{}, workloads: map[string]versions{},
	}
}

// run reads the backup once and says what differs.
func (r *restorer) run(ctx context.Context, file string) (federation.Changes, error) {
	f, err := os.Open(file)
	if err != nil {
		return federation.Changes{}, fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	in, err := archive.NewReader(f)
	if err != nil {
		return federation.Changes{}, err
	}
	defer in.Close()
	if err := r.survey(ctx); err != nil {
		return federation.Changes{}, err
	}
	for {
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take(ctx, record)
		}
		if err != nil {
			return federation.Changes{}, err
		}
	}
	if err := r.finish(ctx); err != nil {
		return federation.Changes{}, err
	}
	return r.result(in.Header()), nil
}

// survey notes what the store has.
func (r *restorer) survey(ctx context.Context) error {
	for _, name := range archived() {
		all := map[string]found{}
		r.present[name], r.seen[name] = all, map[string]bool{}
		err := each(ctx, r.buckets[name], func(e messaging.Entry) error {
			all[e.Key] = found{sum: sha256.Sum256(e.Value), revision: e.Revision}
			if name == subject.Events {
				r.lastEvent = max(r.lastEvent, e.Key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read bucket %s: %w", name, err)
		}
	}
	r.seen[archive.Keys] = map[string]bool{}
	var err error
	r.keys, err = r.hub.keys()
	return err
}

// take deals with the next record of the backup.
func (r *restorer) take(ctx context.Context, record archive.Record) error {
	order := slices.Index(append([]string{archive.Keys}, archived()...), record.Bucket)
	switch {
	case order < 0:
		return messaging.Errorf(messaging.Invalid, "the backup has a bucket %q, which this hub does not know: restore it with the hansa that made it, or a newer one", record.Bucket)
	case order < r.at || r.seen[record.Bucket][record.Key]:
		return messaging.Errorf(messaging.Invalid, "the backup has record %s of bucket %s twice, or in the wrong place", record.Key, record.Bucket)
	}
	r.at = order
	r.seen[record.Bucket][record.Key] = true
	if record.Bucket == archive.Keys {
		r.compareKey(record)
		return nil
	}
	if err := r.checkKeys(); err != nil {
		return err
	}
	if r.batch.bucket != record.Bucket {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	value, err := r.merged(ctx, record)
	if err != nil || value == nil {
		return err
	}
	return r.put(ctx, record.Bucket, messaging.Write{Key: record.Key, Value: value, Expected: messaging.AnyRevision})
}

// compareKey notes a file of keys that is not as the hub has it.
func (r *restorer) compareKey(record archive.Record) {
	if key, ours := r.keys[record.Key]; r.hub.opts.Keys != nil && (!ours || string(key) != string(record.Value)) {
		r.foreign = append(r.foreign[:min(len(r.foreign), 9)], record.Key)
	}
}

// checkKeys refuses a backup under whose keys nothing here could be opened.
func (r *restorer) checkKeys() error {
	if len(r.foreign) > 0 {
		return messaging.Errorf(messaging.Refused, "the backup is of another federation: its keys are not those of this hub (%s)", strings.Join(r.foreign, ", "))
	}
	return nil
}

// put adds a write to the batch, and sends a full one.
func (r *restorer) put(ctx context.Context, bucket string, w messaging.Write) error {
	if !r.write {
		return nil
	}
	size := len(w.Value) + len(w.Key)
	if r.batch.bucket != bucket || len(r.batch.writes) >= maxBatch || len(r.batch.writes) > 0 && r.batch.size+size > maxBatchBytes {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	r.batch.bucket, r.batch.writes, r.batch.size = bucket, append(r.batch.writes, w), r.batch.size+size
	return nil
}

// flush sends the batch, and notes the revisions that workloads got.
func (r *restorer) flush(ctx context.Context) error {
	b := r.batch
	r.batch = batch{}
	if len(b.writes) == 0 {
		return nil
	}
	revisions, err := r.buckets[b.bucket].WriteAll(ctx, b.writes)
	for range writeTries {
		if !errors.Is(err, messaging.ErrUnknown) || ctx.Err() != nil {
			break
		}
		revisions, err = r.buckets[b.bucket].WriteAll(ctx, b.writes) // a second time does no harm
	}
	if err != nil {
		return fmt.Errorf("write %d records of bucket %s: %w", len(b.writes), b.bucket, err)
	}
	if b.bucket == subject.Workloads {
		for i, w := range b.writes {
			v := r.workloads[w.Key]
			v.stored = revisions[i]
			r.workloads[w.Key] = v
		}
	}
	return nil
}

// finish removes what the backup does not have: assignments before their workloads,
// since an interrupted restore must leave none without.
func (r *restorer) finish(ctx context.Context) error {
	if err := cmp.Or(r.checkKeys(), r.flush(ctx)); err != nil {
		return err
	}
	for _, bucket := range []string{subject.Assignments, subject.Workloads, subject.Scores, subject.StatusRules, subject.Members, subject.Grants, subject.Tokens} {
		for _, key := range sortedKeys(r.present[bucket]) {
			if r.seen[bucket][key] {
				continue
			}
			if err := r.remove(ctx, bucket, key); err != nil {
				return fmt.Errorf("remove %s of bucket %s: %w", key, bucket, err)
			}
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *restorer) delete(ctx context.Context, bucket, key string) error {
	return r.put(ctx, bucket, messaging.Write{Key: key, Expected: messaging.AnyRevision, Delete: true})
}

// note lists a change, as long as there is room.
func (r *restorer) note(c federation.Change) {
	if len(r.changes) < maxChanges {
		r.changes = append(r.changes, c)
		return
	}
	r.unlisted++
}

func (r *restorer) result(h archive.Header) federation.Changes {
	out := federation.Changes{At: h.At, Version: h.Version, Term: h.Term, Unlisted: r.unlisted, List: r.changes}
	for _, bucket := range sortedKeys(r.seen) {
		if n := len(r.seen[bucket]); n > 0 {
			out.Counts = append(out.Counts, federation.BucketCount{Bucket: bucket, Records: int64(n)})
		}
	}
	slices.SortStableFunc(out.List, func(a, b federation.Change) int {
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(a.Name, b.Name)) // workloads first
	})
	return out
}
