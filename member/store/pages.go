package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

// Each page of a bbolt file that begins a node has a head: its own number (8 bytes), its
// kind (2), how many elements it has (2) and over how many more pages it goes on (4).
const (
	headLength = 16
	moreOffset = 12
)

// checkPages refuses a file in which a page claims to go on beyond the end: bbolt
// believes it, and frees pages until memory is full.
func checkPages(path string, db *bbolt.DB) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := int64(db.Info().PageSize)
	pages := uint64(info.Size() / size)
	head := make([]byte, headLength)
	for n := range pages {
		if _, err := f.ReadAt(head, int64(n)*size); err != nil && err != io.EOF {
			return err
		}
		own, more := binary.NativeEndian.Uint64(head), binary.NativeEndian.Uint32(head[moreOffset:])
		if own == n && n+uint64(more) >= pages {
			return fmt.Errorf("%w: page %d goes on beyond the end", ErrDamaged, n)
		}
	}
	return nil
}
