package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var header = Header{At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Version: "v1.2.3", Term: 7}

func sample() []Record {
	return []Record{
		{Bucket: "workloads", Key: "shop.web", Revision: 12, Value: []byte("one")},
		{Bucket: "workloads", Key: "shop.cart", Revision: 1 << 60, Value: bytes.Repeat([]byte("long "), 100_000)},
		{Bucket: "members", Key: "tokyo", Revision: 3, Value: []byte{}},
		{Bucket: Keys, Key: "members/tokyo.nk", Value: []byte("secret")},
	}
}

func write(t testing.TB, records []Record) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, header)
	must(t, err)
	for _, r := range records {
		must(t, w.Record(r))
	}
	must(t, w.Close())
	return out.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// readAll returns what a backup has, and the error that ended the reading, nil at its end.
func readAll(b []byte) (Header, []Record, error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return Header{}, nil, err
	}
	defer r.Close()
	var out []Record
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header(), out, nil
		}
		if err != nil {
			return r.Header(), out, err
		}
		out = append(out, record)
	}
}

func TestThereAndBack(t *testing.T) {
	b := write(t, sample())
	h, records, err := readAll(b)
	must(t, err)
	if h != header || !reflect.DeepEqual(records, sample()) {
		t.Errorf("got %+v with %d records", h, len(records))
	}
	s, err := Verify(bytes.NewReader(b))
	must(t, err)
	sum := sha256.Sum256(b)
	want := Summary{Header: header, Counts: map[string]int64{"workloads": 2, "members": 1, Keys: 1}, Digest: hex.EncodeToString(sum[:]), Size: int64(len(b))}
	if !reflect.DeepEqual(s, want) || s.Records() != 4 || strings.Join(s.Buckets(), " ") != "keys members workloads" {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if _, records, err := readAll(write(t, nil)); err != nil || len(records) != 0 {
		t.Errorf("an empty backup: %v, %v", records, err)
	}
}

// TestDamage: no file that differs from a backup in one byte, or is shorter or longer,
// is taken for one.
func TestDamage(t *testing.T) {
	b := write(t, sample())
	for cut := range b {
		if _, _, err := readAll(b[:cut]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken for a backup", cut, len(b))
		}
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 0x20
		h, records, err := readAll(changed)
		if err == nil && (h != header || !reflect.DeepEqual(records, sample())) {
			t.Fatalf("byte %d changed, and it reads %+v", i, h)
		}
	}
	for name, more := range map[string][]byte{"a byte": {0}, "another backup": b, "another frame": b[len(magic)+2:]} {
		if _, _, err := readAll(append(bytes.Clone(b), more...)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s at the end: %v", name, err)
		}
	}
}

// raw makes a file of any content.
func raw(content []byte) []byte {
	begin := binary.BigEndian.AppendUint16([]byte(magic), version)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err) // constant options
	}
	return append(begin, z.EncodeAll(content, nil)...)
}

func part(kind byte, text string) []byte { return appendBytes([]byte{kind}, []byte(text)) }

func TestRefused(t *testing.T) {
	head := part(kindHeader, `{"at":"2026-03-01T12:00:00Z","version":"v1","term":1}`)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "it does not begin like one"},
		{"other file", []byte("apiVersion: v1\nkind: List\n"), "it does not begin like one"},
		{"newer", append([]byte(magic), 0, 9), "a backup of format 9: this hansa reads format 1"},
		{"no header", raw(part(kindEnd, "{}")), "it has no header"},
		{"unknown field", raw(part(kindHeader, `{"bucket":1}`)), `unknown field "bucket"`},
		{"unknown part", raw(append(bytes.Clone(head), 9)), "a part of kind 9"},
		{"counts", raw(append(bytes.Clone(head), part(kindEnd, `{"workloads":1}`)...)), "it says that it has map[workloads:1] records, and has map[]"},
		{"sum", raw(append(append(bytes.Clone(head), part(kindEnd, `{}`)...), make([]byte, 32)...)), "its checksum does not agree"},
		{"huge", raw(append(bytes.Clone(head), kindRecord, 0xff, 0xff, 0xff, 0xff, 0xff, 1)), "a part of 68719476735 bytes, at most 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := readAll(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	w, err := NewWriter(io.Discard, header)
	must(t, err)
	if err := w.Record(Record{Bucket: "workloads", Key: "a", Value: make([]byte, maxValue+1)}); err == nil {
		t.Error("a record is written that nobody reads")
	}
}

// TestStreams: a backup of many megabytes passes through both ends while either holds
// one record.
func TestStreams(t *testing.T) {
	const records = 64
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	in, out := io.Pipe()
	go func() {
		w, err := NewWriter(out, header)
		for i := 0; i < records && err == nil; i++ {
			err = w.Record(Record{Bucket: "workloads", Key: fmt.Sprint(i), Value: value})
		}
		if err == nil {
			err = w.Close()
		}
		out.CloseWithError(err)
	}()
	s, err := Verify(in)
	must(t, err)
	if s.Records() != records || s.Size > 1<<20 {
		t.Errorf("got %d records in %d bytes", s.Records(), s.Size)
	}
}

// FuzzReader: whatever the bytes, reading them ends, without a panic; and what is
// taken for a backup can be written again as the same one.
func FuzzReader(f *testing.F) {
	f.Add(write(f, sample()))
	f.Add(raw(part(kindHeader, `{"term":1}`)))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, records, err := readAll(b)
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, h)
		must(t, err)
		for _, r := range records {
			must(t, w.Record(r))
		}
		must(t, w.Close())
		again, more, err := readAll(out.Bytes())
		if err != nil || again.Term != h.Term || !reflect.DeepEqual(more, records) {
			t.Fatalf("it does not come back: %v", err)
		}
	})
}

// FuzzContent is FuzzReader behind the compression, where it gets further.
func FuzzContent(f *testing.F) {
	f.Add(part(kindHeader, `{"term":1}`))
	f.Add(append(part(kindHeader, `{}`), part(kindEnd, `{}`)...))
	f.Fuzz(func(t *testing.T, content []byte) {
		_, records, err := readAll(raw(content))
		if err == nil && len(records) > len(content) {
			t.Fatalf("%d records of %d bytes", len(records), len(content))
		}
	})
}
