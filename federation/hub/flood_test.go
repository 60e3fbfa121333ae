package hub_test

import (
	"context"
	"fmt"
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
	floodFor = 2 * time.Second
	floodBy  = 3
)

// flood sends what next returns as fast as the bus takes it.
func (a *agent) flood(ctx context.Context, next func(n int64) (subj string, data []byte)) (sent *atomic.Int64, stop func()) {
	a.w.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	sent = &atomic.Int64{}
	var all []*nats.Conn
	for range floodBy {
		c, err := nats.Dial(nats.DialOptions{URLs: []string{a.w.server.URL()}, CA: a.w.ca, Credentials: a.creds, Name: a.name, Account: a.account})
		must(a.w.t, err)
		all = append(all, c)
	}
	var sending sync.WaitGroup
	for _, c := range all {
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

// slowestAnswer is how long a member may wait that does not flood.
const slowestAnswer = 5 * time.Second

// TestFloods: a member that sends as much as it can is cut off, and takes no other's
// turn: the others stay healthy and are answered, and the hub goes on leading.
func TestFloods(t *testing.T) {
	for _, c := range []struct {
		name string
		next func(a *agent, n int64) (string, []byte)
	}{
		{"beats", func(a *agent, n int64) (string, []byte) {
			return subject.MemberBeat(), federationv1.EncodeBeat(federation.Beat{Member: a.name, Incarnation: a.life, Sequence: uint64(n) + 1_000_000})
		}},
		{"hellos", func(a *agent, n int64) (string, []byte) {
			return subject.MemberUp(subject.UpHello), federationv1.EncodeHello(federation.Hello{Member: a.name, Incarnation: federation.Incarnation(n), ClusterID: a.cluster})
		}},
		{"status", func(a *agent, n int64) (string, []byte) {
			return subject.MemberUp(subject.UpStatus), federationv1.EncodeWorkStatus(federation.WorkStatus{
				Member: a.name, Incarnation: a.life, Sequence: uint64(n), Workload: federation.Key{Namespace: "x", Name: fmt.Sprint(n)},
			})
		}},
		{"events", func(*agent, int64) (string, []byte) {
			return subject.MemberUp(subject.UpEvent), federationv1.EncodeEvent(federation.Event{At: time.Now(), Type: "Landing", Text: "flood"})
		}},
		{"large beats", func(*agent, int64) (string, []byte) { return subject.MemberBeat(), make([]byte, 3<<20) }},
		{"large requests", func(*agent, int64) (string, []byte) { return subject.MemberUp(subject.UpFacts), make([]byte, 3<<20) }},
	} {
		t.Run(c.name, func(t *testing.T) { flooded(t, c.next) })
	}
}

func flooded(t *testing.T, next func(*agent, int64) (string, []byte)) {
	w := newWorld(t)
	h := w.startHub("hub")
	flooder, victim := w.newAgent("frankfurt", "eu-central"), w.newAgent("tokyo", "ap-northeast")
	w.healthy("frankfurt", "tokyo")
	before := w.entries(subject.Health)[subject.MemberKey("tokyo")]
	sent, stop := flooder.flood(t.Context(), func(n int64) (string, []byte) { return next(flooder, n) })
	var slowest time.Duration
	answers := uint64(0)
	for began := time.Now(); time.Since(began) < floodFor; answers++ {
		asked := time.Now()
		victim.say(t.Context(), subject.UpStatus, federationv1.EncodeWorkStatus(federation.WorkStatus{
			Member: victim.name, Incarnation: victim.life, Sequence: 1000 + answers, Workload: web,
		}))
		slowest = max(slowest, time.Since(asked))
	}
	stop()
	t.Logf("%d sent; the other is answered %d times, after %v at most", sent.Load(), answers, slowest)
	if slowest > slowestAnswer {
		t.Errorf("the other waits %v for an answer", slowest)
	}
	if after := w.entries(subject.Health)[subject.MemberKey("tokyo")]; string(after.Value) != string(before.Value) {
		t.Errorf("the other's health was %q and is %q", before.Value, after.Value)
	}
	if counts := h.count(t); counts["hansa_hub_term"] != 1 || counts["hansa_hub_leading"] != 1 {
		t.Errorf("the hub leads %v, in term %v", counts["hansa_hub_leading"], counts["hansa_hub_term"])
	}
	dial := func() error {
		c, err := nats.Dial(nats.DialOptions{URLs: []string{w.server.URL()}, CA: w.ca, Credentials: flooder.creds, Name: "again", Account: flooder.account})
		if err == nil {
			c.Close()
		}
		return err
	}
	if dial() == nil {
		t.Error("the flooder is not cut off")
	}
	h.stop() // the next leader lets it in
	w.startHub("next")
	limit := time.After(patience)
	for ticks := time.NewTicker(50 * time.Millisecond); dial() != nil; {
		select {
		case <-ticks.C:
		case <-limit:
			t.Fatal("it is not let in again")
		}
	}
}
