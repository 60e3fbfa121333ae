package landing

import (
	"context"
	"testing"
	"time"
)

// TestPacerTiers: when there is no room, the lowest tier comes first, then who came
// first; who gives up leaves the queue.
func TestPacerTiers(t *testing.T) {
	p := newPacer()
	p.limit = fewest
	for range fewest {
		if err := p.enter(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	order := make(chan string)
	wait := func(ctx context.Context, name string, tier, queued int) {
		go func() {
			if p.enter(ctx, tier) == nil {
				order <- name
			} else {
				order <- name + " gave up"
			}
		}()
		until(t, func() bool { return p.queued() == queued })
	}
	wait(t.Context(), "late", 3, 1)
	wait(t.Context(), "first", 0, 2)
	wait(t.Context(), "second", 0, 3)
	wait(gone, "leaver", 0, 4)
	cancel()
	if got := <-order; got != "leaver gave up" {
		t.Fatalf("got %q", got)
	}
	for _, want := range []string{"first", "second", "late"} {
		p.leave(0, 0)
		if got := <-order; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if p.busy != fewest || p.queued() != 0 {
		t.Errorf("%d are busy, %d wait", p.busy, p.queued())
	}
}

func (p *pacer) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit:
			t.Fatal("it did not come to pass in 10 s")
		case <-tick.C:
		}
	}
}

// TestPacerLimit: the limit grows while nothing slows down and there is more to do,
// shrinks when every object takes ten times as long as it did, and grows again when
// that has become usual.
func TestPacerLimit(t *testing.T) {
	p := newPacer()
	serve := func(n int, each time.Duration) {
		for range n {
			p.busy = int(p.limit)
			p.leave(2, 2*each)
		}
	}
	serve(200, 5*time.Millisecond)
	if p.limit != most {
		t.Errorf("after 200 quick ones the limit is %.0f", p.limit)
	}
	serve(40, 50*time.Millisecond)
	low := p.limit
	if low > most/4 {
		t.Errorf("after 40 slow ones the limit is %.0f", p.limit)
	}
	serve(2000, 50*time.Millisecond)
	if p.limit < 2*low {
		t.Errorf("it does not recover from %.0f: %.0f", low, p.limit)
	}
	p.busy, p.limit = 3, 100
	p.leave(1, 5*time.Millisecond)
	if p.limit != 100 {
		t.Errorf("it grows to %.0f though nobody asks for it", p.limit)
	}
}
