package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mirror"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// benchWorkloads run when a term begins.
const benchWorkloads = 10_000

// BenchmarkTerm measures the time from the moment a hub has the lease until its first
// decision, the assignment of a workload that waits, with 10,000 workloads: when the
// term reads the bus, and when it is fed from a mirror that the standby hub has kept.
func BenchmarkTerm(b *testing.B) {
	w := newWorld(b)
	first := w.startHub("first")
	w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	first.stop()
	w.settle("tokyo")
	for _, c := range []struct {
		name   string
		mirror bool
	}{{"bus", false}, {"mirror", true}} {
		b.Run(c.name, func(b *testing.B) {
			var sum time.Duration
			for b.Loop() {
				w.waits(b)
				sum += w.term(b, c.mirror)
			}
			b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "lease→decision-ms")
		})
	}
}

// settle writes workloads that are assigned and ready, as a hub and an agent would have.
func (w *world) settle(member string) {
	w.t.Helper()
	keys := make([]federation.Key, benchWorkloads)
	var loads, decisions, reports []messaging.Write
	for i := range keys {
		keys[i] = federation.Key{Namespace: "shop", Name: fmt.Sprintf("web-%05d", i)}
		loads = append(loads, messaging.Write{Key: subject.WorkloadKey(keys[i]), Value: federationv1.EncodeWorkload(workload(keys[i], 1))})
	}
	revisions := w.writeAll(subject.Workloads, loads)
	for i, k := range keys {
		decisions = append(decisions, messaging.Write{Key: subject.WorkloadKey(k), Value: federationv1.EncodeAssignment(federation.Assignment{
			Workload: k, WorkloadRevision: revisions[i], Epoch: 1, Reason: "applied",
			Members: []federation.AssignedMember{{Member: member, Replicas: 1, Since: 1}},
		})})
		reports = append(reports, messaging.Write{Key: subject.StatusKey(member, k), Value: federationv1.EncodeWorkStatus(federation.WorkStatus{
			Workload: k, Member: member, Incarnation: 1, Sequence: uint64(i + 1), Epoch: 1, WorkloadRevision: revisions[i],
			State: federation.WorkReady, Replicas: 1, Ready: 1,
		})})
	}
	w.writeAll(subject.Assignments, decisions)
	w.writeAll(subject.Status, reports)
}

func (w *world) writeAll(bucket string, writes []messaging.Write) []federation.Revision {
	w.t.Helper()
	to, err := w.records.Bucket(w.t.Context(), bucket)
	must(w.t, err)
	var all []federation.Revision
	for len(writes) > 0 {
		n := min(500, len(writes))
		revisions, err := to.WriteAll(w.t.Context(), writes[:n])
		must(w.t, err)
		all, writes = append(all, revisions...), writes[n:]
	}
	return all
}

// waits writes a workload that has no assignment yet.
func (w *world) waits(b *testing.B) {
	w.put(workload(federation.Key{Namespace: "shop", Name: fmt.Sprintf("new-%d", time.Now().UnixNano())}, 1), 0)
}

// moments notes when a hub said something first.
type moments struct {
	slog.Handler
	mu    sync.Mutex
	first map[string]time.Time
	told  chan string
}

func (m *moments) Enabled(context.Context, slog.Level) bool { return true }
func (m *moments) WithAttrs([]slog.Attr) slog.Handler       { return m }

func (m *moments) Handle(_ context.Context, r slog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.first[r.Message]; !known {
		m.first[r.Message] = time.Now()
		m.told <- r.Message
	}
	return nil
}

// term runs a hub until its first decision, and returns how long after the lease that was.
func (w *world) term(b *testing.B, mirrored bool) time.Duration {
	conn := w.dial(nats.HubRole)
	bus := hub.Bus(conn)
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	if mirrored {
		records, err := mirror.Open(ctx, conn, mirror.Options{Buckets: hub.Followed()})
		must(b, err)
		running.Go(func() { _ = records.Run(ctx) }) // ends with ctx
		bus = mirroredBus{conn, records}
		for _, name := range hub.Followed() {
			warm(b, bus, name)
		}
	}
	log := &moments{Handler: slog.DiscardHandler, first: map[string]time.Time{}, told: make(chan string, 1000)}
	h, err := hub.New(hub.Options{Bus: bus, Ears: conn, Accounts: w.accounts(), Works: w.records, Sealing: w.sealing(), Name: "second", Log: slog.New(log)})
	must(b, err)
	running.Go(func() {
		if err := h.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	for limit := time.After(patience); ; {
		select {
		case what := <-log.told:
			if what == "assignment" {
				log.mu.Lock()
				defer log.mu.Unlock()
				return log.first["assignment"].Sub(log.first["leading"])
			}
		case <-limit:
			b.Fatal("nothing is decided")
		}
	}
}

// warm waits until a bucket can be followed to its end.
func warm(b *testing.B, bus messaging.Buckets, name string) {
	bucket, err := bus.Bucket(b.Context(), name)
	must(b, err)
	whole := errors.New("whole")
	err = bucket.Follow(b.Context(), "", func(c messaging.Change) error {
		if c.Synced {
			return whole
		}
		return nil
	})
	if !errors.Is(err, whole) {
		b.Fatal(err)
	}
}
