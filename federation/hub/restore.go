package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/federation/lease"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Records in bucket leases, which no backup has.
const (
	markerKey   = "restore"  // a restore has begun and not ended: nobody decides
	restoredKey = "restored" // the last one that ended
)

// marker says which backup is being put in the place of the records. While it is
// there, whoever leads goes on with that and runs no machine: what the store has is
// half of one state and half of another.
type marker struct {
	Digest string    `json:"digest"`
	Who    string    `json:"who"`
	At     time.Time `json:"at"`
	// Fresh: the store was made anew, and its old terms are not known.
	Fresh bool `json:"fresh,omitempty"`
}

// begun is a restore under way: its marker, that one's revision, and the term in which
// it goes on.
type begun struct {
	marker
	revision federation.Revision // 0: none is under way
	term     uint64
}

// restored is what is known of a restore afterwards.
type restored struct {
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	Above  uint64    `json:"above"` // every later term is above it
}

var (
	// errRestoring ends a machine: a restore has begun.
	errRestoring = errors.New("a backup is being restored")
	// errUnreadable: a file that waits to be restored cannot be, and without it nothing
	// must be decided.
	errUnreadable = errors.New("the backup cannot be restored")
	// errElsewhere ends a term in which a restore waits for its backup: another hub may
	// have it.
	errElsewhere = errors.New("a restore waits for its backup")
	// errRestored ends a term: the next one begins from what was restored.
	errRestored = errors.New("a backup was restored")
)

// reign is one term: a machine, unless a restore has begun, or begins.
func (h *Hub) reign(ctx context.Context, r reigning) error {
	for {
		b, err := h.pendingRestore(ctx)
		b.term = r.term
		switch {
		case err != nil:
			return err
		case b.revision == 0:
			if err := h.lead(ctx, r); !errors.Is(err, errRestoring) || ctx.Err() != nil {
				return err
			}
		default:
			done, err := h.restoring(ctx, b)
			if err != nil {
				return err
			}
			if done {
				return errRestored
			}
		}
	}
}

// pendingRestore returns the restore under way. A backup that was laid into the data
// directory of a new store is one that begins now.
func (h *Hub) pendingRestore(ctx context.Context) (b begun, err error) {
	bucket, err := h.opts.Bus.Bucket(ctx, subject.Leases)
	if err != nil {
		return b, fmt.Errorf("open bucket %s: %w", subject.Leases, err)
	}
	entry, err := bucket.Get(ctx, markerKey)
	if err == nil {
		if err := json.Unmarshal(entry.Value, &b.marker); err != nil {
			h.log.Error("the record of a restore cannot be read: restore again", "error", err)
		}
		b.revision = entry.Revision
		return b, nil
	}
	if !errors.Is(err, messaging.ErrNotFound) {
		return b, fmt.Errorf("look for a restore: %w", err)
	}
	file := filepath.Join(h.opts.DataDir, PutBack)
	if _, err := os.Stat(file); h.opts.DataDir == "" || errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	s, err := archive.VerifyFile(file)
	if err != nil {
		return b, fmt.Errorf("%w: %s: %w: put a whole one there, or remove it", errUnreadable, file, err)
	}
	last, err := lastRestore(ctx, bucket)
	if err != nil || last.Digest == s.Digest { // it is done, and the file could not be removed
		return b, err
	}
	b.marker = marker{Digest: s.Digest, Who: "hub", At: time.Now().UTC(), Fresh: true}
	b.revision, err = bucket.Put(ctx, markerKey, encodeJSON(b.marker), 0)
	return b, err
}

func encodeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("hub: encode %T: %v", v, err)) // texts, times and numbers
	}
	return b
}

// followMarker ends the machine when a restore begins: one that this hub lets begin,
// or one that another did in the last moment of its term.
func (l *leadership) followMarker(ctx context.Context) error {
	return l.buckets[subject.Leases].Follow(ctx, markerKey, func(c messaging.Change) error {
		if c.Key == markerKey && !c.Deleted {
			return errRestoring
		}
		return nil
	})
}

// recall takes over what an earlier life knew of terms, and says that a backup waits
// here to be restored, before any hub decides on a store without it. It asks until the
// store answers; that the backup is none is an error.
func (h *Hub) recall(ctx context.Context, leases messaging.KV) error {
	for {
		last, err := lastRestore(ctx, leases)
		if err == nil {
			h.above.Store(max(h.above.Load(), last.Above))
			_, err = h.pendingRestore(ctx)
		}
		if err == nil || errors.Is(err, errUnreadable) {
			return err
		}
		h.log.Warn("the store does not say what was restored", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leaseRetry):
		}
	}
}

