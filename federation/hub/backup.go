package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/archive"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bounds of backups that are being sent.
const (
	backupChunk = 1 << 20         // bytes of one answer
	backupIdle  = 2 * time.Minute // without a request it is given up
	maxBackups  = 2               // at a time
)

// safekeeping are the methods of backup and restore.
func (l *leadership) safekeeping() map[string]handler {
	return map[string]handler{
		subject.HubBackup:  answer(federationv1.DecodeBackupRequest, federationv1.EncodeBackupReply, l.backup),
		subject.HubRestore: l.hub.answerRestore(l.term),
	}
}

// archived lists the buckets of a backup in their order: all that are kept on disk but
// the leases, which are about who leads now.
func archived() []string {
	return slices.DeleteFunc(subject.Durable(), func(name string) bool { return name == subject.Leases })
}

// backups are the backups that are being sent in one term.
type backups struct {
	mu   sync.Mutex
	open map[string]*backup
}

func newBackups() *backups { return &backups{open: map[string]*backup{}} }

// backup is one backup: what was written of it and not asked for waits in a pipe, so
// that who reads slowly slows the writer and fills no memory.
type backup struct {
	in   *io.PipeReader
	idle *time.Timer

	mu   sync.Mutex
	next uint64 // the first chunk that was not given yet
	last federation.BackupReply
}

// backup answers with the next part of a backup, or the last one again.
func (l *leadership) backup(ctx context.Context, r federation.BackupRequest) (federation.BackupReply, error) {
	b, id := l.backups.find(r.Session), r.Session
	if r.Session == "" {
		var err error
		if id, b, err = l.beginBackup(ctx); err != nil {
			return federation.BackupReply{}, err
		}
	}
	if b == nil {
		return federation.BackupReply{}, messaging.Errorf(messaging.Unavailable, "backup: another hub leads by now, or the last request was long ago: begin again")
	}
	return b.chunk(id, r.Chunk)
}

func (b *backups) find(id string) *backup {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id]
}

// beginBackup starts the writer of a backup, which ends with the term at the latest.
func (l *leadership) beginBackup(ctx context.Context) (string, *backup, error) {
	in, out := io.Pipe()
	id := draw(12)
	b := &backup{in: in}
	l.backups.mu.Lock()
	defer l.backups.mu.Unlock()
	if len(l.backups.open) >= maxBackups {
		return "", nil, messaging.Errorf(messaging.Unavailable, "%d backups are being made already: try again later", maxBackups)
	}
	l.backups.open[id] = b
	stop := context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
	b.idle = time.AfterFunc(backupIdle, func() {
		stop()
		in.CloseWithError(errors.New("nobody asked for more of it"))
		l.backups.mu.Lock()
		delete(l.backups.open, id)
		l.backups.mu.Unlock()
	})
	l.group.Go(func() error {
		err := l.writeBackup(ctx, out)
		out.CloseWithError(err)
		if err != nil {
			l.log.Warn("backup", "error", err)
		}
		return nil
	})
	return id, b, nil
}

// chunk waits until so much is written.
func (b *backup) chunk(id string, n uint64) (federation.BackupReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle.Reset(backupIdle)
	switch {
	case b.next > 0 && n == b.next-1:
		return b.last, nil
	case n != b.next || b.last.Last:
		return federation.BackupReply{}, messaging.Errorf(messaging.Invalid, "backup: part %d was asked for, part %d is next", n, b.next)
	}
	data := make([]byte, backupChunk)
	read, err := io.ReadFull(b.in, data)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !ended {
		return federation.BackupReply{}, messaging.Errorf(messaging.Unavailable, "backup: %v: begin again", err)
	}
	b.next++
	b.last = federation.BackupReply{Session: id, Data: data[:read], Last: ended}
	return b.last, nil
}

// writeBackup writes the keys and then each bucket as it is when its turn comes.
func (l *leadership) writeBackup(ctx context.Context, out io.Writer) error {
	w, err := archive.NewWriter(out, archive.Header{At: time.Now().UTC().Truncate(time.Millisecond), Version: l.hub.opts.Version, Term: l.term})
	if err != nil {
		return err
	}
	keys, err := l.hub.keys()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		if err := w.Record(archive.Record{Bucket: archive.Keys, Key: name, Value: keys[name]}); err != nil {
			return err
		}
	}
	for _, name := range archived() {
		if err := writeBucket(ctx, w, name, l.buckets[name]); err != nil {
			return fmt.Errorf("read bucket %s: %w", name, err)
		}
	}
	return w.Close()
}

func writeBucket(ctx context.Context, w *archive.Writer, name string, bucket messaging.Follower) error {
	return each(ctx, bucket, func(e messaging.Entry) error {
		return w.Record(archive.Record{Bucket: name, Key: e.Key, Revision: uint64(e.Revision), Value: e.Value})
	})
}

// keys are the files of the bus's keys.
func (h *Hub) keys() (map[string][]byte, error) {
	if h.opts.Keys == nil {
		return nil, nil
	}
	keys, err := h.opts.Keys.Export()
	if err != nil {
		return nil, fmt.Errorf("read the bus's keys: %w", err)
	}
	return keys, nil
}

// each hands over the records of a bucket as they are now, one at a time.
func each(ctx context.Context, bucket messaging.Follower, take func(messaging.Entry) error) error {
	err := bucket.Follow(ctx, "", func(c messaging.Change) error {
		switch {
		case c.Synced:
			return errRead
		case c.Reset:
			return errReset
		}
		return take(c.Entry)
	})
	if errors.Is(err, errRead) {
		return nil
	}
	return err
}
