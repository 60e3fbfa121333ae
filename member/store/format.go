package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"go.etcd.io/bbolt"

	"github.com/hansa-io/hansa/federation"
)

// format of the file; another one is not read.
const format = "hansa works 1"

// The file has two buckets. works has the orders: the key of the record, a zero byte and
// the revision; a checksum of that and of the value, and the value. head has the rest.
var (
	worksBucket = []byte("works")
	headBucket  = []byte("head")

	formatKey = []byte("format")
	ownerKey  = []byte("owner")
	stateKey  = []byte("state")
)

// state is what the last Batch left, and how one knows all orders again: how many there
// are, and the exclusive or of their checksums.
type state struct {
	count uint64
	sums  uint32
	upTo  federation.Revision
	whole bool
}

func (s state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, s.count)
	b = binary.BigEndian.AppendUint32(b, s.sums)
	b = binary.BigEndian.AppendUint64(b, uint64(s.upTo))
	if s.whole {
		return seal(stateKey, append(b, 1))
	}
	return seal(stateKey, append(b, 0))
}

// stateLength is that of an encoded state.
const stateLength = sumLength + 8 + 4 + 8 + 1

func decodeState(b []byte) (state, error) {
	if len(b) != stateLength || binary.BigEndian.Uint32(b) != sum(stateKey, b[sumLength:]) {
		return state{}, fmt.Errorf("%w: its state is not as it was written", ErrDamaged)
	}
	b = b[sumLength:]
	return state{
		count: binary.BigEndian.Uint64(b), sums: binary.BigEndian.Uint32(b[8:]),
		upTo: federation.Revision(binary.BigEndian.Uint64(b[12:])), whole: b[20] == 1,
	}, nil
}

const (
	revisionLength = 8
	sumLength      = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (w Work) name() []byte {
	k := append([]byte(w.Key), 0)
	return binary.BigEndian.AppendUint64(k, uint64(w.Revision))
}

func seal(name, value []byte) []byte {
	out := make([]byte, sumLength, sumLength+len(value))
	out = append(out, value...)
	binary.BigEndian.PutUint32(out, sum(name, value))
	return out
}

func sum(name, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, value)
}

// read returns what the file holds, which it owns from then on, after it has checked all
// of it. A new file gets its head.
func (s *Store) read(owner string) (c Contents, err error) {
	fresh := false
	err = s.db.View(func(tx *bbolt.Tx) error {
		if k, _ := tx.Cursor().First(); k == nil {
			fresh = true
			return nil
		}
		works, head := tx.Bucket(worksBucket), tx.Bucket(headBucket)
		switch {
		case works == nil || head == nil || string(head.Get(formatKey)) != format:
			return fmt.Errorf("%w: it has no format that this agent knows", ErrDamaged)
		case string(head.Get(ownerKey)) != owner:
			return fmt.Errorf("%w: it belongs to account %q, not to %q", ErrDamaged, head.Get(ownerKey), owner)
		}
		was, err := decodeState(head.Get(stateKey))
		if err != nil {
			return err
		}
		found := state{upTo: was.upTo, whole: was.whole}
		if c.Works, err = found.all(works); err == nil && found != was {
			err = fmt.Errorf("%w: it has %d works and should have %d, or others", ErrDamaged, found.count, was.count)
		}
		c.UpTo, c.Whole = was.upTo, was.whole
		return err
	})
	if fresh {
		err = s.db.Update(func(tx *bbolt.Tx) error { return begin(tx, owner) })
	}
	return c, err
}

// put adds an order, or replaces it.
func (s *state) put(works *bbolt.Bucket, w Work) error {
	if err := s.drop(works, w); err != nil {
		return err
	}
	k := w.name()
	v := seal(k, w.Value)
	s.count++
	s.sums ^= binary.BigEndian.Uint32(v)
	return works.Put(k, v)
}

// drop lets an order go; one that is not there is gone already.
func (s *state) drop(works *bbolt.Bucket, w Work) error {
	k := w.name()
	v := works.Get(k)
	if len(v) < sumLength {
		return nil
	}
	s.count--
	s.sums ^= binary.BigEndian.Uint32(v)
	return works.Delete(k)
}

func begin(tx *bbolt.Tx, owner string) error {
	if _, err := tx.CreateBucket(worksBucket); err != nil {
		return err
	}
	head, err := tx.CreateBucket(headBucket)
	if err != nil {
		return err
	}
	return errors.Join(head.Put(formatKey, []byte(format)), head.Put(ownerKey, []byte(owner)), head.Put(stateKey, state{}.encode()))
}

// all reads the orders, and counts them.
func (s *state) all(works *bbolt.Bucket) (out []Work, err error) {
	err = works.ForEach(func(k, v []byte) error {
		end := len(k) - revisionLength - 1
		if end < 0 || k[end] != 0 || len(v) < sumLength || binary.BigEndian.Uint32(v) != sum(k, v[sumLength:]) {
			return fmt.Errorf("%w: an order is not as it was written", ErrDamaged)
		}
		s.count++
		s.sums ^= binary.BigEndian.Uint32(v)
		out = append(out, Work{
			Key: string(k[:end]), Revision: federation.Revision(binary.BigEndian.Uint64(k[end+1:])), Value: bytes.Clone(v[sumLength:]),
		})
		return nil
	})
	return out, err
}
