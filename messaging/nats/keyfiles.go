package nats

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxKeyFile and maxKeyFiles bound what a directory of keys may have.
const (
	maxKeyFile  = 64 << 10 // bytes
	maxKeyFiles = 100_000
)

// KeyFiles is a directory of keys as files, for backups.
type KeyFiles string

// HasStore reports whether a server has kept streams in the directory.
func HasStore(dir string) bool {
	entries, err := os.ReadDir(ServerOptions{Dir: dir}.streams())
	return err == nil && len(entries) > 0
}

// Export returns what every regular file below the directory has, by its path with
// slashes. Files that are being written are left out.
func (dir KeyFiles) Export() (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(string(dir), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".new-") {
			return err
		}
		name, err := filepath.Rel(string(dir), path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // revoked a moment ago
		}
		if err == nil && (len(data) > maxKeyFile || len(out) >= maxKeyFiles) {
			err = fmt.Errorf("%s has %d bytes and %d files before it: no directory of keys", path, len(data), len(out))
		}
		out[filepath.ToSlash(name)] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read bus keys: %w", err)
	}
	return out, nil
}

// Missing reports whether the directory has no file.
func (dir KeyFiles) Missing() (bool, error) {
	files, err := dir.Export()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(files) == 0, err
}

// Import makes the directory with these files, all or none, readable by the owner only.
// It refuses a directory that has files.
func (dir KeyFiles) Import(files map[string][]byte) error {
	missing, err := dir.Missing()
	if err == nil && !missing {
		err = fmt.Errorf("%s has keys already", string(dir))
	}
	fresh := string(dir) + ".new"
	if err == nil {
		err = os.RemoveAll(fresh)
	}
	if err != nil {
		return fmt.Errorf("write bus keys: %w", err)
	}
	for name, data := range files {
		path := filepath.FromSlash(name)
		if !filepath.IsLocal(path) {
			return fmt.Errorf("write bus keys: %q is not the name of a file of keys", name)
		}
		path = filepath.Join(fresh, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("write bus keys: %w", err)
		}
		if err := writeSynced(path, data); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(string(dir)), os.Rename(fresh, string(dir)), syncParent(string(dir))); err != nil {
		return fmt.Errorf("write bus keys: %w", err)
	}
	return nil
}

// syncParent makes a new name in a directory durable.
func syncParent(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
