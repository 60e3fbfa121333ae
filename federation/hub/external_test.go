package hub_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// newExternalWorld is a bus of three servers that were started from the configuration
// which is printed for them, known by their addresses.
func newExternalWorld(t *testing.T) *world {
	t.Helper()
	files, addresses := natstest.Certificates(t), natstest.Addresses(t, 3)
	keys, err := nats.MakeKeys(t.TempDir())
	must(t, err)
	o := nats.ExternalOptions{CA: files.CA, Keys: keys, Replicas: len(addresses)}
	for _, a := range addresses {
		o.URLs = append(o.URLs, "tls://"+a)
	}
	config, err := keys.ServerConfig(nats.Site{URLs: o.URLs})
	must(t, err)
	natstest.Cluster(t, files, config, addresses)
	external, err := nats.OpenExternal(t.Context(), o)
	must(t, err)
	t.Cleanup(external.Shutdown)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, external.Apply(ctx, func(line string) { t.Log(line) }))
	w := &world{t: t, outside: external, data: t.TempDir(), ca: files.CA}
	w.full.Store(new(string))
	w.records, w.asks = w.dial(nats.HubRole), w.dial(nats.GatewayRole)
	w.serveGateways()
	return w
}

// TestExternalBus: two hubs on a bus of others: one leads, members join and get works,
// the other one takes over, and who has left is let in no more.
func TestExternalBus(t *testing.T) {
	w := newExternalWorld(t)
	first := w.startHub("one")
	term := w.nextTerm(0)
	w.startHub("two")
	gone, stays := w.newAgent("tokyo", "ap-northeast"), w.newAgent("osaka", "ap-northeast")
	w.healthy("tokyo", "osaka")
	load := workload(web, 2)
	load.Placement.Spread = []federation.SpreadConstraint{{By: "member", Max: 2, Min: 2}}
	w.put(load, 0)
	w.ready(await(w, assignments, subject.WorkloadKey(web), func(a federation.Assignment) bool { return on(a, "tokyo") }))

	first.stop()
	if next := w.nextTerm(term); next <= term {
		t.Errorf("term %d after %d", next, term)
	}
	if holder := string(w.entries(subject.Leases)["hub"].Value); holder != "two" {
		t.Errorf("the lease is held by %q", holder)
	}
	gone.kill()
	await(w, healths, subject.MemberKey("tokyo"), func(r federation.HealthRecord) bool { return r.Health == federation.Unreachable })
	_, err := w.ask(subject.HubMember, federationv1.EncodeMemberChange(federation.MemberChange{Member: "tokyo", Action: "leave", Argument: "forget"}))
	must(t, err)
	w.gone(subject.Members, subject.MemberKey("tokyo"))
	for began := time.Now(); ; {
		conn, err := nats.Dial(nats.DialOptions{URLs: w.bus().Advertised(nil), CA: w.ca, Credentials: gone.creds, Name: "tokyo", Account: gone.account})
		if err != nil && strings.Contains(err.Error(), "were revoked") {
			break
		}
		if conn != nil {
			conn.Close()
		}
		if time.Since(began) > patience {
			t.Fatalf("a member that has left gets in: %v", err)
		}
	}
	if !stays.conn.Connected() {
		t.Error("the other member was cut off")
	}
}
