package hub

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// keyring keeps keys in memory.
type keyring struct {
	files map[string][]byte
	fails bool
}

func (k *keyring) Export() (map[string][]byte, error) { return k.files, nil }

func (k *keyring) Missing() (bool, error) { return len(k.files) == 0, nil }

func (k *keyring) Import(files map[string][]byte) error {
	if k.fails {
		return errors.New("no room")
	}
	k.files = files
	return nil
}

// TestPrepare: a directory without keys gets those of the backup, and the backup; one
// that has others is left alone, and one that was prepared by half starts no hub.
func TestPrepare(t *testing.T) {
	s := newShelf(t)
	s.hub.opts.Keys = &keyring{files: map[string][]byte{"operator.nk": []byte("O"), "members/tokyo.nk": []byte("T")}}
	s.older()
	file, dir := s.file(), t.TempDir()
	keys := &keyring{fails: true}
	if ready, err := Prepared(dir, keys); ready || err != nil {
		t.Errorf("an empty directory: %v, %v", ready, err)
	}
	if err := Prepare(dir, keys, file); err == nil || err.Error() != "no room" {
		t.Errorf("got %v", err)
	}
	if _, err := Prepared(dir, keys); err == nil || !strings.Contains(err.Error(), `run "hansa restore FILE --config" again`) {
		t.Errorf("prepared by half: %v", err)
	}
	keys.fails = false
	s.must(Prepare(dir, keys, file))
	if ready, err := Prepared(dir, keys); !ready || err != nil {
		t.Errorf("prepared: %v, %v", ready, err)
	}
	if got := slices.Sorted(maps.Keys(keys.files)); !slices.Equal(got, []string{"members/tokyo.nk", "operator.nk"}) {
		t.Errorf("keys: %v", got)
	}
	info, err := os.Stat(filepath.Join(dir, PutBack))
	s.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the copy has mode %v", info.Mode())
	}
	s.must(Prepare(dir, keys, file)) // as in a cluster, where another hub has given them
	other := &keyring{files: map[string][]byte{"operator.nk": []byte("another")}}
	if err := Prepare(t.TempDir(), other, file); err == nil || !strings.Contains(err.Error(), "of another federation") {
		t.Errorf("other keys: %v", err)
	}
	s.hub.opts.Keys = nil
	if err := Prepare(t.TempDir(), &keyring{}, s.file()); err == nil || !strings.Contains(err.Error(), "has no keys") {
		t.Errorf("without keys: %v", err)
	}
	s.must(os.Truncate(file, 100))
	if err := Prepare(t.TempDir(), &keyring{}, file); err == nil {
		t.Error("a file that was cut off is taken")
	}
}
