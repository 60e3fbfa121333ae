package member

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/access"
)

// Files of the state directory.
const (
	identityFile    = "identity.json"
	incarnationFile = "incarnation"
	guardFile       = "guard.json"
	leasesFile      = "leases.json"
	admissionFile   = "admission.pem"
	lockFile        = "lock"
	leftFile        = "left.json"
)

// identity is what a joined agent remembers.
type identity struct {
	Member    string `json:"member"`
	ClusterID string `json:"clusterID"`
	access.State
	// SealKeys are those that secrets are or were sealed to, the newest first.
	SealKeys []sealKey `json:"sealKeys,omitempty"`
	// Federation identifies the one that was joined; "" when its hub does not say.
	Federation string `json:"federation,omitempty"`
	// Marked: the cluster says that it belongs to it.
	Marked bool `json:"marked,omitempty"`
	// Gateway is the one by which the agent joined.
	Gateway gateway `json:"gateway,omitzero"`
	// Certificate is that of the federation, for what is said beside the bus.
	Certificate certificate `json:"certificate,omitzero"`
	// PeerPort is that of the agent's own port which it took last, if it may take any.
	PeerPort string `json:"peerPort,omitempty"`
	// Leaving is set from when the hub has the member leave, and Left when the cluster is
	// let go of.
	Leaving federation.Remains `json:"leaving,omitempty"`
	Left    bool               `json:"left,omitempty"`
}

// book is the identity of an agent that several write to.
type book struct {
	write func(identity) error

	mu sync.Mutex
	id identity
}

func (b *book) read() identity {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.id
}

// change writes a changed identity down, and has it only then.
func (b *book) change(edit func(*identity)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.id
	edit(&next)
	if err := b.write(next); err != nil {
		return err
	}
	b.id = next
	return nil
}

// stateDir is a directory that one agent uses at a time. Files are replaced
// whole and durably, readable by the owner only.
type stateDir struct {
	dir  string
	lock *os.File
}

func openState(dir string) (*stateDir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the agent's state directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the agent's state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("state directory %s is used by another agent: stop that one, or give this one its own", dir), lock.Close())
	}
	return &stateDir{dir: dir, lock: lock}, nil
}

func (s *stateDir) close() { _ = s.lock.Close() } // nothing was written to it

func (s *stateDir) path(name string) string { return filepath.Join(s.dir, name) }

func (s *stateDir) readIdentity() (identity, bool, error) {
	var id identity
	b, err := os.ReadFile(s.path(identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	if err != nil {
		return id, false, fmt.Errorf("read the agent's identity: %w", err)
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, false, fmt.Errorf("%s is damaged: move it away and join again with a new token: %w", s.path(identityFile), err)
	}
	return id, true, nil
}

func (s *stateDir) writeIdentity(id identity) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return fmt.Errorf("write the agent's identity: %w", err)
	}
	return s.write(identityFile, b)
}

// nextIncarnation counts one life more, durably.
func (s *stateDir) nextIncarnation() (federation.Incarnation, error) {
	b, err := os.ReadFile(s.path(incarnationFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the incarnation: %w", err)
	}
	var n uint64
	if len(b) > 0 {
		if n, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err != nil {
			return 0, fmt.Errorf("%s is damaged: write a number into it that is above every incarnation \"hansa get members -o wide\" shows: %w", s.path(incarnationFile), err)
		}
	}
	n++
	return federation.Incarnation(n), s.write(incarnationFile, []byte(strconv.FormatUint(n, 10)))
}

// read returns nil when the file is not there yet.
func (s *stateDir) read(name string) ([]byte, error) {
	b, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the agent's state: %w", err)
	}
	return b, nil
}

// write replaces a file so that a crash leaves the old or the new one.
func (s *stateDir) write(name string, data []byte) error {
	if err := s.replace(name, data, (*os.File).Sync); err != nil {
		return err
	}
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("write %s: %w", s.path(name), err)
	}
	return nil
}

// note replaces a file for this boot of the machine: it outlives the process, and not more.
func (s *stateDir) note(name string, data []byte) error {
	return s.replace(name, data, func(*os.File) error { return nil })
}

// forget deletes a file.
func (s *stateDir) forget(name string) error {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete the agent's state: %w", err)
	}
	return nil
}

func (s *stateDir) replace(name string, data []byte, sync func(*os.File) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", s.path(name), err)
		}
	}()
	f, err := os.CreateTemp(s.dir, name+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = sync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), s.path(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
