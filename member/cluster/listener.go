package cluster

import (
	"errors"
	"net"
	"sync"
)

// joined accepts from two listeners as if they were one. Its address is that of
// the first.
type joined struct {
	net.Listener
	second net.Listener
	conns  chan net.Conn
	ended  chan struct{}
	end    func()
}

func join(first, second net.Listener) net.Listener {
	ended := make(chan struct{})
	j := &joined{
		Listener: first, second: second, conns: make(chan net.Conn), ended: ended,
		end: sync.OnceFunc(func() { close(ended) }),
	}
	go j.accept(first)
	go j.accept(second)
	return j
}

func (j *joined) accept(from net.Listener) {
	for {
		conn, err := from.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		select {
		case j.conns <- conn:
		case <-j.ended:
			conn.Close()
			return
		}
	}
}

// Accept returns the next connection from either.
func (j *joined) Accept() (net.Conn, error) {
	select {
	case conn := <-j.conns:
		return conn, nil
	case <-j.ended:
		return nil, net.ErrClosed
	}
}

// Close closes both.
func (j *joined) Close() error {
	j.end()
	return errors.Join(j.Listener.Close(), j.second.Close())
}