// lastRestore is the zero value when there was none.
func lastRestore(ctx context.Context, leases messaging.KV) (last restored, err error) {
	entry, err := leases.Get(ctx, restoredKey)
	if errors.Is(err, messaging.ErrNotFound) {
		return last, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value, &last)
	}
	if err != nil {
		return last, fmt.Errorf("read the last restore: %w", err)
	}
	return last, nil
}

// restoring puts the backup of the marker in the place of the records while ctx, the
// term, lasts, and reports whether it has. Without the backup's file it waits for one;
// then the marker has to be read again. Meanwhile it answers what a restore needs, and
// refuses everything else.
func (h *Hub) restoring(ctx context.Context, b begun) (done bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		h.answerWhileRestoring(ctx, b.term)
	}()
	defer func() { stop(); <-answered }()
	file, here := h.uploads.locate(b.Digest)
	if !here {
		return false, h.awaitBackup(ctx, b)
	}
	h.phase.Store(federation.RestoreRunning)
	h.log.Info("restore begins", "term", b.term, "backup", b.Digest, "who", b.Who)
	buckets, err := h.openBuckets(ctx)
	if err != nil {
		return false, err
	}
	r := newRestorer(h, buckets)
	r.write = true
	changes, err := r.run(ctx, file)
	if err != nil {
		return false, fmt.Errorf("restore backup %s: %w", b.Digest, err)
	}
	if err := h.concludeRestore(ctx, buckets, b, changes); err != nil {
		return false, fmt.Errorf("restore backup %s: %w", b.Digest, err)
	}
	h.log.Info("restore ends", "term", b.term, "backup", b.Digest, "made", changes.At, "changes", int64(len(changes.List))+changes.Unlisted)
	_ = os.Remove(file) // it has the keys; nobody reads it again without a marker
	return true, nil
}

// yieldAfter is how long a hub waits for somebody who brings a backup before it lets
// another one lead, which may have it.
const yieldAfter = 3 * time.Second

// awaitBackup waits until somebody brings a backup.
func (h *Hub) awaitBackup(ctx context.Context, b begun) error {
	h.phase.Store(federation.RestoreWanted)
	h.log.Error("a restore was interrupted and its backup is not here; nothing is decided before it is restored again: hansa restore FILE", "backup", b.Digest, "begun", b.At)
	leases, err := h.opts.Bus.Bucket(ctx, subject.Leases)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, yieldAfter)
	defer cancel()
	err = leases.Follow(waiting, markerKey, func(c messaging.Change) error {
		if c.Key == markerKey && c.Revision > b.revision {
			return errRead
		}
		return nil
	})
	switch {
	case errors.Is(err, errRead):
		return nil
	case ctx.Err() == nil && waiting.Err() != nil && h.uploads.idle():
		return errElsewhere
	case ctx.Err() == nil && waiting.Err() != nil:
		return nil // it is on its way
	}
	return err
}

// concludeRestore tells the history, and then takes the marker away.
func (h *Hub) concludeRestore(ctx context.Context, buckets map[string]messaging.Bucket, b begun, c federation.Changes) error {
	now := time.Now().UTC()
	event := federation.Event{At: now, Type: "Restore", About: "hub", Who: b.Who, Text: fmt.Sprintf(
		"the backup of %s was restored, %d changes", c.At.Format(time.RFC3339), int64(len(c.List))+c.Unlisted)}
	key := strconv.FormatInt(now.UnixNano(), 10) + "-" + strconv.FormatUint(b.term, 10) + "-0"
	if _, err := buckets[subject.Events].Put(ctx, key, federationv1.EncodeEvent(event), messaging.AnyRevision); err != nil {
		return fmt.Errorf("tell it: %w", err)
	}
	last := restored{Digest: b.Digest, At: now, Above: max(h.above.Load(), b.term)}
	if b.Fresh {
		last.Above = max(last.Above, lease.PutBack(c.Term))
	}
	_, err := buckets[subject.Leases].WriteAll(ctx, []messaging.Write{
		{Key: markerKey, Expected: b.revision, Delete: true},
		{Key: restoredKey, Value: encodeJSON(last), Expected: messaging.AnyRevision},
	})
	if err != nil {
		return fmt.Errorf("end it: %w", err)
	}
	h.above.Store(last.Above)
	return nil
}

// answerRestore answers the steps of a restore.
func (h *Hub) answerRestore(term uint64) handler {
	return answer(federationv1.DecodeRestoreRequest, federationv1.EncodeRestoreReply,
		func(ctx context.Context, r federation.RestoreRequest) (federation.RestoreReply, error) {
			reply, err := h.restoreStep(ctx, r)
			reply.Term = term
			return reply, err
		})
}

