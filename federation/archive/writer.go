package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a backup. Close completes it; without, no Reader takes it.
type Writer struct {
	out    *zstd.Encoder
	sum    hash.Hash
	counts map[string]int64
}

// NewWriter begins a backup on out, which the caller closes.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	begin := binary.BigEndian.AppendUint16([]byte(magic), version)
	if _, err := out.Write(begin); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	encoder, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	w := &Writer{out: encoder, sum: sha256.New(), counts: map[string]int64{}}
	w.sum.Write(begin)
	return w, w.document(kindHeader, h)
}

// Record adds a record. It refuses one that no Reader would take.
func (w *Writer) Record(r Record) error {
	if len(r.Bucket) > maxName || len(r.Key) > maxName || len(r.Value) > maxValue {
		return fmt.Errorf("write backup: record %s of bucket %s has %d bytes: at most %d, and %d in its name, can be kept",
			r.Key, r.Bucket, len(r.Value), maxValue, maxName)
	}
	w.counts[r.Bucket]++
	head := []byte{kindRecord}
	head = appendBytes(head, []byte(r.Bucket))
	head = appendBytes(head, []byte(r.Key))
	head = binary.AppendUvarint(head, r.Revision)
	head = binary.AppendUvarint(head, uint64(len(r.Value)))
	if err := w.write(head); err != nil {
		return err
	}
	return w.write(r.Value)
}

// Close writes what makes the backup whole.
func (w *Writer) Close() error {
	if err := w.document(kindEnd, w.counts); err != nil {
		return err
	}
	if err := w.write(w.sum.Sum(nil)); err != nil {
		return err
	}
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func (w *Writer) document(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return w.write(appendBytes([]byte{kind}, text))
}

func (w *Writer) write(b []byte) error {
	w.sum.Write(b)
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}
