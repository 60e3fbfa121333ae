package nats_test

import (
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// unknown are the lines of the configuration that nats-server 2.9 refuses.
var unknown = regexp.MustCompile(`(?m)^ *(sync_interval|min_version):.*\n`)

// lacking are the parts of the suite that nats-server 2.9 does not carry, and why.
// TestOldServer shows it.
var lacking = map[string]string{
	"write_all":          "no atomic batches before 2.12",
	"batch_limits":       "no atomic batches before 2.12",
	"batch_over_markers": "no atomic batches before 2.12",
	"lease":              "no time to live of single messages before 2.11",
	"renewed_lease":      "no time to live of single messages before 2.11",
	"request":            noRequests,
	"request_trace":      noRequests,
	"long_refusal":       noRequests,
	"many_requests":      noRequests,
}

// noRequests: gateways ask the hub from an account of their own. There, who asks while
// nobody listens is not told so, and what is asked later can be lost. What members ask
// goes through; TestOldServerMember shows it.
const noRequests = "requests of a gateway's account are lost in 2.9"

// oldBus is the nats-server that this machine has, as Debian 12 does: 2.9.
func oldBus(t *testing.T) *bus {
	t.Helper()
	binary, version := natstest.Binary(t)
	if !strings.HasPrefix(version, "2.9.") {
		t.Skipf("the machine has nats-server %s; this test is about 2.9, which Debian 12 has", version)
	}
	address := natstest.Addresses(t, 1)[0]
	b := newBus(t, address)
	config := natstest.Change(t, b.config(t, nats.Site{}), b.files.Values(t, "nats-0", address))
	natstest.StartProcess(t, binary, unknown.ReplaceAllString(config, ""), address)
	return b
}

// dial connects without asking the servers what they are.
func (b *bus) dial(t *testing.T, role nats.Role) *nats.Conn {
	t.Helper()
	credentials, err := b.keys.Credentials(role, 0)
	must(t, err)
	c, err := nats.Dial(nats.DialOptions{URLs: b.options.URLs, CA: b.files.CA, Credentials: credentials, Name: string(role)})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// TestOldServerRefused: no hub runs on a server that is too old, and one line says why.
func TestOldServerRefused(t *testing.T) {
	b := oldBus(t)
	_, err := nats.OpenExternal(t.Context(), b.options)
	if err == nil {
		t.Fatal("nats-server 2.9 is taken")
	}
	for _, want := range []string{"server nats-0 has nats-server 2.9.", "atomic batches", "time to live", "upgrade it to 2.12"} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one line with %q", err, want)
		}
	}
}

// TestOldServerSuite: the other parts of the suite hold there, with the same accounts.
func TestOldServerSuite(t *testing.T) {
	b := oldBus(t)
	messagingtest.Run(t, func(t *testing.T) messagingtest.Roles {
		if why, ok := lacking[path.Base(t.Name())]; ok {
			t.Skip(why)
		}
		m := member{bus: b, hub: b.dial(t, nats.HubRole), accounts: nats.NewAccounts(b.keys, b.dial(t, nats.SystemRole))}
		return m.roles(t, b.dial(t, nats.GatewayRole))
	})
}

// TestOldServerMember: accounts and exports by account token hold there too.
func TestOldServerMember(t *testing.T) {
	b := oldBus(t)
	hub := b.dial(t, nats.HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	m := joined(t, member{bus: b, hub: hub, accounts: nats.NewAccounts(b.keys, b.dial(t, nats.SystemRole))})
	m.speaks(t)
	m.works(t)
	m.revoked(t)
}

// TestOldServer: what a hub needs is not there, and nothing says so when it is used.
func TestOldServer(t *testing.T) {
	b := oldBus(t)
	hub := b.dial(t, nats.HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	ctx := t.Context()
	records, err := hub.Bucket(ctx, subject.Workloads)
	must(t, err)
	_, err = records.WriteAll(ctx, []messaging.Write{{Key: "a.a", Value: []byte("half")}, {Key: "a.b", Value: []byte("x"), Expected: 7}})
	if err == nil {
		t.Error("a batch with a conflict is taken")
	}
	if _, err := records.Get(ctx, "a.a"); err != nil {
		t.Errorf("the batch is stored in part no more (%v): let the suite run it", err)
	}
	one, err := hub.Acquire(ctx, "hub", []byte("a"), time.Second, 0)
	must(t, err)
	leases, err := hub.Bucket(ctx, subject.Leases)
	must(t, err)
	timer := time.NewTimer(2 * time.Second) // twice its lifetime
	defer timer.Stop()
	<-timer.C
	if e, err := leases.Get(ctx, "hub"); err != nil || e.Revision != one {
		t.Errorf("a lease ends by itself (%v): let the suite run it", err)
	}
}
