package inproc

import (
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// Tunnels opens tunnels to members as the hub or gateway of that name, which is a
// token of subjects.
func (b *Bus) Tunnels(name string) *tunnel.Dialer { return tunnel.NewDialer(b, name) }

// TunnelServer takes the tunnels of the member with the account.
func (b *Bus) TunnelServer(account string) *tunnel.Server {
	return tunnel.NewServer(tunnel.ServerOptions{
		Control: b, Account: account, Wide: true,
		Bulk: func() (tunnel.Bulk, error) { return bulk{b}, nil },
	})
}

// bulk is the bus as a connection, of which there is only one.
type bulk struct{ *Bus }

// Close does nothing.
func (bulk) Close() {}

// Lost is closed at the next Cut.
func (b *Bus) Lost() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lost
}

// Cut ends all tunnels, as the loss of a connection does.
func (b *Bus) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.lost)
	b.lost = make(chan struct{})
}
