package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

const benchRecords = 100_000

// fill writes records of 1 KiB.
func fill(b *testing.B, conn *nats.Conn) {
	b.Helper()
	bucket := bucketOf(b, conn, subject.Workloads)
	for i := 0; i < benchRecords; {
		var writes []messaging.Write
		for ; i < benchRecords && len(writes) < 1000; i++ {
			writes = append(writes, messaging.Write{Key: fmt.Sprintf("shop.web-%06d", i), Value: make([]byte, 1024), Expected: messaging.AnyRevision})
		}
		_, err := bucket.WriteAll(b.Context(), writes)
		must(b, err)
	}
}

// BenchmarkStart measures how long a reader of 100,000 records of 1 KiB takes from
// the start of its process until it is synced: without a mirror, with a mirror that
// has no snapshot, and with one that has; and how many bytes of memory such a mirror
// keeps.
func BenchmarkStart(b *testing.B) {
	conn := realBus(b)
	fill(b, conn)
	dir := b.TempDir()
	warm, stop := run(b, conn, Options{Buckets: []string{subject.Workloads}, Dir: dir})
	read(b, warm.mirrors[subject.Workloads])
	began := time.Now()
	stop()
	b.Logf("writing the snapshot took %v", time.Since(began))
	b.Run("bus", func(b *testing.B) {
		for b.Loop() {
			read(b, bucketOf(b, conn, subject.Workloads))
		}
	})
	for _, c := range []struct{ name, dir string }{{"mirror without snapshot", ""}, {"mirror with snapshot", dir}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				set, stop := run(b, conn, Options{Buckets: []string{subject.Workloads}, Dir: c.dir})
				read(b, set.mirrors[subject.Workloads])
				b.StopTimer()
				stop()
				b.StartTimer()
			}
		})
	}
	for _, c := range []struct{ name, dir string }{{"memory, read from the bus", ""}, {"memory, read from the snapshot", dir}} {
		b.Run(c.name, func(b *testing.B) {
			before := heap()
			set, stop := run(b, conn, Options{Buckets: []string{subject.Workloads}, Dir: c.dir})
			defer stop()
			m := set.mirrors[subject.Workloads]
			read(b, m)
			for b.Loop() {
				read(b, m) // a further reader
			}
			b.ReportMetric(float64(heap()-before)/benchRecords, "bytes/record")
			b.ReportMetric(float64(m.records.size)/benchRecords, "payload-bytes/record")
			runtime.KeepAlive(set)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// read follows until all has been read.
func read(b *testing.B, f messaging.Follower) {
	b.Helper()
	count := 0
	err := f.Follow(b.Context(), "", func(c messaging.Change) error {
		if c.Synced {
			return errRead
		}
		count++
		return nil
	})
	if !errors.Is(err, errRead) || count != benchRecords {
		b.Fatalf("%d records, %v", count, err)
	}
}

// BenchmarkFollow measures the time from a write until a reader has it, turn by turn
// straight from the bus and through a mirror.
func BenchmarkFollow(b *testing.B) {
	conn := realBus(b)
	m := newMirror(subject.Status, bucketOf(b, conn, subject.Status).(messaging.Resumer), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() { ended <- m.follow(ctx) }()
	follow := func(f messaging.Follower) chan time.Time {
		heard := make(chan time.Time, 1)
		go func() {
			ended <- f.Follow(ctx, "", func(messaging.Change) error { heard <- time.Now(); return nil })
		}()
		<-heard // it is synced
		return heard
	}
	straight, through := follow(bucketOf(b, conn, subject.Facts)), follow(m)
	value := make([]byte, 1024)
	measure := func(name string, heard chan time.Time) time.Duration {
		began := time.Now()
		_, err := bucketOf(b, conn, name).Put(ctx, "a", value, messaging.AnyRevision)
		must(b, err)
		return (<-heard).Sub(began)
	}
	var bus, mirrored []time.Duration
	for b.Loop() {
		bus = append(bus, measure(subject.Facts, straight))
		mirrored = append(mirrored, measure(subject.Status, through))
	}
	cancel()
	for range cap(ended) {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	}
	slices.Sort(bus)
	slices.Sort(mirrored)
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		i := int(share * float64(len(bus)-1))
		b.ReportMetric(float64(bus[i].Microseconds()), name+"-bus-µs")
		b.ReportMetric(float64(mirrored[i].Microseconds()), name+"-mirror-µs")
		b.ReportMetric(float64(mirrored[i])/float64(bus[i]), name+"-ratio")
	}
}
