package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation/archive"
	"github.com/hansa-io/hansa/messaging"
)

// Bounds of backups that come in.
const (
	maxUpload  = 16 << 30 // bytes
	maxUploads = 2        // at a time
	uploadIdle = 5 * time.Minute
)

// PutBack is the file, in the data directory of a hub, of a backup from which a new
// store is filled before anything is decided.
const PutBack = "restore"

// restoring is the directory of uploads, and of the backups that are being restored,
// which have their digest as the name.
const restoring = "restoring"

// uploads are backups that come in part by part. They are files of the data directory,
// which only this process uses.
type uploads struct {
	data string // the data directory; empty: there is none
	mu   sync.Mutex
	open map[string]*upload
}

type upload struct {
	mu   sync.Mutex
	file *os.File
	size int64
	idle *time.Timer
}

func newUploads(data string) *uploads { return &uploads{data: data, open: map[string]*upload{}} }

func (u *uploads) path(name string) string { return filepath.Join(u.data, restoring, name) }

// clear removes what an earlier life left half received.
func (u *uploads) clear() {
	left, _ := filepath.Glob(u.path("upload-*")) // the pattern is a good one
	for _, file := range left {
		_ = os.Remove(file) // it is in nobody's way but the disk's
	}
}

// idle reports whether nothing comes in.
func (u *uploads) idle() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.open) == 0
}

// begin makes an empty upload and returns its name.
func (u *uploads) begin() (string, error) {
	if u.data == "" {
		return "", messaging.Errorf(messaging.Refused, "this hub has no data directory: it cannot restore a backup")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.open) >= maxUploads {
		return "", messaging.Errorf(messaging.Unavailable, "%d backups are being received already: try again later", maxUploads)
	}
	if err := os.MkdirAll(u.path(""), 0o700); err != nil {
		return "", fmt.Errorf("receive a backup: %w", err)
	}
	id := draw(12)
	file, err := os.OpenFile(u.path("upload-"+id), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("receive a backup: %w", err)
	}
	u.open[id] = &upload{file: file, idle: time.AfterFunc(uploadIdle, func() { u.drop(id) })}
	return id, nil
}

// drop forgets an upload and removes its file.
func (u *uploads) drop(id string) {
	u.mu.Lock()
	one := u.open[id]
	delete(u.open, id)
	u.mu.Unlock()
	if one == nil {
		return
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	one.idle.Stop()
	_ = one.file.Close()           // it is not wanted any more
	_ = os.Remove(one.file.Name()) // clear tries again
}

// find returns an upload, locked, and puts off its end.
func (u *uploads) find(id string) (*upload, error) {
	u.mu.Lock()
	one := u.open[id]
	u.mu.Unlock()
	if one == nil {
		return nil, messaging.Errorf(messaging.Unavailable, "the upload is not known: another hub leads by now, or the last part came long ago: begin again")
	}
	one.mu.Lock()
	one.idle.Reset(uploadIdle)
	return one, nil
}

// write takes the next part. One that was taken before counts as written.
func (u *uploads) write(id string, offset int64, data []byte) error {
	one, err := u.find(id)
	if err != nil {
		return err
	}
	defer one.mu.Unlock()
	end := offset + int64(len(data))
	switch {
	case offset < one.size && end <= one.size:
		return nil
	case offset != one.size:
		return messaging.Errorf(messaging.Invalid, "a part of the backup begins at byte %d, and %d bytes are here", offset, one.size)
	case end > maxUpload:
		return messaging.Errorf(messaging.Invalid, "the backup has more than %d bytes", int64(maxUpload))
	}
	if _, err := one.file.WriteAt(data, offset); err != nil {
		return messaging.Errorf(messaging.Unavailable, "receive a backup: %v", err)
	}
	one.size = end
	return nil
}

// verify reads the whole upload.
func (one *upload) verify() (archive.Summary, error) {
	if _, err := one.file.Seek(0, 0); err != nil {
		return archive.Summary{}, fmt.Errorf("read the backup: %w", err)
	}
	s, err := archive.Verify(one.file)
	if err != nil {
		return s, messaging.Errorf(messaging.Invalid, "the backup cannot be restored: %v", err)
	}
	return s, nil
}

// keep gives the upload its digest as the name, durably, and ends it.
func (u *uploads) keep(id string, one *upload, digest string) error {
	err := errors.Join(one.file.Sync(), os.Rename(one.file.Name(), u.path(digest)), syncDir(u.path("")))
	if err != nil {
		return fmt.Errorf("keep the backup: %w", err)
	}
	one.idle.Stop()
	_ = one.file.Close() // it is synced
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.open, id)
	return nil
}

// locate returns the file with the backup of that digest, if it is here.
func (u *uploads) locate(digest string) (string, bool) {
	if u.data == "" {
		return "", false
	}
	for _, file := range []string{u.path(digest), filepath.Join(u.data, PutBack)} {
		if s, err := archive.VerifyFile(file); err == nil && s.Digest == digest {
			return file, true
		}
	}
	return "", false
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
