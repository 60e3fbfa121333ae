package hub_test

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// terms hears the hubs' beats until one of another term than old comes.
func (w *world) nextTerm(old uint64) uint64 {
	w.t.Helper()
	found := make(chan uint64, 1)
	stop, err := w.asks.Subscribe(w.t.Context(), subject.HubBeat(), func(m messaging.Message) {
		b, err := federationv1.DecodeHubBeat(m.Data)
		if err == nil && b.Term != old {
			select {
			case found <- b.Term:
			default:
			}
		}
	})
	must(w.t, err)
	defer stop()
	select {
	case term := <-found:
		return term
	case <-time.After(patience):
		w.t.Fatalf("no hub leads after term %d", old)
		return 0
	}
}

// TestRestart: a hub that starts again goes on from the records. What runs stays
// where it is under the epoch it has, and a change after it gets a higher one.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("hub")
	tokyo, frankfurt := w.newAgent("tokyo", "ap-northeast"), w.newAgent("frankfurt", "eu-central")
	w.newAgent("virginia", "us-east")
	w.healthy("tokyo", "frankfurt", "virginia")
	w.put(workload(web, 4), 0)
	before := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 4 })
	w.ready(before)
	term := w.nextTerm(0)
	revision := w.entries(subject.Assignments)[subject.WorkloadKey(web)].Revision

	first.stop()
	w.startHub("hub")
	if now := w.nextTerm(term); now < term {
		t.Errorf("term went back from %d to %d", term, now)
	}
	other := federation.Key{Namespace: "shop", Name: "cart"}
	w.put(workload(other, 2), 0)
	await(w, assignments, subject.WorkloadKey(other), func(a federation.Assignment) bool { return total(a) == 2 })
	if again := w.entries(subject.Assignments)[subject.WorkloadKey(web)].Revision; again != revision {
		t.Errorf("the restarted hub decided anew about what ran well: revision %d, then %d", revision, again)
	}

	lost := frankfurt
	if on(before, "tokyo") {
		lost = tokyo
	}
	lost.kill()
	after := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 4 && !on(a, lost.name) })
	if on(before, lost.name) && after.Epoch <= before.Epoch {
		t.Errorf("epoch %d after %d", after.Epoch, before.Epoch)
	}
	for _, a := range []*agent{tokyo, frankfurt} {
		var highest federation.Epoch
		for _, order := range a.history() {
			if order.Workload != web {
				continue
			}
			if order.Epoch < highest {
				t.Errorf("%s got epoch %d after %d", a.name, order.Epoch, highest)
			}
			highest = max(highest, order.Epoch)
		}
	}
}

// TestStandby: of two hubs one leads; the other takes over when that one stops,
// with a later term, and decides from the same records. What that took is measured.
func TestStandby(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("one")
	term := w.nextTerm(0)
	second := w.startHub("two")
	w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	if holder := string(w.entries(subject.Leases)["hub"].Value); holder != "one" {
		t.Errorf("the lease is held by %q", holder)
	}
	first.stop()
	if next := w.nextTerm(term); next <= term {
		t.Errorf("term %d after %d", next, term)
	}
	if holder := string(w.entries(subject.Leases)["hub"].Value); holder != "two" {
		t.Errorf("the lease is held by %q", holder)
	}
	w.put(workload(web, 2), 0)
	a := await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return total(a) == 2 })
	w.ready(a)
	for phase, of := range map[string][2]float64{"lease": {0, 1}, "read": {1, 1}, "act": {1, 1}} { // the first hub took over from none
		name := "hansa_hub_takeover_seconds phase=" + phase
		if got := [2]float64{first.count(t)[name], second.count(t)[name]}; got != of {
			t.Errorf("%s was measured %v times by the two hubs, want %v", phase, got, of)
		}
	}
}

// TestNamesakes: a hub does not take the lease of another one that has its name, and
// another life of a hub does.
func TestNamesakes(t *testing.T) {
	w := newWorld(t)
	w.startInstance("hub", "hub/a")
	term := w.nextTerm(0)
	w.startInstance("hub", "hub/b")
	w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	if holder := string(w.entries(subject.Leases)["hub"].Value); holder != "hub/a" {
		t.Errorf("the lease is held by %q", holder)
	}
	w.startInstance("hub", "hub/a") // the first one never gives it back
	if next := w.nextTerm(term); next <= term {
		t.Errorf("term %d after %d", next, term)
	}
}

// TestDeposed: a hub whose lease another one has stops deciding, and waits again.
func TestDeposed(t *testing.T) {
	w := newWorld(t)
	w.startHub("one")
	term := w.nextTerm(0)
	leases, err := w.records.Bucket(t.Context(), subject.Leases)
	must(t, err)
	stolen, err := leases.Put(t.Context(), "hub", []byte("usurper"), messaging.AnyRevision)
	must(t, err)
	waitUntilSilent(w, term)
	must(t, leases.Delete(t.Context(), "hub", stolen))
	if next := w.nextTerm(term); next <= term {
		t.Errorf("term %d after %d", next, term)
	}
}
