package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// TestTrace: what is decided about a workload, what its members get and what is told of
// it carry the trace of the write that asked for it; the next write has its own.
func TestTrace(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	workloads, err := w.asks.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	key := subject.WorkloadKey(web)
	revision := federation.Revision(0)
	put := func(replicas int64) string {
		ctx, _ := trace.Start(t.Context(), "apply")
		load := workload(web, replicas)
		load.AppliedAt = time.Now()
		revision, err = workloads.Put(ctx, key, federationv1.EncodeWorkload(load), revision)
		must(t, err)
		return trace.ID(ctx)
	}
	for n := range 2 {
		id, wanted := put(int64(n+2)), revision
		await(w, assignments, key, func(a federation.Assignment) bool { return a.WorkloadRevision == wanted })
		if got := trace.IDOf(w.entries(subject.Assignments)[key].Trace); got != id {
			t.Errorf("write %d: the assignment has the trace %q, want %s", n, got, id)
		}
		tokyo.got(n + 1)
		if _, order := tokyo.message(web); trace.IDOf(order.Trace) != id {
			t.Errorf("write %d: the order has the trace %q, want %s", n, order.Trace, id)
		}
		w.toldOf(id)
	}
	ctx, _ := trace.Start(t.Context(), "delete")
	synced, removal := make(chan struct{}), make(chan string, 1)
	go tokyo.followRemoval(synced, removal)
	<-synced
	must(t, workloads.Delete(ctx, key, messaging.AnyRevision))
	if got := <-removal; got != trace.ID(ctx) {
		t.Errorf("the removal has the trace %q, want %s", got, trace.ID(ctx))
	}
}

// followRemoval tells the trace of the order to remove a work.
func (a *agent) followRemoval(synced chan<- struct{}, removal chan<- string) {
	b, err := a.w.records.WorkBucket(a.w.t.Context(), a.account)
	if err != nil {
		a.w.t.Error(err)
		return
	}
	_ = b.Follow(a.w.t.Context(), "", func(c messaging.Change) error {
		if c.Synced {
			close(synced)
			return nil
		}
		if work, err := federationv1.DecodeWork(c.Value); err == nil && work.Removed {
			removal <- trace.IDOf(c.Trace)
			return context.Canceled
		}
		return nil
	})
}

// toldOf waits for an event about the workload that names the trace.
func (w *world) toldOf(id string) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		for _, e := range w.entries(subject.Events) {
			if event, err := federationv1.DecodeEvent(e.Value); err == nil && event.Trace == id && event.About == "workload/"+web.String() {
				return
			}
		}
		select {
		case <-deadline:
			w.t.Fatalf("no event names the trace %s", id)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestHeads: the hub tells gateways the last revision of every bucket that it reads or
// writes, and members nothing of it.
func TestHeads(t *testing.T) {
	w := newWorld(t)
	beats, own := make(chan federation.HubBeat, 1024), make(chan federation.HubBeat, 1024)
	hear := func(c *nats.Conn, subj string, into chan<- federation.HubBeat) {
		_, err := c.Subscribe(t.Context(), subj, func(m messaging.Message) {
			beat, err := federationv1.DecodeHubBeat(m.Data)
			if err != nil {
				t.Error(err)
			}
			select {
			case into <- beat:
			default:
			}
		})
		must(t, err)
	}
	hear(w.asks, subject.HubBeat(), beats)
	hear(w.records, subject.DownBeat("*"), own)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	load := workload(web, 2)
	load.Revision = w.put(load, 0)
	tokyo.got(1)
	head := func(bucket string) federation.Revision {
		last := federation.Revision(0)
		for _, e := range w.entries(bucket) {
			last = max(last, e.Revision)
		}
		return last
	}
	limit := time.After(patience)
	for settled := false; !settled; {
		select {
		case beat := <-beats:
			settled = true
			for _, bucket := range []string{subject.Workloads, subject.Members, subject.Assignments, subject.Health, subject.Facts, subject.Status, subject.Events} {
				settled = settled && beat.Heads[bucket] == head(bucket) && beat.Heads[bucket] > 0
			}
			for bucket := range beat.Heads {
				if bucket == subject.WorkBucket(tokyo.account) {
					t.Error("a gateway is told of works")
				}
			}
		case <-limit:
			t.Fatal("the hub does not tell all that it has")
		}
	}
	if beat := <-own; len(beat.Heads) > 0 {
		t.Errorf("a member is told %v", beat.Heads)
	}
}
