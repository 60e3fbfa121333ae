package nats

import (
	"context"
	"strings"

	"github.com/nats-io/nats.go"
)

// Where a server of the bus tells that it has lost a connection of an account.
const (
	disconnectPrefix = "$SYS.ACCOUNT."
	disconnectSuffix = ".DISCONNECT"
)

// Disconnects calls hear, until ctx ends, with the account of each connection that a server
// of the bus has lost, whoever ended it; hear must not block. It only speeds things up: a
// server that dies itself tells nothing, one that hears no reset tells it late, and on a bus
// of others a system user without the right to listen hears nothing.
func (a *Accounts) Disconnects(ctx context.Context, hear func(account string)) error {
	subscription, err := a.system.Subscribe(disconnectPrefix+"*"+disconnectSuffix, func(m *nats.Msg) {
		hear(strings.TrimSuffix(strings.TrimPrefix(m.Subject, disconnectPrefix), disconnectSuffix))
	})
	if err != nil {
		return wrap(err, "listen for lost connections")
	}
	context.AfterFunc(ctx, func() { _ = subscription.Unsubscribe() }) // or the connection has ended
	return nil
}
