package member

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
)

func TestLookout(t *testing.T) {
	var l lookout
	now := time.Unix(1000, 0)
	green, red := sighting{Sight: probe.Sight{Signal: federation.Green}, at: now}, sighting{Sight: probe.Sight{Signal: federation.Red, Detail: "connection refused"}, at: now}
	beat := func(after time.Duration) federation.Beat {
		var b federation.Beat
		l.tell(now.Add(after), &b)
		return b
	}
	tokyo, osaka := federation.Look{Member: "tokyo", IngressAt: "tcp://10.0.0.1:80"}, federation.Look{Member: "osaka", IngressAt: "tcp://10.0.0.2:80"}

	if b := beat(0); b.IngressAt != "" || len(b.Peers) != 0 {
		t.Errorf("it knows nothing yet, and says %+v", b)
	}
	l.order([]federation.Look{tokyo, osaka})
	l.note(tokyo, green)
	if b := beat(time.Second); len(b.Peers) != 1 || b.Peers[0] != (federation.PeerObservation{Member: "tokyo", Ingress: federation.Green, Age: time.Second}) {
		t.Errorf("one was looked at, and it says %+v", b.Peers)
	}
	l.note(tokyo, red)
	l.note(osaka, green)
	if b := beat(0); len(b.Peers) != 2 || b.Peers[0].Ingress != federation.Red || b.Peers[0].Detail != "connection refused" {
		t.Errorf("it says %+v", b.Peers)
	}

	// The ingress of tokyo is elsewhere now: what a late look saw of the old place is dropped.
	moved := federation.Look{Member: "tokyo", IngressAt: "tcp://10.0.0.9:80"}
	l.order([]federation.Look{moved})
	l.note(tokyo, green)
	if b := beat(0); len(b.Peers) != 0 || len(l.seen) != 0 {
		t.Errorf("it says %+v and remembers %v", b.Peers, l.seen)
	}
	l.order(make([]federation.Look, 10*mostLooks))
	if len(l.all()) != mostLooks+1 {
		t.Errorf("a hub had it look at %d others", len(l.all())-1)
	}
}

// TestOwnIngress: that the own ingress does not answer counts once it has answered.
func TestOwnIngress(t *testing.T) {
	var l lookout
	see := func(at string, s federation.Signal) federation.Beat {
		l.note(federation.Look{IngressAt: at}, sighting{Sight: probe.Sight{Signal: s}})
		var b federation.Beat
		l.tell(time.Now(), &b)
		return b
	}
	l.announce("tcp://10.0.0.1:80")
	for _, step := range []struct{ seen, want federation.Signal }{
		{federation.Red, federation.Absent}, {federation.Green, federation.Green}, {federation.Red, federation.Red},
	} {
		if b := see("tcp://10.0.0.1:80", step.seen); b.Layers.Ingress != step.want || b.IngressAt != "tcp://10.0.0.1:80" {
			t.Errorf("after %v it says %v", step.seen, b.Layers.Ingress)
		}
	}
	l.announce(federation.NoIngress)
	if b := see("tcp://10.0.0.1:80", federation.Red); b.Layers.Ingress != federation.Absent || b.IngressAt != federation.NoIngress {
		t.Errorf("it has no ingress any more, and says %+v", b)
	}
}
