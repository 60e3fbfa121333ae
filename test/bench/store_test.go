package bench

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// store returns when the store has let go of the lease that the lost hub held, and when it
// had, beside that, a leader for every bucket that a hub reads.
func (f *trio) store(ctx context.Context, conn *nats.Conn) (free, ready time.Time) {
	names := hub.Followed()
	elected := make([]time.Time, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { elected[i] = f.elected(ctx, conn, name) })
	}
	free = f.leaseFree(ctx, conn)
	asking.Wait()
	return free, slices.MaxFunc(append(elected, free), time.Time.Compare)
}

// A question is asked every askEvery, and given up after askFor, since a stream without a
// leader loses it.
const (
	askEvery = 40 * time.Millisecond
	askFor   = 140 * time.Millisecond
)

// elected returns when the leader of a bucket answers first.
func (f *trio) elected(ctx context.Context, conn *nats.Conn, name string) time.Time {
	bucket, err := conn.Bucket(ctx, name)
	if err != nil {
		f.b.Error(err)
		return time.Time{}
	}
	return f.answers(ctx, func(ctx context.Context) bool {
		_, err := bucket.(messaging.Resumer).Extent(ctx)
		return err == nil
	})
}

// leaseFree returns when the store has let go of the lease that the lost hub held.
func (f *trio) leaseFree(ctx context.Context, conn *nats.Conn) time.Time {
	leases, err := conn.Bucket(ctx, subject.Leases)
	if err != nil {
		f.b.Fatal(err)
	}
	var held atomic.Uint64
	return f.answers(ctx, func(ctx context.Context) bool {
		entry, err := leases.Get(ctx, "hub")
		if errors.Is(err, messaging.ErrNotFound) {
			return true
		}
		return err == nil && !held.CompareAndSwap(0, uint64(entry.Revision)) && held.Load() != uint64(entry.Revision)
	})
}

// answers asks until the answer is yes, and returns when that came.
func (f *trio) answers(ctx context.Context, ask func(context.Context) bool) time.Time {
	yes := make(chan time.Time)
	ticks := time.NewTicker(askEvery)
	defer ticks.Stop()
	for asking, stop := context.WithCancel(ctx); ; {
		go func() {
			one, cancel := context.WithTimeout(asking, askFor)
			defer cancel()
			if !ask(one) {
				return
			}
			select {
			case yes <- time.Now():
			case <-asking.Done():
			}
		}()
		select {
		case at := <-yes:
			stop()
			return at
		case <-ctx.Done():
			stop()
			f.b.Error("the store does not come back")
			return time.Time{}
		case <-ticks.C:
		}
	}
}

// written returns when the record that the member is lost is in the store.
func (f *trio) written(ctx context.Context, conn *nats.Conn, member string) time.Time {
	health, err := conn.Bucket(ctx, subject.Health)
	if err != nil {
		f.b.Fatal(err)
	}
	return f.answers(ctx, func(ctx context.Context) bool {
		entry, err := health.Get(ctx, subject.MemberKey(member))
		if err != nil {
			return false
		}
		r, err := federationv1.DecodeHealthRecord(entry.Value)
		return err == nil && r.Health == federation.Unreachable
	})
}

// samples are what was measured, and with HANSA_BENCH_SAMPLES what its file had before;
// the file then has all.
func (f *trio) samples() map[string][]float64 {
	file := os.Getenv("HANSA_BENCH_SAMPLES")
	if file == "" {
		return f.found
	}
	all := map[string][]float64{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.b.Fatal(err)
	}
	for name, values := range f.found {
		all[name] = append(all[name], values...)
	}
	text, err = json.Marshal(all)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		f.b.Fatal(err)
	}
	return all
}
