package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func opened(t testing.TB, path string) (*Store, Contents) {
	t.Helper()
	s, c, err := Open(path, "account")
	must(t, err)
	return s, c
}

// some makes so many works of so many bytes.
func some(n, size int, r federation.Revision) []Work {
	out := make([]Work, n)
	for i := range out {
		out[i] = Work{Key: fmt.Sprintf("shop.web-%04d", i), Revision: r, Value: bytes.Repeat([]byte{byte(i)}, size)}
	}
	return out
}

// TestThereAndBack: what was written is read, in order, and only by the owner.
func TestThereAndBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "works.db")
	s, c := opened(t, path)
	if c.Lost != nil || len(c.Works) != 0 || c.Whole || c.UpTo != 0 {
		t.Fatalf("a new store has %+v", c)
	}
	first, second := some(3, 10, 1), some(3, 20, 700)
	must(t, s.Write(Batch{Add: first, UpTo: 3, Whole: true}))
	must(t, s.Write(Batch{Add: append(second, first[1]), Drop: []Work{{Key: first[0].Key, Revision: 1}, {Key: "none", Revision: 9}}, UpTo: 702, Whole: true}))
	if _, _, err := Open(path, "account"); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("two have it open: %v", err)
	}
	must(t, s.Close())
	s, c = opened(t, path)
	want := []Work{second[0], first[1], second[1], first[2], second[2]}
	if !reflect.DeepEqual(c, Contents{Works: want, UpTo: 702, Whole: true}) {
		t.Errorf("read %+v", c)
	}
	must(t, s.Close())
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// TestOtherOwner: the orders of another account are moved aside.
func TestOtherOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "works.db")
	s, _ := opened(t, path)
	must(t, s.Write(Batch{Add: some(3, 10, 1), UpTo: 3, Whole: true}))
	must(t, s.Close())
	s, c, err := Open(path, "other")
	must(t, err)
	if c.Lost == nil || !strings.Contains(c.Lost.Error(), `belongs to account "account", not to "other"`) || c.Whole || len(c.Works) > 0 {
		t.Errorf("read %+v", c)
	}
	must(t, s.Close())
	if _, err := os.Stat(path + Aside); err != nil {
		t.Error(err)
	}
}

// TestDamage: a file that somebody or something changed, or cut off, is read as it was
// written, or moved aside, at the latest by the first write. Where only the newest head
// is damaged the one before it counts: it is whole too, and UpTo tells that it is older.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "works.db")
	s, _ := opened(t, path)
	must(t, s.Write(Batch{Add: some(60, 300, 1), UpTo: 60, Whole: true})) // a tree of two levels
	must(t, s.Write(Batch{Add: some(20, 300, 2), Drop: some(20, 0, 1), UpTo: 62, Whole: true}))
	must(t, s.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	s, want := opened(t, path)
	must(t, s.Close())
	before := Contents{Works: some(60, 300, 1), UpTo: 60, Whole: true}
	lost := 0
	look := func(what string, data []byte) {
		t.Helper()
		must(t, os.WriteFile(path, data, 0o600))
		s, c := opened(t, path)
		switch {
		case c.Lost != nil:
			lost++
		case !reflect.DeepEqual(c, want) && !reflect.DeepEqual(c, before):
			t.Errorf("%s: other works are read, and nobody is told", what)
		}
		if err := s.Write(Batch{Add: some(5, 100, 9), UpTo: 70}); err == nil {
			must(t, s.Close())
		} else if _, found := os.Stat(path); !errors.Is(err, ErrDamaged) || !errors.Is(found, os.ErrNotExist) {
			t.Errorf("%s: %v, and the file: %v", what, err, found)
		}
	}
	for at := 0; at < len(whole); at += 61 {
		changed := bytes.Clone(whole)
		changed[at] ^= 1 << (at % 8)
		look(fmt.Sprintf("bit %d of byte %d", at%8, at), changed)
	}
	for _, n := range []int{1, 100, 4096, 8192, 20000, len(whole) / 2, len(whole) - 1} {
		look(fmt.Sprintf("cut off after %d bytes", n), whole[:n])
	}
	if lost == 0 {
		t.Error("no damage was seen")
	}
}

// BenchmarkWrite stores the orders of a mass failover: batches of 256 works of 4 KiB,
// each replacing the last version of its work.
func BenchmarkWrite(b *testing.B) {
	const batch, size, works = 256, 4096, 4096
	s, _ := opened(b, filepath.Join(b.TempDir(), "works.db"))
	defer func() { must(b, s.Close()) }()
	all := some(works, size, 0)
	b.SetBytes(batch * size)
	b.ResetTimer()
	n := 0
	for b.Loop() {
		from := n * batch % works
		add := all[from : from+batch]
		drop := append([]Work(nil), add...)
		round := federation.Revision(n/(works/batch) + 1)
		for i := range add {
			add[i].Revision, drop[i].Revision = round, round-1
		}
		must(b, s.Write(Batch{Add: add, Drop: drop, UpTo: round, Whole: true}))
		n++
	}
	b.ReportMetric(float64(n*batch)/b.Elapsed().Seconds(), "works/s")
}

// BenchmarkOpen reads 4,096 works of 4 KiB.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "works.db")
	s, _ := opened(b, path)
	must(b, s.Write(Batch{Add: some(4096, 4096, 1), UpTo: 4096, Whole: true}))
	must(b, s.Close())
	for b.Loop() {
		s, c := opened(b, path)
		if len(c.Works) != 4096 {
			b.Fatal(len(c.Works))
		}
		must(b, s.Close())
	}
}
