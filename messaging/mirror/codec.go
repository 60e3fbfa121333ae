package mirror

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// A snapshot is
//
//	magic, 8 bytes; format, 4 bytes big-endian
//	bucket, life: strings; revision: uvarint; at: varint, ns since 1970
//	number of records: uvarint
//	records, oldest first: key: string; revision less the one before: uvarint; value: string
//	CRC-32C of all before, 4 bytes big-endian
//
// where a string is its length as uvarint and its bytes.
const (
	magic  = "hansamir"
	format = 1
)

// Bounds of what is read.
const (
	maxName  = 1 << 10
	maxKey   = 64 << 10
	maxValue = 64 << 20
)

// sumSize is the length of the checksum.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Why a snapshot is not used.
var (
	errForeign = errors.New("it is no snapshot of this bucket")
	errNewer   = errors.New("it has a newer format")
	errDamaged = errors.New("it is damaged")
)

// encode writes a snapshot of the bucket; deletion markers are left out.
func encode(to io.Writer, bucket string, at messaging.Cursor, records []*node) error {
	sum := crc32.New(castagnoli)
	out := bufio.NewWriterSize(io.MultiWriter(to, sum), 256<<10)
	count := 0
	for _, n := range records {
		if !n.Deleted {
			count++
		}
	}
	var b []byte
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, format)
	b = appendString(b, bucket)
	b = appendString(b, at.Life)
	b = binary.AppendUvarint(b, uint64(at.Revision))
	b = binary.AppendVarint(b, at.At.UnixNano())
	b = binary.AppendUvarint(b, uint64(count))
	_, err := out.Write(b)
	last := federation.Revision(0)
	for _, n := range records {
		if n.Deleted {
			continue
		}
		b = appendString(b[:0], n.Key)
		b = binary.AppendUvarint(b, uint64(n.Revision-last))
		b = binary.AppendUvarint(b, uint64(len(n.Value)))
		last = n.Revision
		_, err1 := out.Write(b)
		_, err2 := out.Write(n.Value)
		if err = errors.Join(err, err1, err2); err != nil {
			return err
		}
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	_, err = to.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads a snapshot of that many bytes. Nothing of it counts unless all of it
// is right.
func decode(from io.Reader, size int64, bucket string) (*ledger, messaging.Cursor, error) {
	d := decoder{from: from, left: size - sumSize, sum: crc32.New(castagnoli)}
	d.in = bufio.NewReaderSize(io.TeeReader(io.LimitReader(from, max(0, d.left)), d.sum), 256<<10)
	at, err := d.header(bucket)
	if err != nil {
		return nil, messaging.Cursor{}, err
	}
	records := newLedger()
	for count := d.uvarint(); count > 0 && d.err == nil; count-- {
		d.record(records, at.Revision)
	}
	if err := d.end(); err != nil {
		return nil, messaging.Cursor{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return records, at, nil
}

// decoder reads a snapshot; after an error everything reads as zero.
type decoder struct {
	from io.Reader
	in   *bufio.Reader
	sum  hash.Hash32
	left int64 // bytes before the checksum
	last federation.Revision
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// header checks whose snapshot it is, before anything of it is trusted.
func (d *decoder) header(bucket string) (messaging.Cursor, error) {
	if string(d.bytes(uint64(len(magic)), maxName)) != magic {
		return messaging.Cursor{}, errForeign
	}
	if b := d.bytes(4, maxName); d.err == nil && binary.BigEndian.Uint32(b) != format {
		return messaging.Cursor{}, fmt.Errorf("%w: %d, this program knows %d", errNewer, binary.BigEndian.Uint32(b), format)
	}
	name := d.string(maxName)
	at := messaging.Cursor{Life: d.string(maxName), Revision: federation.Revision(d.uvarint())}
	at.At = time.Unix(0, d.varint())
	switch {
	case d.err != nil:
		return messaging.Cursor{}, fmt.Errorf("%w: %w", errDamaged, d.err)
	case name != bucket:
		return messaging.Cursor{}, fmt.Errorf("%w: it is of %q", errForeign, name)
	}
	return at, nil
}

func (d *decoder) record(into *ledger, newest federation.Revision) {
	e := messaging.Entry{Key: d.string(maxKey)}
	e.Revision = d.last + federation.Revision(d.uvarint())
	e.Value = d.bytes(d.uvarint(), maxValue)
	switch _, double := into.byKey[e.Key]; {
	case d.err != nil:
		return
	case e.Key == "" || double:
		d.fail("key %q has no place", e.Key)
	case e.Revision <= d.last || e.Revision > newest:
		d.fail("revision %d after %d, of at most %d", e.Revision, d.last, newest)
	default:
		into.put(e)
		d.last = e.Revision
	}
}

// end checks that all was read, and that it is what was written.
func (d *decoder) end() error {
	if d.err == nil && d.left != 0 {
		d.fail("%d bytes too many", d.left)
	}
	if d.err != nil {
		return d.err
	}
	var want [sumSize]byte
	if _, err := io.ReadFull(d.from, want[:]); err != nil {
		return fmt.Errorf("read the checksum: %w", err)
	}
	if got := d.sum.Sum32(); got != binary.BigEndian.Uint32(want[:]) {
		return fmt.Errorf("its checksum is %08x, and it says %x", got, want)
	}
	return nil
}

// bytes reads n bytes, of at most limit. Nothing is allocated for more than is there.
func (d *decoder) bytes(n, limit uint64) []byte {
	if d.err == nil && (n > limit || d.left < 0 || n > uint64(d.left)) {
		d.fail("%d bytes where %d are left and %d allowed", n, d.left, limit)
	}
	if d.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, d.err = io.ReadFull(d.in, b)
	d.left -= int64(n)
	return b
}

func (d *decoder) string(limit uint64) string { return string(d.bytes(d.uvarint(), limit)) }

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, err := binary.ReadUvarint(d)
	if err != nil {
		d.fail("read a number: %w", err)
		return 0
	}
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1) // as encoding/binary folds the sign
}

// ReadByte lets encoding/binary read numbers.
func (d *decoder) ReadByte() (byte, error) {
	b, err := d.in.ReadByte()
	if err == nil {
		d.left--
	}
	return b, err
}
