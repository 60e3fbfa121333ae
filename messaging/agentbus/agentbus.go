// Package agentbus lets an agent reach the bus: the same way for one that lives with its
// cluster in a process, and for one that was attached.
package agentbus

import (
	"log/slog"

	"github.com/hansa-io/hansa/member"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/seal"
)

// Complete sets what an agent's options need of the bus, its keys and its connections,
// and the log of both.
func Complete(o member.Options, log *slog.Logger) member.Options {
	o.Logger = log
	o.Keys = access.Keys{New: nats.NewUserKey, Sign: nats.Sign, Read: nats.ReadUser}
	o.NewSealKey, o.Unseal = seal.NewKey, seal.Open
	o.Dial = func(c member.Connection) (member.Bus, error) { return dial(c, log, true) }
	o.Tunnels = func(control member.Bus, bulk member.Connection) messaging.TunnelServer {
		return nats.NewTunnelServer(control.(*nats.Conn), func() (*nats.Conn, error) { return dial(bulk, log, false) })
	}
	return o
}

// dial connects an agent to the bus; patient ones are tried for ever.
func dial(c member.Connection, log *slog.Logger, patient bool) (*nats.Conn, error) {
	return nats.Dial(nats.DialOptions{
		Source: func() (nats.Access, error) {
			now := c.Credentials()
			return nats.Access{URLs: now.BusURLs, CA: now.BusCA, Credentials: nats.Credentials{JWT: now.JWT, Seed: now.Seed}}, nil
		},
		Name: c.Name, Account: c.Account, First: c.First, Refused: c.Refused, Log: log, Patient: patient,
	})
}
