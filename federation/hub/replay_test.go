package hub_test

import (
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestReplay: a new life of an agent that still holds what the last one acknowledged gets
// what is new, and one that lost it gets everything again.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	other := federation.Key{Namespace: "shop", Name: "other"}
	ready := func(k federation.Key) {
		t.Helper()
		await(w, statuses, subject.StatusKey("tokyo", k), func(s federation.WorkStatus) bool { return s.State == federation.WorkReady })
	}
	again := func(held federation.Revision) {
		tokyo.kill()
		tokyo.serveAPI()
		tokyo.held = held
		tokyo.start()
		w.healthy("tokyo")
	}
	w.put(workload(web, 1), 0)
	tokyo.got(1)
	ready(web)
	_, e := tokyo.message(web)
	again(e.Revision)
	w.put(workload(other, 1), 0)
	if k := tokyo.got(2).Workload; k != other {
		t.Errorf("an agent that holds its works gets %s again", k)
	}
	ready(other)
	again(e.Revision) // it holds the first one only
	tokyo.got(4)
	again(0)
	tokyo.got(6)
}
