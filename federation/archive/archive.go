package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

const (
	magic   = "HANSABAK"
	version = 1
)

// The kinds of parts.
const (
	kindHeader = 1
	kindRecord = 2
	kindEnd    = 3
)

// Keys is the bucket of the files of the key directory: their paths are the keys of
// the records, and their revisions are 0.
const Keys = "keys"

// Bounds of what is read, in bytes unless said otherwise.
const (
	maxName    = 1 << 10
	maxText    = 1 << 20
	maxValue   = 9 << 20 // the bus takes 8 MiB
	maxRecords = 20_000_000
	maxBuckets = 64
)

// ErrDamaged: what was read is no backup, or not the whole of it.
var ErrDamaged = errors.New("not a whole backup")

// Header says where a backup comes from.
type Header struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"` // of the hub that made it
	Term    uint64    `json:"term"`    // of the leadership in which it was made
}

// Record is one record of a bucket.
type Record struct {
	Bucket   string
	Key      string
	Revision uint64
	Value    []byte // belongs to the receiver
}

// Summary says what a whole backup has.
type Summary struct {
	Header Header
	Counts map[string]int64 // records by bucket
	// Digest is the SHA-256 of the file, in hexadecimal digits; Size is in bytes.
	Digest string
	Size   int64
}

// Records is the number of all records.
func (s Summary) Records() int64 {
	var n int64
	for _, count := range s.Counts {
		n += count
	}
	return n
}

// Buckets lists the buckets that have records, sorted.
func (s Summary) Buckets() []string { return slices.Sorted(maps.Keys(s.Counts)) }

// VerifyFile is Verify of a file.
func VerifyFile(name string) (Summary, error) {
	f, err := os.Open(name)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	return Verify(f)
}

// Verify reads a whole backup and keeps nothing of it.
func Verify(in io.Reader) (Summary, error) {
	hash, size := sha256.New(), int64(0)
	counted := io.TeeReader(in, counter{&size})
	r, err := NewReader(io.TeeReader(counted, hash))
	if err != nil {
		return Summary{}, err
	}
	defer r.Close()
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return Summary{Header: r.Header(), Counts: r.counts, Digest: hex.EncodeToString(hash.Sum(nil)), Size: size}, nil
		}
		if err != nil {
			return Summary{}, err
		}
	}
}

// counter adds up what is written to it.
type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