func (h *Hub) restoreStep(ctx context.Context, r federation.RestoreRequest) (reply federation.RestoreReply, err error) {
	reply.Session = r.Session
	switch r.Action {
	case federation.RestoreOpen:
		if err = h.room(); err == nil {
			reply.Session, err = h.uploads.begin()
		}
	case federation.RestoreWrite:
		err = h.uploads.write(r.Session, r.Offset, r.Data)
	case federation.RestoreDrop:
		h.uploads.drop(r.Session)
	case federation.RestorePlan, federation.RestoreCommit:
		reply.Digest, reply.Changes, err = h.examine(ctx, r)
		h.uploads.drop(r.Session) // unless it is kept by its digest now
	case federation.RestoreWatch:
		reply.Digest = r.Digest
		reply.State, err = h.watchRestore(ctx, r.Digest)
	default:
		err = messaging.Errorf(messaging.Invalid, "restore: unknown step %q", r.Action)
	}
	return reply, err
}

// examine says what the upload would change and, when it is to be done, keeps its file
// and writes the marker.
func (h *Hub) examine(ctx context.Context, r federation.RestoreRequest) (string, federation.Changes, error) {
	one, err := h.uploads.find(r.Session)
	if err != nil {
		return "", federation.Changes{}, err
	}
	defer one.mu.Unlock()
	s, err := one.verify()
	if err != nil {
		return "", federation.Changes{}, err
	}
	buckets, err := h.openBuckets(ctx)
	if err != nil {
		return "", federation.Changes{}, err
	}
	changes, err := newRestorer(h, buckets).run(ctx, one.file.Name())
	if err != nil || r.Action == federation.RestorePlan {
		return s.Digest, changes, err
	}
	if err := h.uploads.keep(r.Session, one, s.Digest); err != nil {
		return s.Digest, changes, err
	}
	leases := buckets[subject.Leases]
	m := marker{Digest: s.Digest, Who: r.Who, At: time.Now().UTC()}
	expected := federation.Revision(0)
	if old, err := h.pendingRestore(ctx); err == nil && old.revision != 0 {
		expected, m.Fresh = old.revision, old.Fresh
	}
	// The marker ends this term, which must not end the wait for its write.
	if _, err := leases.Put(context.WithoutCancel(ctx), markerKey, encodeJSON(m), expected); err != nil {
		return s.Digest, changes, fmt.Errorf("begin the restore: %w", err)
	}
	return s.Digest, changes, nil
}

// watchRestore says how the restore of a backup goes.
func (h *Hub) watchRestore(ctx context.Context, digest string) (federation.RestoreState, error) {
	leases, err := h.opts.Bus.Bucket(ctx, subject.Leases)
	if err != nil {
		return "", err
	}
	entry, err := leases.Get(ctx, markerKey)
	var m marker
	switch {
	case err == nil && json.Unmarshal(entry.Value, &m) == nil && m.Digest == digest:
		if state, ok := h.phase.Load().(federation.RestoreState); ok {
			return state, nil
		}
		return federation.RestoreRunning, nil
	case err != nil && !errors.Is(err, messaging.ErrNotFound):
		return "", fmt.Errorf("look for a restore: %w", err)
	}
	last, err := lastRestore(ctx, leases)
	if err != nil || last.Digest != digest {
		return federation.RestoreUnknown, err
	}
	return federation.RestoreDone, nil
}

// answerWhileRestoring answers until ctx ends.
func (h *Hub) answerWhileRestoring(ctx context.Context, term uint64) {
	refusal := func(context.Context, messaging.Message) ([]byte, error) {
		text := "a backup is being restored: try again in a moment"
		if h.phase.Load() == federation.RestoreWanted {
			text = "a restore was interrupted: restore the backup again with \"hansa restore FILE\": nothing is decided before"
		}
		return nil, messaging.Errorf(messaging.Unavailable, "%s", text)
	}
	idle := &leadership{hub: h}
	methods := map[string]handler{subject.HubBackup: refusal}
	for _, some := range []map[string]handler{idle.answers(), idle.questions()} {
		for method := range some {
			methods[method] = refusal
		}
	}
	methods[subject.HubRestore] = h.answerRestore(term)
	done := make(chan struct{})
	for method, answer := range methods {
		go func() {
			_ = h.opts.Bus.Respond(ctx, subject.Hub(method), answer) // the end of ctx is the reason
			done <- struct{}{}
		}()
	}
	for range methods {
		<-done
	}
}
