package guard

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
)

// disk is what outlives a guard: its state, and the store of its works.
type disk struct {
	t        *testing.T
	now      time.Time
	life     federation.Incarnation
	state    []byte
	store    map[Kept]WorkReceived
	upTo     federation.Revision
	whole    bool
	held     Held
	guard    *Machine
	hello    federation.Hello // the last one
	asked    AskPeers
	attested federation.AttestReply
}

func newDisk(t *testing.T) *disk {
	d := &disk{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), store: map[Kept]WorkReceived{}}
	d.restart()
	return d
}

// restart begins a new life from what is on the disk.
func (d *disk) restart() {
	d.t.Helper()
	d.life++
	opts := Options{Member: "tokyo", Incarnation: d.life, Store: Store{
		Works: slices.Collect(maps.Values(d.store)), UpTo: d.upTo, Whole: d.whole,
	}, Held: d.held}
	d.guard = New(opts)
	if d.state != nil {
		var err error
		if d.guard, err = Restore(opts, d.state); err != nil {
			d.t.Fatal(err)
		}
	}
}

// step lists what has to be done about the events, but for what the disk does itself.
func (d *disk) step(events ...Event) (out []string) {
	d.t.Helper()
	received := map[Kept]WorkReceived{}
	for _, ev := range events {
		if w, ok := ev.(WorkReceived); ok {
			received[Kept{w.Work.Workload, w.Revision}] = w
		}
	}
	persisted := false
	for _, e := range d.guard.Step(d.now, events...) {
		switch e := e.(type) {
		case Keep:
			if persisted {
				d.t.Error("an order is stored after the state that needs it")
			}
			for _, k := range e.Add {
				d.store[k] = received[k]
			}
			for _, k := range e.Drop {
				delete(d.store, k)
			}
			d.upTo, d.whole = e.UpTo, e.Whole
		case Persist:
			d.state, persisted = e.State, true
		case KeepLeases:
			d.held = e.Held
		case AskPeers:
			d.asked = e
		case Attested:
			d.attested = e.Reply
		case SendHello:
			d.hello = e.Hello
		case Land:
			out = append(out, fmt.Sprintf("land %s %d prune=%v careful=%v", e.Work.Workload.Name, e.Revision, e.Prune, e.Careful))
		case Remove:
			out = append(out, "remove "+e.Workload.Name)
		case Report:
			out = append(out, fmt.Sprintf("report %s %s", e.Workload.Name, e.State))
		}
	}
	if err := d.guard.Check(); err != nil {
		d.t.Error(err)
	}
	return out
}

func (d *disk) does(want []string, events ...Event) {
	d.t.Helper()
	if got := d.step(events...); !slices.Equal(got, want) {
		d.t.Errorf("got %q, want %q", got, want)
	}
}

func (d *disk) holds(want ...federation.Revision) {
	d.t.Helper()
	var got []federation.Revision
	for k := range d.store {
		got = append(got, k.Revision)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		d.t.Errorf("the store holds %v, want %v", got, want)
	}
}

var (
	beat     = HubBeatHeard{Beat: federation.HubBeat{Term: 1, Sequence: 1, Members: []federation.MemberBeat{{Member: "tokyo", Health: federation.Healthy}}}}
	accepted = HelloReplied{Reply: federation.HelloReply{Term: 1, Health: federation.Healthy, Synced: true}}
)

func order(name string, epoch federation.Epoch, r federation.Revision) WorkReceived {
	return WorkReceived{Revision: r, Work: federation.Work{Workload: federation.Key{Namespace: "shop", Name: name}, Epoch: epoch, WorkloadRevision: federation.Revision(epoch), Replicas: 1}}
}

func removal(name string, epoch federation.Epoch, r federation.Revision) WorkReceived {
	v := order(name, epoch, r)
	v.Work.Removed = true
	return v
}

// TestRestartWithoutHub: what may run goes on from the store, carefully; what must run
// once does not; an order that waits goes on waiting.
func TestRestartWithoutHub(t *testing.T) {
	d := newDisk(t)
	once := order("once", 1, 3)
	once.Work.Continuity = federation.AtMostOne
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 1), order("cart", 1, 2), once)
	d.now = d.now.Add(time.Minute)                                                                   // the hub is away from now on
	d.does([]string{"land new 5 prune=false careful=false"}, order("web", 2, 4), order("new", 1, 5)) // what changes nothing may start
	d.restart()
	d.does([]string{"report once Held"})
	d.does([]string{
		"land cart 2 prune=false careful=true", "land new 5 prune=false careful=true", "land web 1 prune=false careful=true",
	}, CachesSynced{})
	d.does(nil, StoppedProven{Workload: once.Work.Workload})
	if !d.guard.Careful() || d.hello.Held != 5 {
		t.Errorf("careful %v, holds up to %d", d.guard.Careful(), d.hello.Held)
	}
	d.does([]string{"land cart 2 prune=true careful=false", "land new 5 prune=true careful=false", "report once Pending", "land web 4 prune=true careful=false"}, beat, accepted)
	d.does(nil, order("web", 2, 4), order("cart", 1, 2))
	if d.guard.Careful() {
		t.Error("careful although the hub has answered")
	}
}

