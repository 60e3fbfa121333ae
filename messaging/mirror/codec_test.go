package mirror

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// filled is a ledger with n records of size bytes, and some markers between them.
func filled(n, size int) *ledger {
	l := newLedger()
	for i := range n {
		l.put(messaging.Entry{Key: fmt.Sprintf("shop.web-%06d", i), Value: bytes.Repeat([]byte{byte(i)}, size), Revision: federation.Revision(3*i + 7)})
		if i%5 == 0 {
			l.put(messaging.Entry{Key: fmt.Sprintf("gone.%d", i), Deleted: true, Revision: federation.Revision(3*i + 8)})
		}
	}
	return l
}

var testCursor = messaging.Cursor{Life: "2026-01-02T03:04:05.678Z", Revision: 1 << 40, At: time.Unix(12, 345)}

func encoded(t testing.TB, l *ledger) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, "status", testCursor, l.after(0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func entries(l *ledger) []messaging.Entry {
	var out []messaging.Entry
	for _, n := range l.after(0) {
		if !n.Deleted {
			out = append(out, n.Entry)
		}
	}
	return out
}

func same(a, b messaging.Entry) bool {
	return a.Key == b.Key && bytes.Equal(a.Value, b.Value) && a.Revision == b.Revision && a.Deleted == b.Deleted
}

func TestThereAndBack(t *testing.T) {
	for _, c := range []struct{ records, size int }{{0, 0}, {1, 0}, {7, 3}, {2000, 700}} {
		l := filled(c.records, c.size)
		b := encoded(t, l)
		got, at, err := decode(bytes.NewReader(b), int64(len(b)), "status")
		if err != nil || at.Life != testCursor.Life || at.Revision != testCursor.Revision || !at.At.Equal(testCursor.At) {
			t.Fatalf("%d records: %+v, %v", c.records, at, err)
		}
		if !slices.EqualFunc(entries(got), entries(l), same) {
			t.Errorf("%d records of %d bytes come back otherwise", c.records, c.size)
		}
	}
}

// TestDamage: every bit counts, and every byte that is missing or too many.
func TestDamage(t *testing.T) {
	good := encoded(t, filled(6, 5))
	check := func(what string, b []byte) {
		t.Helper()
		if l, _, err := decode(bytes.NewReader(b), int64(len(b)), "status"); err == nil {
			t.Errorf("%s: read as %v", what, entries(l))
		}
	}
	for i := range good {
		for bit := range 8 {
			b := slices.Clone(good)
			b[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d flipped", bit, i), b)
		}
		check(fmt.Sprintf("cut at %d", i), good[:i])
		check(fmt.Sprintf("byte %d missing", i), slices.Delete(slices.Clone(good), i, i+1))
		check(fmt.Sprintf("a byte too many at %d", i), slices.Insert(slices.Clone(good), i, 0))
	}
	check("a byte too many", append(slices.Clone(good), 0))
	check("twice", append(slices.Clone(good), good...))
}

// resummed gives a changed snapshot a good checksum.
func resummed(b []byte) []byte {
	body := b[:len(b)-sumSize]
	return binary.BigEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, castagnoli))
}

// TestRefusals: what has a good checksum and is still not used.
func TestRefusals(t *testing.T) {
	good := encoded(t, filled(3, 2))
	newer, foreign := slices.Clone(good), slices.Clone(good)
	newer[11]++
	foreign[0]++
	later := messaging.Cursor{Life: "x", Revision: 1}
	var early, double, nameless bytes.Buffer
	record := func(key string, r federation.Revision) *node {
		return &node{Entry: messaging.Entry{Key: key, Revision: r}}
	}
	must(t, encode(&early, "status", later, filled(3, 2).after(0)))
	must(t, encode(&double, "status", testCursor, []*node{record("a", 1), record("a", 2)}))
	must(t, encode(&nameless, "status", testCursor, []*node{record("", 1)}))
	for _, c := range []struct {
		name, bucket string
		data         []byte
		want         error
	}{
		{"newer", "status", resummed(newer), errNewer},
		{"foreign", "status", resummed(foreign), errForeign},
		{"of another bucket", "facts", good, errForeign},
		{"empty", "status", nil, errForeign},
		{"records after the cursor", "status", early.Bytes(), errDamaged},
		{"the same key twice", "status", double.Bytes(), errDamaged},
		{"no key", "status", nameless.Bytes(), errDamaged},
	} {
		if _, _, err := decode(bytes.NewReader(c.data), int64(len(c.data)), c.bucket); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzDecode: nothing crashes or takes more memory than it has bytes, and what is
// read is what would be written.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, filled(0, 0)))
	f.Add(encoded(f, filled(6, 5)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= sumSize {
			b = resummed(b)
		}
		l, at, err := decode(bytes.NewReader(b), int64(len(b)), "status")
		if err != nil {
			return
		}
		var again bytes.Buffer
		must(t, encode(&again, "status", at, l.after(0)))
		back, at2, err := decode(&again, int64(again.Len()), "status")
		if err != nil || at2.Life != at.Life || at2.Revision != at.Revision || !slices.EqualFunc(entries(back), entries(l), same) {
			t.Errorf("read as %v at %v, and then as %v, %v", entries(l), at, at2, err)
		}
	})
}

// TestStreams: a snapshot is written in pieces.
func TestStreams(t *testing.T) {
	var most int
	must(t, encode(writerFunc(func(b []byte) (int, error) { most = max(most, len(b)); return len(b), nil }), "status", testCursor, filled(10_000, 1024).after(0)))
	if most > 1<<20 {
		t.Errorf("%d bytes are written at once", most)
	}
	broken := errors.New("no space")
	if err := encode(writerFunc(func([]byte) (int, error) { return 0, broken }), "status", testCursor, filled(10, 1).after(0)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

var _ io.Writer = writerFunc(nil)
