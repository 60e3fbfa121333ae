package nats

import (
	"testing"

	"github.com/hansa-io/hansa/messaging/messagingtest"
)

// TestSuite runs the suite on a real server, with the rights of a gateway and of
// the hub.
func TestSuite(t *testing.T) {
	for _, topology := range topologies() {
		t.Run(topology.name, func(t *testing.T) {
			messagingtest.Run(t, func(t *testing.T) messagingtest.Roles {
				w := topology.open(t)
				hub, gateway := w.dial(t, HubRole), w.dial(t, GatewayRole)
				if err := hub.EnsureBuckets(t.Context()); err != nil {
					t.Fatal(err)
				}
				return messagingtest.Roles{
					Publisher: gateway, Subscriber: hub, Requester: gateway, Responder: hub, Buckets: hub, Leaser: hub, MaxPayload: MaxPayload,
				}
			})
		})
	}
}
