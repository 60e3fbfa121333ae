package nats

import (
	"fmt"

	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// NewTunnels opens tunnels over the connection of a gateway. It should be one that
// carries nothing else, so that bulk data delays nothing.
func NewTunnels(c *Conn) (*tunnel.Dialer, error) {
	if c.account != "" {
		return nil, fmt.Errorf("open tunnels: a member takes tunnels and opens none")
	}
	if c.gateway == "" {
		return nil, fmt.Errorf("open tunnels: the credentials are of no gateway, or of one of an earlier version: make new ones with \"hansa hub credentials\"")
	}
	return tunnel.NewDialer(c, c.gateway), nil
}

// NewTunnelServer takes the tunnels of the member whose agent's connection is control.
// Their frames go over connections that bulk makes, one at a time and only while there
// are tunnels.
func NewTunnelServer(control *Conn, bulk func() (*Conn, error)) *tunnel.Server {
	return tunnel.NewServer(tunnel.ServerOptions{
		Control: control, Account: control.account,
		Bulk: func() (tunnel.Bulk, error) { return bulk() },
	})
}

// ownTunnels names all tunnels of a gateway.
func ownTunnels(dialer string) subject.Tunnel {
	return subject.Tunnel{Account: "*", Dialer: dialer, Session: "*"}
}
