package peer

import (
	"net"
	"sync"
)

// boundedListener has at most so many connections at a time. Who comes when it is full is
// turned away at once, and asks again or somebody else; to wait would not tell him.
type boundedListener struct {
	net.Listener
	slots chan struct{}
}

func bounded(l net.Listener, most int) net.Listener {
	return &boundedListener{Listener: l, slots: make(chan struct{}, most)}
}

// Accept returns the next connection for which there is room.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &slotted{Conn: conn, free: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = conn.Close()
		}
	}
}

// slotted gives its slot back when it is closed.
type slotted struct {
	net.Conn
	free func()
}

// Close ends the connection.
func (c *slotted) Close() error {
	defer c.free()
	return c.Conn.Close()
}
