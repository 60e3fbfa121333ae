package member

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestReporter: only the latest state of a key is told, it is told until it has
// arrived, and a new hub is told everything again.
func TestReporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		away := true
		bus := inproc.New()
		bus.Fail = func(string, string) error {
			if away {
				return messaging.ErrDisconnected
			}
			return nil
		}
		var heard []string
		go func() {
			_ = bus.Respond(ctx, subject.MemberUp(subject.UpFacts), func(_ context.Context, m messaging.Message) ([]byte, error) {
				heard = append(heard, string(m.Data))
				return nil, nil
			}) // ends with ctx
		}()
		r := newReporter(bus, slog.New(slog.DiscardHandler))
		done := make(chan error)
		go func() { done <- r.run(ctx) }()
		put := func(key, text string) {
			r.put(topic{key: key, method: subject.UpFacts}, func(uint64) []byte { return []byte(text) })
		}
		put("a", "a1")
		synctest.Wait()
		put("a", "a2")
		put("b", "b1")
		away = false
		for len(heard) < 2 {
			wait(ctx, firstResend)
			synctest.Wait()
		}
		r.resend()
		synctest.Wait()
		seen := map[string]int{}
		for _, h := range heard {
			seen[h]++
		}
		if fmt.Sprint(seen) != "map[a2:2 b1:2]" {
			t.Errorf("heard %v", heard)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestSameReport: what says nothing new is not told, also when it is known only to wait,
// until it is gone or says something else.
func TestSameReport(t *testing.T) {
	r := newReporter(inproc.New(), slog.New(slog.DiscardHandler))
	for i, c := range []struct {
		about topic
		news  bool
	}{
		{topic{key: "a", says: 7}, true},
		{topic{key: "a", says: 7}, false},
		{topic{key: "b", says: 7}, true},
		{topic{key: "a", says: 8}, true},
		{topic{key: "a", says: 7}, true},
		{topic{key: "a", says: 7, heard: true, last: true}, true},
		{topic{key: "a", says: 7}, true},
		{topic{key: "c"}, true},
		{topic{key: "c"}, true},
	} {
		encoded := false
		news := r.put(c.about, func(uint64) []byte { encoded = true; return nil })
		if news != c.news || encoded && !news {
			t.Errorf("report %d is news: %v, encoded: %v", i+1, news, encoded)
		}
	}
}

func TestStallMeter(t *testing.T) {
	var s stallMeter
	s.note(3)
	s.note(9)
	s.note(-4)
	if s.worst() != 9 {
		t.Errorf("worst %v", s.worst())
	}
	for range 4 {
		s.note(1)
	}
	if s.worst() != 1 {
		t.Errorf("what is a second old still counts: %v", s.worst())
	}
}
