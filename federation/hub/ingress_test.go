package hub_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/probe"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// onlook is the part of an agent that has an ingress, and looks at those of others.
type onlook struct {
	at    atomic.Pointer[string]
	looks atomic.Pointer[[]federation.Look]
}

func (o *onlook) ingressAt() string {
	if at := o.at.Load(); at != nil {
		return *at
	}
	return federation.NoIngress
}

// peers looks at once at what the hub said last.
func (o *onlook) peers(ctx context.Context) []federation.PeerObservation {
	var out []federation.PeerObservation
	if looks := o.looks.Load(); looks != nil {
		for _, l := range *looks {
			s := probe.Ingress(ctx, l.IngressAt, 100*time.Millisecond)
			out = append(out, federation.PeerObservation{Member: l.Member, Ingress: s.Signal, Detail: s.Detail})
		}
	}
	return out
}

// open lets something listen where users come in; an empty address makes one.
func open(t *testing.T, address string) net.Listener {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// seen says what each observer sees of a member's ingress.
func (w *world) seen(member string) []string {
	w.t.Helper()
	b, err := w.ask(subject.HubDescribe, federationv1.EncodeDescribeRequest(member))
	must(w.t, err)
	list, err := federationv1.DecodeEvidence(b)
	must(w.t, err)
	var out []string
	for _, e := range list {
		if e.What == "ingress" {
			out = append(out, fmt.Sprintf("%s %s", e.Observer, e.Signal))
		}
	}
	slices.Sort(out)
	return out
}

// awaitSeen waits until the observers see what they should.
func (w *world) awaitSeen(member string, want ...string) {
	w.t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if got = w.seen(member); slices.Equal(got, want) {
			return
		}
	}
	w.t.Fatalf("the ingress of %s is seen as %v, want %v", member, got, want)
}

// TestIngress: other members look at the ingress that one announces. When they do not reach
// it any more traffic is withdrawn; when they do, and everything else of it is gone, it
// stays.
func TestIngress(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	agents := map[string]*agent{
		"frankfurt": w.newAgent("frankfurt", "eu-central"), "tokyo": w.newAgent("tokyo", "ap-northeast"), "virginia": w.newAgent("virginia", "us-east"),
	}
	w.healthy("frankfurt", "tokyo", "virginia")
	w.awaitSeen("tokyo", "hub absent")
	verdict := func(health federation.Health, name string) {
		t.Helper()
		await(w, healths, subject.MemberKey("tokyo"), func(r federation.HealthRecord) bool { return r.Health == health && r.Verdict == name })
	}

	door := open(t, "")
	at := "tcp://" + door.Addr().String()
	agents["tokyo"].at.Store(&at)
	w.awaitSeen("tokyo", "frankfurt green", "hub green", "virginia green")

	door.Close()
	verdict(federation.Degraded, "IngressDown")
	w.awaitSeen("tokyo", "frankfurt red", "hub red", "virginia red")

	door = open(t, door.Addr().String())
	verdict(federation.Healthy, "Healthy")

	agents["tokyo"].kill() // and its API server; the door is open
	verdict(federation.Suspect, "MgmtLost")
	w.awaitSeen("tokyo", "frankfurt green", "hub green", "virginia green")
	door.Close()
	verdict(federation.Unreachable, "Unreachable")
}
