package hub_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// floodFor is how long a flood goes on, and floodBy how many connections it comes from.
const (
	floodFor = 3 * time.Second
	floodBy  = 3
)

// flood sends what next returns as fast as the bus takes it.
func (a *agent) flood(ctx context.Context, next func(n int64) (subj string, data []byte)) (sent *atomic.Int64, stop func()) {
	a.w.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	sent = &atomic.Int64{}
	var sending sync.WaitGroup
	for range floodBy {
		c, err := nats.Dial(nats.DialOptions{URLs: []string{a.w.server.URL()}, CA: a.w.ca, Credentials: a.creds, Name: a.name, Account: a.account})
		must(a.w.t, err)
		sending.Go(func() {
			defer c.Close()
			for ctx.Err() == nil {
				subj, data := next(sent.Add(1))
				_ = c.Publish(subj, data) // the bus may refuse
			}
		})
	}
	return sent, func() {
		cancel()
		sending.Wait()
	}
}

// TestFloods: a member that sends as much as it can takes no other's turn: the others
// stay healthy and are answered.
func TestFloods(t *testing.T) {
	w := newWorld(t)
	h := w.startHub("hub")
	flooder, victim := w.newAgent("frankfurt", "eu-central"), w.newAgent("tokyo", "ap-northeast")
	w.healthy("frankfurt", "tokyo")
	for _, c := range []struct {
		name string
		next func(n int64) (string, []byte)
	}{
		{"beats", func(n int64) (string, []byte) {
			return subject.MemberBeat(), federationv1.EncodeBeat(federation.Beat{Member: flooder.name, Incarnation: flooder.life, Sequence: uint64(n) + 1_000_000})
		}},
		{"hellos", func(n int64) (string, []byte) {
			return subject.MemberUp(subject.UpHello), federationv1.EncodeHello(federation.Hello{Member: flooder.name, Incarnation: flooder.life, ClusterID: flooder.cluster})
		}},
		{"status", func(n int64) (string, []byte) {
			return subject.MemberUp(subject.UpStatus), federationv1.EncodeWorkStatus(federation.WorkStatus{
				Member: flooder.name, Incarnation: flooder.life, Sequence: uint64(n), Workload: federation.Key{Namespace: "x", Name: fmt.Sprint(n)},
			})
		}},
		{"events", func(int64) (string, []byte) {
			return subject.MemberUp(subject.UpEvent), federationv1.EncodeEvent(federation.Event{At: time.Now(), Type: "Landing", Text: "flood"})
		}},
		{"payload", func(int64) (string, []byte) { return subject.MemberBeat(), make([]byte, 3<<20) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			verdicts := h.count(t)
			sent, stop := flooder.flood(t.Context(), c.next)
			var waits []time.Duration
			for began := time.Now(); time.Since(began) < floodFor; {
				asked := time.Now()
				victim.say(t.Context(), subject.UpHello, federationv1.EncodeHello(federation.Hello{
					Member: victim.name, Incarnation: victim.life, ClusterID: victim.cluster, Holdings: victim.holdings(), Synced: true,
				}))
				waits = append(waits, time.Since(asked))
			}
			stop()
			slices.Sort(waits)
			t.Logf("%d sent; the other is answered %d times, after %v at most, %v in the middle; %v", sent.Load(), len(waits), waits[len(waits)-1], waits[len(waits)/2], h.count(t))
			_ = verdicts
		})
	}
}
