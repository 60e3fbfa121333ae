// Package messagingtest is the suite that every implementation of the roles in
// package messaging has to pass.
//
// It uses subjects and buckets that gateways and the hub have rights for, so that
// it runs on a bus with least privileges too.
package messagingtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
)

// Roles are the parts of one bus, with empty buckets.
type Roles struct {
	Publisher  messaging.Publisher  // may speak as a gateway
	Subscriber messaging.Subscriber // hears gateways
	Requester  messaging.Requester  // may ask as a gateway
	Responder  messaging.Responder  // answers as the hub
	Buckets    messaging.Buckets    // as the hub, or a gateway for what gateways write
	Leaser     messaging.Leaser
	Admitter   messaging.Admitter // answers as the hub
	Works      messaging.Bucket   // of one member, as the hub writes them; nil: nobody has any
	Orders     messaging.Orders   // the same, as its agent reads them
	MaxPayload int                // bytes
}

// limit bounds every wait.
const limit = 20 * time.Second

// Run runs the suite; open is called for each test.
func Run(t *testing.T, open func(t *testing.T) Roles) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Roles)
	}{
		{"publish", publish},
		{"request", request},
		{"compare and set", compareAndSet},
		{"delete", deletion},
		{"write all", writeAll},
		{"follow", follow},
		{"follow filter", followFilter},
		{"follow deletes", followDeletes},
		{"follow ends", followEnds},
		{"follow traces", followTraces},
		{"request trace", requestTrace},
		{"lease", lease},
		{"too large", tooLarge},
		{"batch limits", batchLimits},
		{"batch over markers", batchOverMarkers},
		{"deletion markers", deletionMarkers},
		{"renewed lease", renewedLease},
		{"released lease", releasedLease},
		{"oversize", oversize},
		{"long refusal", longRefusal},
		{"many requests", manyRequests},
		{"admission", admission},
		{"slow follower", slowFollower},
		{"orders", orders},
		{"orders again", ordersAgain},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}
