package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/hansa-io/hansa/federation"
)

// lockLimit bounds the wait for another process that has the file open.
const lockLimit = time.Second

// sizeLimit bounds the file, far above what any agent needs: bbolt would believe a
// damaged list of free pages that tells it to write beyond.
const sizeLimit = 64 << 30

// Aside is what is appended to the name of a file that could not be used. There is one
// at most, the last.
const Aside = ".damaged"

// Work is one order.
type Work struct {
	Key      string              // of its record; without a zero byte
	Revision federation.Revision // of its record
	Value    []byte              // nil where only the name counts
}

// Contents are what an earlier life left.
type Contents struct {
	Works []Work // by key and revision
	// UpTo and Whole are those of the last Batch.
	UpTo  federation.Revision
	Whole bool
	// Lost says why what was there could not be used; nil when it could.
	Lost error
}

// Batch is one change.
type Batch struct {
	Add, Drop []Work
	UpTo      federation.Revision
	Whole     bool
}

// Store is an open file of orders.
type Store struct {
	path string
	db   *bbolt.DB
}

// ErrDamaged: the file is not what was written.
var ErrDamaged = errors.New("the store of works is damaged")

// Open reads the file and holds it until Close; it makes one that is not there. What
// cannot be used is moved aside, and Contents.Lost says so. owner is the account whose
// orders it holds: their revisions mean nothing to another one.
func Open(path, owner string) (*Store, Contents, error) {
	s, contents, err := open(path, owner)
	if err == nil || !errors.Is(err, ErrDamaged) {
		return s, contents, err
	}
	if err := os.Rename(path, path+Aside); err != nil {
		return nil, Contents{}, fmt.Errorf("move the store of works aside: %w", err)
	}
	s, _, again := open(path, owner)
	return s, Contents{Lost: err}, again
}

func open(path, owner string) (s *Store, contents Contents, err error) {
	s = &Store{path: path}
	err = guarded(func() error {
		if s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockLimit, FreelistType: bbolt.FreelistMapType, MaxSize: sizeLimit}); err != nil {
			return explain(err)
		}
		if err = checkPages(path, s.db); err != nil {
			return err
		}
		contents, err = s.read(owner)
		return err
	})
	if err == nil {
		return s, contents, nil
	}
	if s.db != nil {
		_ = guarded(s.db.Close) // it is given up
	}
	return nil, Contents{}, fmt.Errorf("open %s: %w", path, err)
}

// explain tells what is wrong with the file from what is wrong with the machine.
func explain(err error) error {
	var system *fs.PathError
	if errors.As(err, &system) || errors.Is(err, bolterrors.ErrTimeout) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// guarded makes an error of a panic: that is how bbolt, and a file that is shorter than
// it was, say that something is damaged.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return do()
}

// Write makes one change. An error leaves what was there, unless it is ErrDamaged: then
// the file has been moved aside for the next life.
func (s *Store) Write(b Batch) error {
	err := guarded(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error { return change(tx, b) })
	})
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if errors.Is(err, ErrDamaged) {
		err = errors.Join(err, os.Rename(s.path, s.path+Aside))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

func change(tx *bbolt.Tx, b Batch) error {
	works, head := tx.Bucket(worksBucket), tx.Bucket(headBucket)
	now, err := decodeState(head.Get(stateKey))
	if err != nil {
		return err
	}
	for _, w := range b.Add {
		if err := now.put(works, w); err != nil {
			return err
		}
	}
	for _, w := range b.Drop {
		if err := now.drop(works, w); err != nil {
			return err
		}
	}
	now.upTo, now.whole = b.UpTo, b.Whole
	return head.Put(stateKey, now.encode())
}

// Close gives the file back.
func (s *Store) Close() error { return guarded(s.db.Close) }
