package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestFullDisk: the disk under the bus is full until the store has failed and the hub
// has lost its leadership. With room again the hub leads, decides and knows what runs,
// and no agent was told to remove anything.
func TestFullDisk(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	must(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=50331648,mode=0700"); err != nil {
		t.Skipf("needs a disk of its own, which only root can mount: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	w := newWorldAt(t, disk)
	ctx, cancel := context.WithCancel(context.Background())
	kept := make(chan error, 1)
	go func() {
		kept <- w.server.KeepDisk(ctx, nats.DiskOptions{MinFree: 16 << 20, Restored: w.records.EnsureBuckets, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-kept; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	w.put(workload(web, 4), 0)
	first := w.stands(web, 4)

	fill := func() {
		f, err := os.OpenFile(filepath.Join(disk, "filler"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		must(t, err)
		defer f.Close()
		for _, block := range [][]byte{make([]byte, 1<<20), make([]byte, 1<<12)} {
			for err = nil; err == nil; {
				_, err = f.Write(block)
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	term := w.watch("").Term
	limit := time.After(patience)
	for led := true; led; { // no hub answers any more
		fill()
		once, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, _ = w.records.Acquire(once, "filler", make([]byte, 1000), time.Minute, messaging.AnyRevision) // until not even a lease can be written
		stop()
		led = w.watch("").Term != 0
		select {
		case <-limit:
			t.Fatal("the hub leads, although it can write no lease")
		case <-time.After(100 * time.Millisecond):
		}
	}
	must(t, os.Remove(filepath.Join(disk, "filler")))

	w.putSoon(workload(cart, 2))
	w.stands(cart, 2)
	again := await(w, assignments, subject.WorkloadKey(web), func(federation.Assignment) bool { return true })
	w.ready(again)
	if again.Epoch != first.Epoch {
		t.Errorf("web has epoch %d, and had %d", again.Epoch, first.Epoch)
	}
	if now := w.watch("").Term; now <= term {
		t.Errorf("term %d, then term %d", term, now)
	}
	for _, order := range tokyo.history() {
		if order.Removed {
			t.Errorf("tokyo was told to remove %s", order.Workload)
		}
	}
}

// putSoon writes desired state as soon as the bus takes it.
func (w *world) putSoon(load federation.Workload) {
	w.t.Helper()
	limit := time.After(patience)
	b, err := w.asks.Bucket(w.t.Context(), subject.Workloads)
	must(w.t, err)
	for {
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		_, err := b.Put(ctx, subject.WorkloadKey(load.Key), federationv1.EncodeWorkload(load), messaging.AnyRevision)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-limit:
			w.t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
