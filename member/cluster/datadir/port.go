package datadir

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// Listen opens the API server's loopback port and records it. wanted is the
// configured port; when it is 0 the recorded one is taken again, and when there
// is none, a free one. A taken port is an error: clients know the old one.
func (d *Dir) Listen(record Record, wanted int) (net.Listener, error) {
	port := wanted
	if port == 0 {
		port = record.APIPort
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d of 127.0.0.1 for the API server is taken: stop what uses it or set apiPort to another", port)
	}
	if err != nil {
		return nil, fmt.Errorf("open port %d of 127.0.0.1 for the API server: %w", port, err)
	}
	record.APIPort = listener.Addr().(*net.TCPAddr).Port
	if err := d.SaveRecord(record); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}
