package mirror

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hansa-io/hansa/messaging"
)

// syncEvery bounds how much of a snapshot waits to be written to the disk, in bytes.
// One great sync at the end would hold up those of the bus on the same disk.
const syncEvery = 4 << 20

func snapshotPath(dir, bucket string) string { return filepath.Join(dir, bucket+".snapshot") }

// readSnapshot fills the mirror from its file, if there is a good one.
func (m *mirror) readSnapshot(dir string) {
	began := time.Now()
	path := snapshotPath(dir, m.name)
	records, at, err := readFile(path, m.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		m.log.Warn("a snapshot is not used, everything is read from the bus", "file", path, "error", err)
	default:
		m.load(records, at)
		m.log.Info("snapshot read", "records", len(records.byKey), "revision", at.Revision, "took", time.Since(began))
	}
}

func readFile(path, bucket string) (*ledger, messaging.Cursor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, messaging.Cursor{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, messaging.Cursor{}, err
	case !info.Mode().IsRegular():
		return nil, messaging.Cursor{}, errForeign
	}
	return decode(f, info.Size(), bucket)
}

// save writes the snapshot if something has changed. A failure is logged once.
func (m *mirror) save(dir string) {
	records, at := m.contents()
	if at.Revision == 0 || at.Life == m.saved.Life && at.Revision == m.saved.Revision {
		return
	}
	path := snapshotPath(dir, m.name)
	if err := writeFile(path, func(f *os.File) error { return encode(&syncer{file: f}, m.name, at, records) }); err != nil {
		if !m.failed {
			m.log.Warn("no snapshot is kept, a restart will read more from the bus", "error", fmt.Errorf("write %s: %w", path, err))
		}
		m.failed = true
		return
	}
	m.saved, m.failed = at, false
}

// writeFile replaces a file: a crash leaves the old one or the new one.
func writeFile(path string, write func(*os.File) error) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncer writes to a file and syncs it now and then.
type syncer struct {
	file  *os.File
	dirty int // bytes
}

func (s *syncer) Write(b []byte) (int, error) {
	n, err := s.file.Write(b)
	if s.dirty += n; err == nil && s.dirty >= syncEvery {
		s.dirty = 0
		err = s.file.Sync()
	}
	return n, err
}
