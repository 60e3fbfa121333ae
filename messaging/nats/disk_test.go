package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// mounted is a world whose store is on a small disk of its own.
type mounted struct {
	world
	disk string
}

// openOn mounts a tmpfs of so many bytes; only root may.
func openOn(t *testing.T, size int64, o DiskOptions) mounted {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("needs a disk of its own, which only root can mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	m := mounted{world: openAt(t, disk), disk: disk}
	hub := m.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	o.Restored = hub.EnsureBuckets
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.server.KeepDisk(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return m
}

// leave fills the disk until only so many bytes are free.
func (m mounted) leave(t *testing.T, bytes int64) {
	t.Helper()
	var fs syscall.Statfs_t
	must(t, syscall.Statfs(m.disk, &fs))
	f, err := os.OpenFile(filepath.Join(m.disk, "filler"), os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	defer f.Close()
	end, err := f.Seek(0, 2)
	must(t, err)
	size := end + int64(fs.Bavail)*fs.Bsize - bytes
	if size < end {
		must(t, f.Truncate(size))
		return
	}
	block := make([]byte, 1<<20)
	for at := end; at < size; at += int64(len(block)) {
		if _, err := f.WriteAt(block[:min(int64(len(block)), size-at)], at); err != nil {
			if errors.Is(err, syscall.ENOSPC) && bytes == 0 {
				return
			}
			t.Fatal(err)
		}
	}
}

func (m mounted) free(t *testing.T) {
	t.Helper()
	must(t, os.Remove(filepath.Join(m.disk, "filler")))
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-limit:
			t.Fatalf("not in time: %s", what)
		case <-ticker.C:
		}
	}
}

func recordsOf(t *testing.T, c *Conn, name string) messaging.Bucket {
	t.Helper()
	b, err := c.Bucket(t.Context(), name)
	must(t, err)
	return b
}

// TestFloors: with little room nothing new is wanted, in one line; with next to none
// nothing is written but leases; with room again all is as before, and no server was
// started again.
func TestFloors(t *testing.T) {
	m := openOn(t, 48<<20, DiskOptions{MinFree: 16 << 20})
	hub := m.dial(t, HubRole)
	workloads, facts := recordsOf(t, hub, subject.Workloads), recordsOf(t, hub, subject.Facts)
	put := func(b messaging.Bucket) error {
		_, err := b.Put(t.Context(), "a", []byte("x"), messaging.AnyRevision)
		return err
	}
	runs := m.server.server.Load()
	must(t, put(workloads))
	if why := m.server.Full(); why != "" {
		t.Errorf("an empty disk: %s", why)
	}
	m.leave(t, 9<<20)
	until(t, "the first floor", func() bool { return m.server.Full() != "" })
	if why, want := m.server.Full(), " MiB left, below the floor of 16 MiB: make room on "+m.disk; !strings.HasPrefix(why, "the bus's disk has ") || !strings.HasSuffix(why, want) {
		t.Errorf("got %q, want %q in it", why, want)
	}
	must(t, put(workloads)) // a decision would go on

	m.leave(t, 2<<20)
	until(t, "the second floor", func() bool { return !m.server.disk.admits() })
	if err := put(workloads); !errors.Is(err, messaging.ErrNoRoom) || errors.Is(err, messaging.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	_, err := workloads.WriteAll(t.Context(), []messaging.Write{{Key: "a", Expected: messaging.AnyRevision}, {Key: "b", Expected: messaging.AnyRevision}})
	if !errors.Is(err, messaging.ErrNoRoom) {
		t.Errorf("a batch: %v", err)
	}
	must(t, put(facts))
	if _, err := hub.Acquire(t.Context(), "hub", []byte("me"), 5*time.Second, 0); err != nil {
		t.Errorf("a lease: %v", err)
	}

	written := make(chan error, 1)
	go func() { written <- put(workloads) }() // it waits for room
	m.free(t)
	must(t, <-written)
	until(t, "room", func() bool { return m.server.Full() == "" })
	if m.server.server.Load() != runs {
		t.Error("the server was started again")
	}
}

// TestFullDisk: the disk is really full, and the store fails. With room again it writes
// by itself: connections of both kinds are there, followers go on, what was acknowledged
// is there, and what was in memory can be written anew.
func TestFullDisk(t *testing.T) {
	m := openOn(t, 48<<20, DiskOptions{MinFree: -1})
	hub := m.dial(t, HubRole)
	member, account := m.member(t, hub, "tokyo")
	workloads := recordsOf(t, hub, subject.Workloads)
	var seen atomic.Pointer[string]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	followed := make(chan error, 1)
	go func() {
		followed <- workloads.Follow(ctx, "", func(c messaging.Change) error {
			if c.Key != "" {
				seen.Store(&c.Key)
			}
			return nil
		})
	}()
	var acknowledged []string
	write := func() error {
		once, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		key := fmt.Sprintf("k%d", len(acknowledged))
		_, err := workloads.Put(once, key, make([]byte, 10_000), messaging.AnyRevision)
		if err == nil {
			acknowledged = append(acknowledged, key)
		}
		return err
	}
	for range 50 {
		must(t, write())
	}
	until(t, "the store fails", func() bool {
		m.leave(t, 0)
		return write() != nil
	})
	t.Logf("%d writes were acknowledged", len(acknowledged))
	runs := m.server.server.Load()
	m.free(t)
	until(t, "another server", func() bool { now := m.server.server.Load(); return now != nil && now != runs })
	until(t, "the store writes", func() bool { return write() == nil })
	last := acknowledged[len(acknowledged)-1]
	until(t, "the follower goes on", func() bool { key := seen.Load(); return key != nil && *key == last })
	for _, key := range acknowledged {
		if _, err := workloads.Get(t.Context(), key); err != nil {
			t.Errorf("%s was acknowledged: %v", key, err)
		}
	}
	until(t, "memory", func() bool {
		_, err := recordsOf(t, hub, subject.Facts).Put(t.Context(), "tokyo", []byte("x"), messaging.AnyRevision)
		return err == nil
	})
	heard := make(chan messaging.Message, 1000)
	_, err := hub.Subscribe(t.Context(), subject.Beat("*"), func(b messaging.Message) { heard <- b })
	must(t, err)
	until(t, "the member is heard", func() bool {
		_ = member.Publish(subject.MemberBeat(), []byte("beat"))
		select {
		case b := <-heard:
			return b.Subject == subject.Beat(account)
		default:
			return false
		}
	})
	cancel()
	if err := <-followed; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
