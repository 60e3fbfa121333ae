package messagingtest

import (
	"context"
	"errors"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// mostOrders is the most that an agent gets together.
const mostOrders = 256

// agent is what an agent has read of its orders, as "1", or "gone" once deleted.
type agent struct {
	have     map[string]string
	revision map[string]federation.Revision
	times    map[string]int // how often each version was read
	synced   bool
}

func newAgent() *agent {
	return &agent{have: map[string]string{}, revision: map[string]federation.Revision{}, times: map[string]int{}}
}

// read follows until enough, and does not acknowledge the last that it was handed.
func (a *agent) read(ctx context.Context, t *testing.T, o messaging.Orders, enough func() bool) {
	t.Helper()
	err := o.Follow(ctx, func(changes []messaging.Change) error {
		if len(changes) > mostOrders {
			t.Errorf("%d orders together", len(changes))
		}
		for _, c := range changes {
			a.take(c)
		}
		if enough() {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("read %v: %v", a.have, err)
	}
}

func (a *agent) take(c messaging.Change) {
	if c.Synced {
		a.synced = true
		return
	}
	value := string(c.Value)
	if c.Deleted {
		value = "gone"
	}
	a.times[c.Key+"="+value]++
	if c.Revision >= a.revision[c.Key] {
		a.revision[c.Key], a.have[c.Key] = c.Revision, value
	}
}

// orders: an agent gets what waits, with deletions, knows when it has everything, and
// gets what was written while it was away.
func orders(t *testing.T, r Roles) {
	if r.Orders == nil {
		t.Skip("a bus without works")
	}
	ctx := bounded(t)
	put := func(key, value string) {
		must[federation.Revision](t)(r.Works.Put(ctx, key, []byte(value), messaging.AnyRevision))
	}
	put("a.a", "1")
	put("a.b", "1")
	put("a.a", "2")
	if err := r.Works.Delete(ctx, "a.b", messaging.AnyRevision); err != nil {
		t.Fatal(err)
	}
	a := newAgent()
	a.read(ctx, t, r.Orders, func() bool { return a.synced })
	if a.have["a.a"] != "2" || a.have["a.b"] != "gone" || len(a.have) != 2 {
		t.Errorf("read %v", a.have)
	}
	// All but the mark is acknowledged.
	again := newAgent()
	put("a.c", "3")
	again.read(ctx, t, r.Orders, func() bool { return again.have["a.c"] == "3" })
	if len(again.have) != 1 {
		t.Errorf("after it was away it read %v", again.have)
	}
	writes := creations(3 * mostOrders)
	must[[]federation.Revision](t)(r.Works.WriteAll(ctx, writes))
	again.read(ctx, t, r.Orders, func() bool { return len(again.have) == 1+len(writes) })
	for _, w := range writes {
		if again.have[w.Key] != string(w.Value) {
			t.Fatalf("%s is %q", w.Key, again.have[w.Key])
		}
	}
}

// ordersAgain: what an agent did not acknowledge it gets again, and of what was replaced
// only the last version.
func ordersAgain(t *testing.T, r Roles) {
	if r.Orders == nil {
		t.Skip("a bus without works")
	}
	ctx := bounded(t)
	put := func(key, value string) {
		must[federation.Revision](t)(r.Works.Put(ctx, key, []byte(value), messaging.AnyRevision))
	}
	a := newAgent()
	a.read(ctx, t, r.Orders, func() bool { return a.synced })
	put("a.a", "1")
	put("a.b", "dropped")
	a.read(ctx, t, r.Orders, func() bool { return a.have["a.b"] != "" })
	put("a.c", "replaced")
	put("a.c", "new")
	again := newAgent()
	again.read(ctx, t, r.Orders, func() bool { return again.have["a.b"] == "dropped" && again.have["a.c"] == "new" })
	if again.times["a.c=replaced"] > 0 {
		t.Errorf("it gets what was replaced: %v", again.times)
	}
}
