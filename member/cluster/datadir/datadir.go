package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	lockName   = "lock"
	recordName = "cluster.json"
	formatName = "format"
	dirMode    = 0o700
	fileMode   = 0o600
)

// Dir is a data directory that this process holds alone until Close.
type Dir struct {
	path string
	lock *os.File
}

// Open makes the directory when it is missing and locks it. The mode of one that
// exists stays: it may be shared, and whatever is secret in it has a mode of its
// own. When another process holds the directory, the error names that process.
// The lock is the kernel's, so that a killed process leaves none behind, whatever
// files it left.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolve data directory: %w", err)
	}
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := acquire(path)
	if err != nil {
		return nil, err
	}
	return &Dir{path: path, lock: lock}, nil
}

func acquire(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("open lock of data directory: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		defer lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by %s: stop it or choose another", path, holder(lock))
		}
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	if err := sign(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("write lock of data directory: %w", err)
	}
	return lock, nil
}

// sign writes the pid of this process into the lock file.
func sign(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that wrote the lock file, as far as it can be told.
func holder(lock *os.File) string {
	buffer := make([]byte, 32)
	n, _ := lock.ReadAt(buffer, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buffer[:n])))
	if err != nil || pid <= 0 {
		return "another process"
	}
	return fmt.Sprintf("pid %d", pid)
}

// Close gives the directory up. Files in it may not be written afterwards.
func (d *Dir) Close() {
	d.lock.Close()
}

// Path joins elements below the directory.
func (d *Dir) Path(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// Private makes the directory name below the directory, which nobody else can
// enter, and returns its path.
func (d *Dir) Private(name string) (string, error) {
	path := d.Path(name)
	if err := os.MkdirAll(path, dirMode); err != nil {
		return "", fmt.Errorf("make private directory: %w", err)
	}
	if err := os.Chmod(path, dirMode); err != nil {
		return "", fmt.Errorf("protect private directory: %w", err)
	}
	return path, nil
}

// Read returns the content of the file name below the directory. The error is
// fs.ErrNotExist when there is none.
func (d *Dir) Read(name string) ([]byte, error) {
	return os.ReadFile(d.Path(name))
}

// Write replaces the file name below the directory, making its directory when
// that is missing. A reader sees the old content or the new; the new one is on
// disk before Write returns.
func (d *Dir) Write(name string, data []byte) error {
	path := d.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temporary := path + ".new"
	if err := writeSynced(temporary, data); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

// ReadOrWrite returns the content of the file name, which create
// provides and Write stores the first time.
func (d *Dir) ReadOrWrite(name string, create func() ([]byte, error)) ([]byte, error) {
	data, err := d.Read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = create(); err != nil {
		return nil, err
	}
	return data, d.Write(name, data)
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
