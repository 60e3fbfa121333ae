package mirror

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// realBus is a server in the process, and a connection with the rights of the hub.
func realBus(t testing.TB) *nats.Conn {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	must(t, os.WriteFile(crt, pair.Certificate, 0o600))
	must(t, os.WriteFile(key, pair.Key, 0o600))
	server, err := nats.StartServer(nats.ServerOptions{Dir: filepath.Join(dir, "bus"), Listen: "127.0.0.1:0", CertFile: crt, KeyFile: key})
	must(t, err)
	t.Cleanup(server.Shutdown)
	conn, err := server.Dial(nats.HubRole)
	must(t, err)
	t.Cleanup(conn.Close)
	must(t, conn.EnsureBuckets(t.Context()))
	return conn
}

// counted counts what a mirror reads from the bus.
type counted struct {
	messaging.Buckets
	changes *atomic.Int64
}

func (c counted) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	b, err := c.Buckets.Bucket(ctx, name)
	return countedBucket{b, b.(messaging.Resumer), c.changes}, err
}

type countedBucket struct {
	messaging.Bucket
	messaging.Resumer
	changes *atomic.Int64
}

func (c countedBucket) FollowFrom(ctx context.Context, from messaging.Cursor, handle func(messaging.Change, messaging.Extent) error) error {
	return c.Resumer.FollowFrom(ctx, from, func(change messaging.Change, at messaging.Extent) error {
		if !change.Synced && !change.Reset {
			c.changes.Add(1)
		}
		return handle(change, at)
	})
}

// lives runs one mirror after another over the same bus and directory.
type lives struct {
	t    *testing.T
	conn *nats.Conn
	dir  string
	log  *lines
}

func (l lives) path() string { return snapshotPath(l.dir, subject.Workloads) }

// next begins a life, compares what its readers get with what the bus has, and
// returns how many changes it read from the bus.
func (l lives) next(meanwhile func(messaging.Bucket)) int64 {
	l.t.Helper()
	read := &atomic.Int64{}
	set, stop := run(l.t, counted{l.conn, read}, Options{Buckets: []string{subject.Workloads}, Dir: l.dir, Every: 5 * time.Millisecond, Log: l.log.logger()})
	defer stop()
	b := bucketOf(l.t, set.Over(l.conn), subject.Workloads)
	got, want := snapshotOf(l.t, b), snapshotOf(l.t, bucketOf(l.t, l.conn, subject.Workloads))
	if !maps.Equal(got, want) {
		l.t.Errorf("the mirror has\n%v\nand the bus\n%v", got, want)
	}
	before := read.Load()
	if meanwhile != nil {
		meanwhile(b)
	}
	return before
}

// TestRestart: a reader that ends, or is killed, reads what changed since its last
// snapshot.
func TestRestart(t *testing.T) {
	l := lives{t, realBus(t), t.TempDir(), &lines{}}
	b := bucketOf(t, l.conn, subject.Workloads)
	put := func(from, to int) {
		for i := from; i < to; i++ {
			_, err := b.Put(t.Context(), fmt.Sprintf("shop.web-%d", i), fmt.Append(nil, "v", i), messaging.AnyRevision)
			must(t, err)
		}
	}
	put(0, 100)
	if n := l.next(nil); n != 100 {
		t.Errorf("the first life read %d changes", n)
	}
	put(95, 105)
	must(t, b.Delete(t.Context(), "shop.web-7", messaging.AnyRevision))
	if n := l.next(nil); n != 11 {
		t.Errorf("after 10 writes and a deletion it read %d changes", n)
	}
	if n := l.next(nil); n != 0 {
		t.Errorf("after nothing it read %d changes", n)
	}

	file, err := os.ReadFile(l.path())
	must(t, err)
	l.next(func(messaging.Bucket) { put(50, 60) })
	must(t, os.WriteFile(l.path(), file, 0o600)) // it was killed before it could write
	if n := l.next(nil); n != 10 {
		t.Errorf("after it was killed it read %d changes", n)
	}
	if info, err := os.Stat(l.path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %v, %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(l.dir); err != nil || len(left) != 1 {
		t.Errorf("the directory has %v, %v", left, err)
	}
}

// TestDamagedFile: it is ignored, everything is read, and the next one is good.
func TestDamagedFile(t *testing.T) {
	l := lives{t, realBus(t), t.TempDir(), &lines{}}
	b := bucketOf(t, l.conn, subject.Workloads)
	for i := range 50 {
		_, err := b.Put(t.Context(), fmt.Sprintf("shop.web-%d", i), make([]byte, 100), 0)
		must(t, err)
	}
	l.next(nil)
	good, err := os.ReadFile(l.path())
	must(t, err)
	for i, c := range []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"other", func([]byte) []byte { return []byte("something else that is long enough") }},
		{"format", func(b []byte) []byte { b[10] = 9; return b }},
		{"header", func(b []byte) []byte { b[15] ^= 4; return b }},
		{"record", func(b []byte) []byte { b[len(b)/2] ^= 64; return b }},
		{"checksum", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		{"truncated", func(b []byte) []byte { return b[:len(b)*2/3] }},
		{"too long", func(b []byte) []byte { return append(b, 0) }},
	} {
		must(t, os.WriteFile(l.path(), c.damage(append([]byte(nil), good...)), 0o600))
		if n := l.next(nil); n != 50 || l.log.count("a snapshot is not used") != i+1 {
			t.Errorf("%s: %d changes were read, and logged was\n%s", c.name, n, &l.log.b)
		}
		if n := l.next(nil); n != 0 {
			t.Errorf("%s: after it %d changes were read", c.name, n)
		}
	}
	must(t, os.Remove(l.path()))
	must(t, os.Mkdir(l.path(), 0o700))
	if n := l.next(nil); n != 50 {
		t.Errorf("a directory in its place: %d changes were read", n)
	}
}

// TestCrashWhileWriting: a file that was not complete is not used, and not in the way.
func TestCrashWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	write := func(text string, err error) error {
		return writeFile(path, func(f *os.File) error {
			_, writeErr := io.WriteString(f, text)
			must(t, writeErr)
			return err
		})
	}
	must(t, os.WriteFile(path+".new", []byte("a longer one of an earlier life"), 0o600))
	must(t, write("one", nil))
	if err := write("two", os.ErrDeadlineExceeded); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "one" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("the temporary file is still there")
	}
}
