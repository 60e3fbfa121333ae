package nats

import (
	"fmt"
	"slices"

	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// NewTunnels opens tunnels over the connection of a hub or gateway. It should be one
// that carries nothing else, so that bulk data delays nothing.
func NewTunnels(c *Conn) (*tunnel.Dialer, error) {
	if c.user == nil {
		return nil, fmt.Errorf("open tunnels: the connection has no credentials of a user")
	}
	name := c.user.Subject
	if c.gateway != "" {
		name = c.gateway
	}
	all := ownTunnels(name)
	if c.account != "" {
		return nil, fmt.Errorf("open tunnels: a member takes tunnels and opens none")
	}
	if allow := c.user.Sub.Allow; len(allow) > 0 && !slices.Contains(allow, all.Up()) {
		return nil, fmt.Errorf("open tunnels: the credentials are older than tunnels and do not permit them: make new ones with \"hansa hub credentials\"")
	}
	return tunnel.NewDialer(c, name), nil
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

// ownTunnels names all tunnels of a gateway, or of a user of the account HUB.
func ownTunnels(dialer string) subject.Tunnel {
	return subject.Tunnel{Account: "*", Dialer: dialer, Session: "*"}
}
