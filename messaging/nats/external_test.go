package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bus is an external one whose servers were started from what ServerConfig says.
type bus struct {
	keys    *nats.Keys
	files   natstest.Files
	options nats.ExternalOptions
}

// externalBus starts n servers of one cluster.
func externalBus(t *testing.T, n int) *bus {
	t.Helper()
	addresses := natstest.Addresses(t, n)
	b := newBus(t, addresses...)
	b.options.Replicas = n
	natstest.Cluster(t, b.files, b.config(t, nats.Site{}), addresses)
	return b
}

// newBus makes keys and certificates for servers on the addresses.
func newBus(t *testing.T, addresses ...string) *bus {
	t.Helper()
	keys, err := nats.MakeKeys(t.TempDir())
	must(t, err)
	b := &bus{keys: keys, files: natstest.Certificates(t)}
	b.options = nats.ExternalOptions{CA: b.files.CA, Keys: keys, Replicas: 1}
	for _, a := range addresses {
		b.options.URLs = append(b.options.URLs, "tls://"+a)
	}
	return b
}

func (b *bus) config(t *testing.T, site nats.Site) string {
	t.Helper()
	if site.URLs == nil {
		site.URLs = b.options.URLs
	}
	config, err := b.keys.ServerConfig(site)
	must(t, err)
	return config
}

func (b *bus) open(t *testing.T) *nats.External {
	t.Helper()
	e, err := nats.OpenExternal(t.Context(), b.options)
	must(t, err)
	t.Cleanup(e.Shutdown)
	return e
}

func (b *bus) apply(t *testing.T, e *nats.External) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var said []string
		err := e.Apply(ctx, func(line string) { said = append(said, line) })
		if err == nil {
			return said
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func dial(t *testing.T, e *nats.External, role nats.Role) *nats.Conn {
	t.Helper()
	c, err := e.Dial(role)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// empty makes the buckets anew.
func empty(t *testing.T, hub *nats.Conn) {
	t.Helper()
	js := nats.JetStream(hub)
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		must(t, js.DeleteStream(t.Context(), name))
	}
	must(t, names.Err())
	until(t, func() error { return hub.EnsureBuckets(t.Context()) })
}

// TestExternalSuite: what is promised holds on a server that was started from the
// printed configuration.
func TestExternalSuite(t *testing.T) {
	b := externalBus(t, 1)
	e := b.open(t)
	b.apply(t, e)
	messagingtest.Run(t, func(t *testing.T) messagingtest.Roles {
		m := member{bus: b, hub: dial(t, e, nats.HubRole), accounts: e.Accounts}
		return m.roles(t, dial(t, e, nats.GatewayRole))
	})
}
