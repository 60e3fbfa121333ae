package nats

import (
	"strings"
	"testing"

	"github.com/hansa-io/hansa/messaging/messagingtest"
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

// TestSuiteFaults runs the suite's faults on the connection of a hub that is not at
// the server that it uses.
func TestSuiteFaults(t *testing.T) {
	for _, topology := range topologies() {
		t.Run(topology.name, func(t *testing.T) {
			messagingtest.RunFaults(t, func(t *testing.T) (messagingtest.Roles, messagingtest.Faults) {
				w := topology.open(t)
				around := w.dial(t, HubRole)
				must(t, around.EnsureBuckets(t.Context()))
				p, err := newProxy("127.0.0.1:0", strings.TrimPrefix(w.urls[0], "tls://"))
				must(t, err)
				t.Cleanup(p.close)
				hub, err := w.connect(HubRole, []string{"tls://" + p.address()})
				must(t, err)
				t.Cleanup(hub.Close)
				roles := messagingtest.Roles{Publisher: hub, Requester: hub, Buckets: hub, Leaser: hub, MaxPayload: MaxPayload}
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
			})
		})
	}
}
