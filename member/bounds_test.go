package member

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// size is how many reports a reporter holds, and how many of them wait.
func (r *reporter) size() (held, waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.latest), len(r.waiting)
}

// TestSilentHub: while no hub answers for a week, the states of works flap, and exports
// come and go under ever new names, what waits to be told is the last state of what is
// there. When the hub answers, each is told once.
func TestSilentHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const works, week = 50, 7 * 24 * time.Hour
		ctx, stop := context.WithCancel(t.Context())
		bus, silent := inproc.New(), true
		bus.Fail = func(string, string) error {
			if silent {
				return messaging.ErrTimeout
			}
			return nil
		}
		var mu sync.Mutex
		heard := map[string]int{}
		go func() {
			_ = bus.Respond(ctx, subject.MemberUp(">"), func(_ context.Context, m messaging.Message) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				heard[string(m.Data)]++
				return nil, nil
			}) // ends with ctx
		}()
		r := newReporter(bus, slog.New(slog.DiscardHandler))
		ended := make(chan error)
		go func() { ended <- r.run(ctx) }()
		put := func(about topic, text string) {
			about.method = subject.UpStatus
			r.put(about, func(uint64) []byte { return []byte(text) })
		}
		put(topic{key: "export old", heard: true}, "old")
		put(topic{key: "export old", last: true}, "old is gone") // an earlier life told of it
		flaps := time.NewTicker(10 * time.Second)
		defer flaps.Stop()
		most := 0
		for n := 0; n < int(week/(10*time.Second)); n++ {
			<-flaps.C
			put(topic{key: fmt.Sprint("status ", n%works)}, fmt.Sprint(n%works, " in state ", n))
			put(topic{key: fmt.Sprint("export ", n)}, "fresh")
			put(topic{key: fmt.Sprint("export ", n), last: true}, "gone")
			held, waiting := r.size()
			most = max(most, held, waiting)
		}
		if most > works+mostSending+1 {
			t.Errorf("up to %d reports for %d works", most, works)
		}
		silent = false
		<-time.After(time.Minute)
		if len(heard) != works+1 || heard["old is gone"] != 1 {
			t.Errorf("%d reports are heard: %v", len(heard), heard)
		}
		r.end("status 7") // its record is gone
		if held, waiting := r.size(); held != works-1 || waiting != 0 {
			t.Errorf("%d reports are held and %d wait", held, waiting)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestInboxIsBounded: while the guard cannot take in, since its disk hangs, an hour of
// beats and drift is one beat and a look at each workload; nothing else is lost.
func TestInboxIsBounded(t *testing.T) {
	b := newInbox()
	k := federation.Key{Namespace: "shop", Name: "web"}
	done := make(chan struct{})
	b.tell(guard.Landed{Workload: k})
	for n := range uint64(4 * 60 * 60) {
		b.tell(guard.HubBeatHeard{Beat: federation.HubBeat{Term: 1, Sequence: n}})
		b.drifted(k)
	}
	b.order([]guard.Event{guard.WorkGone{Workload: k}}, map[guard.Kept][]byte{{Workload: k, Revision: 3}: nil}, done)
	b.tell(guard.HubBeatHeard{Beat: federation.HubBeat{Term: 2}})
	<-b.ready
	in := b.take()
	if len(in.events) != 3 || len(in.drift) != 1 || len(in.orders) != 1 || len(in.done) != 1 {
		t.Fatalf("waits: %d events, %d workloads, %d orders, %d to tell", len(in.events), len(in.drift), len(in.orders), len(in.done))
	}
	if heard, ok := in.events[1].(guard.HubBeatHeard); !ok || heard.Beat.Term != 2 {
		t.Errorf("the beat is %+v", in.events[1])
	}
	b.tell(guard.HubBeatHeard{})
	if in := b.take(); len(in.events) != 1 {
		t.Errorf("%d events after all were taken", len(in.events))
	}
}