// TestStoreIsBounded: of each workload it holds at most what was obeyed and what waits,
// and nothing of one that is gone.
func TestStoreIsBounded(t *testing.T) {
	d := newDisk(t)
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 1))
	d.step(order("web", 1, 2), order("web", 1, 3))
	d.now = d.now.Add(time.Minute)
	for r := federation.Revision(4); r < 100; r++ {
		d.step(order("web", 1, r))
	}
	d.holds(3, 98, 99) // what the last step let go, the next one drops
	d.step(order("web", 1, 100))
	d.holds(3, 99, 100)
	next := beat
	next.Beat.Sequence++
	d.step(next)
	d.step(removal("web", 2, 101))
	d.step(RemovedProven{Workload: federation.Key{Namespace: "shop", Name: "web"}, Epoch: 2}, order("cart", 1, 102))
	d.step(WorkGone{Workload: federation.Key{Namespace: "shop", Name: "web"}, Revision: 103})
	d.step(order("cart", 1, 104))
	d.step(order("cart", 1, 105))
	d.holds(104, 105)
	if d.upTo != 105 {
		t.Errorf("up to %d", d.upTo)
	}
}

// TestLostStore: what is missing is wanted again, until a hub has answered; so is all
// when the life before could not tell what it had lost.
func TestLostStore(t *testing.T) {
	d := newDisk(t)
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 1))
	clear(d.store)
	d.upTo, d.whole = 0, false
	d.restart()
	d.step(order("cart", 1, 2)) // comes before the hub answers, and the agent dies
	d.restart()
	d.step(Tick{})
	if d.hello.Held != 0 {
		t.Errorf("says that it holds up to %d", d.hello.Held)
	}
	d.does(nil, CachesSynced{}) // nothing is there to go on from
	d.step(beat, accepted)
	d.does([]string{"land web 1 prune=true careful=false"}, order("web", 1, 1))
	d.now = d.now.Add(time.Minute)
	later := beat
	later.Beat.Term++ // a new hub asks
	d.step(later)
	if d.hello.Held != federation.AllHeld {
		t.Errorf("holds up to %d", d.hello.Held)
	}
	d.restart()
	d.step(Tick{})
	if d.hello.Held != 2 {
		t.Errorf("holds up to %d after a restart", d.hello.Held)
	}
}

// TestRestartWhileRemoving: a removal goes on without its order, and its proof is told
// again by every life until the record is gone.
func TestRestartWhileRemoving(t *testing.T) {
	d := newDisk(t)
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 1))
	d.step(removal("web", 2, 2))
	d.restart()
	d.does(nil, CachesSynced{})
	d.does([]string{"remove web", "report web Removing"}, beat, accepted)
	d.step(RemovedProven{Workload: federation.Key{Namespace: "shop", Name: "web"}, Epoch: 2})
	d.restart()
	d.does([]string{"report web Removed"}, CachesSynced{})
	d.does([]string{"remove web", "report web Removing"}, beat, accepted, removal("web", 3, 3))
}

// TestOlderAfterNewer: a version that is delivered again after a newer one changes
// nothing, neither here nor in the store.
func TestOlderAfterNewer(t *testing.T) {
	d := newDisk(t)
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 7))
	d.does(nil, order("web", 1, 5))
	d.now = d.now.Add(time.Minute)
	d.does(nil, order("web", 1, 9))
	d.does(nil, order("web", 1, 8))
	d.holds(7, 9)
}

// TestRaisedEpoch: the hub gave what runs here a new epoch, and the agent restarts
// before the order that says so comes: the old one goes on, and is not obeyed again.
func TestRaisedEpoch(t *testing.T) {
	d := newDisk(t)
	d.step(beat, CachesSynced{}, accepted, order("web", 1, 1))
	raised := accepted
	raised.Reply.Keep = []federation.Holding{{Workload: federation.Key{Namespace: "shop", Name: "web"}, Epoch: 4}}
	d.step(raised)
	d.restart()
	d.does([]string{"land web 1 prune=false careful=true"}, CachesSynced{})
	d.does(nil, beat, accepted)
	if epoch, ok := d.guard.Desired(federation.Key{Namespace: "shop", Name: "web"}); !ok || epoch != 4 {
		t.Errorf("epoch %d, %v", epoch, ok)
	}
}
