package guard

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

// TestGrantBeforeHello: a grant that crosses a hello, which said that the workload does
// not run, starts nothing; one that was asked for after it does.
func TestGrantBeforeHello(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	k := federation.Key{Namespace: "shop", Name: "ledger"}
	m := New(Options{Member: "tokyo", Incarnation: 1})
	step := func(ev Event) (renewals []RenewLease, lands int) {
		t.Helper()
		for _, e := range m.Step(now, ev) {
			switch e := e.(type) {
			case RenewLease:
				renewals = append(renewals, e)
			case Land:
				lands++
			}
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		return renewals, lands
	}
	answer := func(r RenewLease) ([]RenewLease, int) {
		return step(RenewAnswered{Workload: k, Epoch: r.Epoch, Sequence: r.Sequence, SentAt: now, Grant: federation.Grant{TTL: lease.TTL(lease.Fast)}})
	}
	step(HubBeatHeard{Beat: federation.HubBeat{Term: 1, Sequence: 1, Members: []federation.MemberBeat{{Member: "tokyo", Health: federation.Healthy}}}})
	step(HelloReplied{Reply: federation.HelloReply{Term: 1, Health: federation.Healthy}})
	asked, _ := step(WorkReceived{Work: federation.Work{Workload: k, Epoch: 1, Replicas: 1, Continuity: federation.AtMostOne}, Revision: 1})
	if len(asked) != 1 {
		t.Fatalf("asked for the lease: %v", asked)
	}
	now = now.Add(helloEvery)
	step(CachesSynced{}) // says hello, and that it does not run
	again, lands := answer(asked[0])
	if lands != 0 || len(again) != 1 {
		t.Fatalf("a grant from before the hello: %d started, asked again %v", lands, again)
	}
	if _, lands := answer(again[0]); lands != 1 {
		t.Errorf("a grant from after the hello: %d started", lands)
	}
}

// TestLeaseOverRestart: an agent that comes back while its lease holds goes on with it, and
// stops what it is for when that has ended meanwhile, was denied, or cannot be told.
func TestLeaseOverRestart(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*disk)
		want   []string
	}{
		{"while it holds", func(d *disk) { d.now = d.now.Add(5 * time.Second) }, []string{"land once 1 prune=false careful=true"}},
		{"after it ended", func(d *disk) { d.now = d.now.Add(10 * time.Second) }, []string{"report once Held"}},
		{"denied", func(d *disk) { d.granted(federation.Grant{Denied: "it belongs to paris"}) }, []string{"report once Held"}},
		{"without its clock", func(d *disk) { d.held = Held{} }, []string{"report once Held"}},
		{"under another epoch", func(d *disk) { d.held.Leases[0].Epoch = 7 }, []string{"report once Held"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t)
			once := order("once", 1, 1)
			once.Work.Continuity = federation.AtMostOne
			d.does([]string{"report once Pending"}, beat, CachesSynced{}, accepted, once)
			if got := d.granted(federation.Grant{TTL: lease.TTL(lease.Fast)}); len(got) != 1 || len(d.held.Leases) != 1 {
				t.Fatalf("a granted lease leads to %q and keeps %v", got, d.held)
			}
			c.before(d)
			d.restart()
			d.does(c.want, CachesSynced{})
			if _, may := d.guard.Desired(once.Work.Workload); may != (len(d.held.Leases) == 1) {
				t.Errorf("may run: %v, and keeps %v", may, d.held)
			}
		})
	}
}

// granted answers a renewal that was asked for now.
func (d *disk) granted(g federation.Grant) []string {
	k := federation.Key{Namespace: "shop", Name: "once"}
	return d.step(RenewAnswered{Workload: k, Epoch: 1, Sequence: 1 << 20, SentAt: d.now, Grant: g})
}
