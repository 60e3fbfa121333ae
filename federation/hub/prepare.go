package hub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hansa-io/hansa/federation/archive"
)

// KeyStore is a directory of keys that may have none yet.
type KeyStore interface {
	Keys
	// Missing reports whether it has none.
	Missing() (bool, error)
	// Import makes the files, all or none; it refuses when there are some.
	Import(files map[string][]byte) error
}

// Prepare makes the data directory of a hub without a store ready to restore a backup:
// first the backup, under the name PutBack, then the keys, unless they are there: a
// cluster of hubs has the same. Done again after it broke off, it comes to the same end.
// The caller has made sure that there is no store.
func Prepare(dir string, keys KeyStore, backup string) error {
	files, err := keysOf(backup)
	if err != nil {
		return err
	}
	missing, err := keys.Missing()
	if err != nil {
		return err
	}
	if !missing {
		if err := sameKeys(keys, files); err != nil {
			return err
		}
	}
	if err := copyFile(backup, filepath.Join(dir, PutBack)); err != nil || !missing {
		return err
	}
	return keys.Import(files)
}

// sameKeys refuses a backup of another federation.
func sameKeys(keys Keys, files map[string][]byte) error {
	have, err := keys.Export()
	if err != nil {
		return err
	}
	for name, key := range files {
		if !bytes.Equal(have[name], key) {
			return fmt.Errorf("the hub has other keys than the backup (%s): it is of another federation: take the keys away, or another backup", name)
		}
	}
	return nil
}

// keysOf reads a whole backup and returns its keys.
func keysOf(backup string) (map[string][]byte, error) {
	f, err := os.Open(backup)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := archive.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	keys := map[string][]byte{}
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if record.Bucket == archive.Keys {
			keys[record.Key] = record.Value
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the backup has no keys: agents would not know the hub")
	}
	return keys, nil
}

// copyFile copies a file so that the copy is whole or not there, for its owner only.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = errors.Join(os.Rename(out.Name(), to), syncDir(filepath.Dir(to)))
	}
	if err != nil {
		return fmt.Errorf("copy the backup: %w", err)
	}
	return nil
}

// Prepared reports whether the directory was prepared, so that the store is made anew.
// One that was prepared by half is refused: a hub without its keys would make others.
func Prepared(dir string, keys KeyStore) (bool, error) {
	file := filepath.Join(dir, PutBack)
	if _, err := os.Stat(file); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	missing, err := keys.Missing()
	if missing {
		return false, fmt.Errorf("%s waits to be restored and its keys are not in place: run \"hansa restore FILE --config\" again, or remove it", file)
	}
	return true, err
}
