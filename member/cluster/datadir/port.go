package datadir

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Listen opens the API server's port and records it. at is the configured address
// and port; when the port is 0 the recorded one is taken again, and when there is
// none, a free one. A taken port is an error: clients know the old one.
func (d *Dir) Listen(record Record, at netip.AddrPort) (net.Listener, error) {
	if at.Port() == 0 {
		at = netip.AddrPortFrom(at.Addr(), uint16(record.APIPort))
	}
	listener, err := net.Listen("tcp4", at.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of %v for the API server is taken: stop what uses it or set apiPort to another", at.Port(), at.Addr())
	}
	if err != nil {
		return nil, fmt.Errorf("open port %d of %v for the API server: %w", at.Port(), at.Addr(), err)
	}
	record.APIPort = listener.Addr().(*net.TCPAddr).Port
	if err := d.SaveRecord(record); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}
