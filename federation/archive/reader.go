package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what the decompressor holds, in bytes.
const maxWindow = 16 << 20

// Reader reads a backup.
type Reader struct {
	zip    *zstd.Decoder
	in     *bufio.Reader
	sum    hash.Hash
	header Header
	counts map[string]int64
	total  int64
	err    error // what every later Next returns
}

// NewReader reads the beginning of a backup. The caller calls Close.
func NewReader(in io.Reader) (*Reader, error) {
	begin := make([]byte, len(magic)+2)
	if _, err := io.ReadFull(in, begin); err != nil || string(begin[:len(magic)]) != magic {
		return nil, damaged("it does not begin like one")
	}
	if v := binary.BigEndian.Uint16(begin[len(magic):]); v != version {
		return nil, fmt.Errorf("a backup of format %d: this hansa reads format %d: use the hansa that made it, or a newer one", v, version)
	}
	zip, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, damaged("%v", err)
	}
	r := &Reader{zip: zip, in: bufio.NewReader(zip), sum: sha256.New(), counts: map[string]int64{}}
	r.sum.Write(begin)
	if err := r.readHeader(); err != nil {
		zip.Close()
		return nil, err
	}
	return r, nil
}

// Close frees what the decompressor holds.
func (r *Reader) Close() { r.zip.Close() }

// Header is what the backup says about itself.
func (r *Reader) Header() Header { return r.header }

func (r *Reader) readHeader() error {
	kind, err := r.byte()
	if err == nil && kind != kindHeader {
		err = damaged("it has no header")
	}
	if err == nil {
		err = r.document(&r.header)
	}
	return err
}

// Next returns the next record, or io.EOF when the backup was whole.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	record, err := r.next()
	r.err = err
	return record, err
}

func (r *Reader) next() (Record, error) {
	kind, err := r.byte()
	switch {
	case err != nil:
		return Record{}, err
	case kind == kindRecord:
		return r.record()
	case kind == kindEnd:
		return Record{}, r.end()
	}
	return Record{}, damaged("a part of kind %d", kind)
}

func (r *Reader) record() (Record, error) {
	bucket, err1 := r.bytes(maxName)
	key, err2 := r.bytes(maxName)
	revision, err3 := r.uvarint()
	if err := cmp.Or(err1, err2, err3); err != nil {
		return Record{}, err
	}
	value, err := r.bytes(maxValue)
	if err != nil {
		return Record{}, err
	}
	out := Record{Bucket: string(bucket), Key: string(key), Revision: revision, Value: value}
	r.counts[out.Bucket]++
	if r.total++; r.total > maxRecords || len(r.counts) > maxBuckets {
		return Record{}, damaged("more than %d records or %d buckets", maxRecords, maxBuckets)
	}
	return out, nil
}

// end checks the counts and the sum, and that nothing follows.
func (r *Reader) end() error {
	var counts map[string]int64
	if err := r.document(&counts); err != nil {
		return err
	}
	if !maps.Equal(counts, r.counts) {
		return damaged("it says that it has %v records, and has %v", counts, r.counts)
	}
	want := r.sum.Sum(nil)
	got := make([]byte, len(want))
	if err := r.full(got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return damaged("its checksum does not agree with its content")
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged("something follows its end")
	}
	return io.EOF
}

// document reads JSON that has no field but those of v.
func (r *Reader) document(v any) error {
	text, err := r.bytes(maxText)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return damaged("%v", err)
	}
	return nil
}

// bytes reads a length of at most limit and so many bytes.
func (r *Reader) bytes(limit uint64) ([]byte, error) {
	n, err := r.uvarint()
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, damaged("a part of %d bytes, at most %d", n, limit)
	}
	b := make([]byte, n)
	return b, r.full(b)
}

func (r *Reader) full(b []byte) error {
	if _, err := io.ReadFull(r.in, b); err != nil {
		return damaged("%v", err)
	}
	r.sum.Write(b)
	return nil
}

func (r *Reader) byte() (byte, error) {
	var b [1]byte
	err := r.full(b[:])
	return b[0], err
}

func (r *Reader) uvarint() (uint64, error) {
	n, err := binary.ReadUvarint(byteReader{r})
	if err != nil {
		return 0, damaged("%v", err)
	}
	return n, nil
}

// byteReader is the summed input, byte by byte.
type byteReader struct{ r *Reader }

// ReadByte returns the next byte.
func (b byteReader) ReadByte() (byte, error) { return b.r.byte() }
