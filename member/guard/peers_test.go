package guard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/lease"
)

var peers = federation.Peers{Version: 3, Members: []federation.Peer{{Member: "oslo", At: "oslo:1"}, {Member: "paris", At: "paris:1"}}}

// running is a member that runs shop/once under epoch 1, and has just heard the hub.
func running(t *testing.T) *disk {
	d := newDisk(t)
	once := order("once", 1, 1)
	once.Work.Continuity = federation.AtMostOne
	d.step(beat, CachesSynced{}, accepted, once)
	d.granted(federation.Grant{TTL: lease.TTL(lease.Fast), Peers: peers})
	return d
}

func (d *disk) answers(peer string, r federation.AttestReply) []string {
	return d.step(PeerAnswered{Sequence: d.asked.Sequence, Peer: peer, Reply: r})
}

// yes is the word for what every round of a member of running asks for.
var yes = federation.AttestReply{Attested: []federation.Attestation{{Workload: federation.Key{Namespace: "shop", Name: "once"}, Epoch: 1}}}

// TestPeersGoOn: with the word of all peers what runs once goes on for as long as the hub
// is gone, and not without that of one.
func TestPeersGoOn(t *testing.T) {
	d := running(t)
	d.does(nil, Tick{})
	if d.asked.Sequence != 0 {
		t.Fatalf("asks %v while the hub is there", d.asked)
	}
	for range 60 {
		d.now = d.now.Add(time.Second)
		d.does(nil, Tick{})
		d.answers("oslo", yes)
		d.answers("paris", yes)
	}
	if want := []federation.Attestation{{Workload: federation.Key{Namespace: "shop", Name: "once"}, Epoch: 1}}; !slices.Equal(d.asked.Claims, want) || !slices.Equal(d.asked.Peers, peers.Members) {
		t.Errorf("asks %v", d.asked)
	}
	d.restart()
	d.does([]string{"land once 1 prune=false careful=true"}, CachesSynced{}) // also over a restart
	for range 9 {
		d.now = d.now.Add(time.Second)
		d.does(nil, Tick{})
		d.answers("oslo", yes)
		d.answers("oslo", yes) // one word counts once
	}
	d.now = d.now.Add(time.Second)
	d.does([]string{"report once Held"}, Tick{})
}

// TestPeersRefuse: what one peer does not attest is not prolonged, nor by a word that is
// late or about another round.
func TestPeersRefuse(t *testing.T) {
	no := federation.AttestReply{Refused: []federation.AttestRefusal{{Workload: federation.Key{Namespace: "shop", Name: "once"}, Why: "it runs here"}}}
	other := federation.AttestReply{Attested: []federation.Attestation{{Workload: federation.Key{Namespace: "shop", Name: "once"}, Epoch: 2}}}
	for name, words := range map[string]func(*disk){
		"refused": func(d *disk) { d.answers("oslo", no); d.answers("paris", yes) },
		"nothing": func(d *disk) { d.answers("oslo", federation.AttestReply{}); d.answers("paris", yes) },
		"epoch":   func(d *disk) { d.answers("oslo", other); d.answers("paris", yes) },
		"stranger": func(d *disk) {
			d.answers("oslo", yes)
			d.answers("rome", yes)
		},
		"old round": func(d *disk) {
			d.asked.Sequence--
			d.answers("oslo", yes)
			d.answers("paris", yes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := running(t)
			stop := d.held.Leases[0].Stop
			for d.now = d.now.Add(3 * time.Second); d.now.Before(stop); d.now = d.now.Add(time.Second) {
				d.does(nil, Tick{})
				words(d)
			}
			d.does([]string{"report once Held"}, Tick{})
		})
	}
	t.Run("late", func(t *testing.T) {
		d := running(t)
		d.now = d.now.Add(5 * time.Second)
		d.does(nil, Tick{})
		d.now = d.held.Leases[0].Stop
		if got := d.answers("oslo", yes); !slices.Equal(got, []string{"report once Held"}) {
			t.Errorf("when the lease ends: %q", got)
		}
		d.answers("paris", yes)
		if _, may := d.guard.Desired(federation.Key{Namespace: "shop", Name: "once"}); may {
			t.Error("a word that came too late brought the lease back")
		}
	})
}

// TestAttest: a member attests only when it has heard no hub for long enough, and nothing
// that it is to run itself.
func TestAttest(t *testing.T) {
	ask := func(d *disk, epoch federation.Epoch) federation.AttestReply {
		d.step(AttestAsked{Ask: federation.AttestRequest{Member: "oslo", Claims: []federation.Attestation{{Workload: federation.Key{Namespace: "shop", Name: "once"}, Epoch: epoch}}}})
		return d.attested
	}
	d := running(t)
	if r := ask(d, 2); len(r.Refused) != 1 || !strings.Contains(r.Refused[0].Why, "heard a hub 0s ago") {
		t.Errorf("attests while the hub is there: %+v", r)
	}
	d.now = d.now.Add(lease.SilentFor)
	if r := ask(d, 2); len(r.Refused) != 1 || r.Refused[0].Why != "it runs in tokyo" {
		t.Errorf("of what it runs it says %+v", r)
	}
	d.now = d.now.Add(time.Minute)
	d.step(Tick{}, StoppedProven{Workload: federation.Key{Namespace: "shop", Name: "once"}})
	if r := ask(d, 0); len(r.Refused) != 1 || r.Refused[0].Why != "tokyo knows epoch 1 of it" {
		t.Errorf("of an older epoch it says %+v", r)
	}
	if r := ask(d, 2); len(r.Attested) != 1 || len(r.Refused) != 0 {
		t.Errorf("of a newer epoch it says %+v", r)
	}
	d.restart()
	d.step(Tick{})
	if r := ask(d, 2); len(r.Attested) != 0 {
		t.Error("attests at once after a restart, when it may just have heard a hub")
	}
	d.now = d.now.Add(lease.SilentFor)
	if r := ask(d, 2); len(r.Attested) != 1 {
		t.Errorf("without a hub in this life it says %+v", r)
	}
	next := order("once", 3, 2)
	next.Work.Continuity = federation.AtMostOne
	d.step(next)
	if r := ask(d, 2); len(r.Refused) != 1 || r.Refused[0].Why != "tokyo knows epoch 3 of it" {
		t.Errorf("of what it has an order for it says %+v", r)
	}
}
