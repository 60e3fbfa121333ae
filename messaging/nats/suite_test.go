package nats

import (
	"context"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestSuite runs the suite on real servers, with the rights of a gateway, an agent and
// the hub; records are the hub's once, and once a gateway's.
func TestSuite(t *testing.T) {
	for _, topology := range topologies() {
		t.Run(topology.name, func(t *testing.T) {
			messagingtest.Run(t, func(t *testing.T) messagingtest.Roles { return topology.open(t).roles(t) })
		})
		t.Run(topology.name+" as a gateway", func(t *testing.T) {
			messagingtest.Run(t, func(t *testing.T) messagingtest.Roles {
				roles := topology.open(t).roles(t)
				roles.Buckets = roles.Requester.(*Conn)
				return roles
			})
		})
	}
}

func (w world) roles(t *testing.T) messagingtest.Roles {
	t.Helper()
	hub, gateway := w.dial(t, HubRole), w.dial(t, GatewayRole)
	must(t, hub.EnsureBuckets(t.Context()))
	member, account := w.member(t, hub, "tokyo")
	works, err := hub.WorkBucket(t.Context(), account)
	must(t, err)
	return messagingtest.Roles{
		Publisher: gateway, Subscriber: hub, Requester: gateway, Responder: hub, Admitter: hub, Buckets: hub, Leaser: hub,
		Works: works, Orders: member.Works(), MaxPayload: MaxPayload,
	}
}

// TestSuiteFaults runs the suite's faults on the connections of a hub and of a gateway
// that are not at the server that they use.
func TestSuiteFaults(t *testing.T) {
	for _, topology := range topologies() {
		t.Run(topology.name, func(t *testing.T) {
			messagingtest.RunFaults(t, func(t *testing.T) (messagingtest.Roles, messagingtest.Faults) {
				return topology.open(t).faulty(t, HubRole)
			})
		})
		t.Run(topology.name+" as a gateway", func(t *testing.T) {
			messagingtest.RunFaults(t, func(t *testing.T) (messagingtest.Roles, messagingtest.Faults) {
				return topology.open(t).faulty(t, GatewayRole)
			})
		})
	}
}

// faulty are the roles of one who reaches the bus by a proxy. Leases are a hub's.
func (w world) faulty(t *testing.T, role Role) (messagingtest.Roles, messagingtest.Faults) {
	t.Helper()
	around := w.dial(t, HubRole)
	must(t, around.EnsureBuckets(t.Context()))
	p, err := newProxy("127.0.0.1:0", strings.TrimPrefix(w.urls[0], "tls://"))
	must(t, err)
	t.Cleanup(p.close)
	dial := func(role Role) *Conn {
		c, err := w.connect(role, []string{"tls://" + p.address()})
		must(t, err)
		t.Cleanup(c.Close)
		return c
	}
	hub, one := dial(HubRole), dial(role)
	if role == GatewayRole {
		w.serve(t, one)
	}
	roles := messagingtest.Roles{Publisher: one, Requester: one, Buckets: leasesApart{one, hub}, Leaser: hub, MaxPayload: MaxPayload}
	return roles, messagingtest.Faults{
		Around: around,
		LoseAnswers: func(*testing.T) func() {
			p.down.hold(true)
			return func() {
				p.reset() // with what is held: it is lost
				p.mend()
			}
		},
		Cut: func(*testing.T) func() {
			p.cut()
			return p.mend
		},
	}
}

// leasesApart are the buckets of one, but for that of leases.
type leasesApart struct{ one, hub *Conn }

func (l leasesApart) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	if name == subject.Leases {
		return l.hub.Bucket(ctx, name)
	}
	return l.one.Bucket(ctx, name)
}
