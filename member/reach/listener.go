package reach

import (
	"context"
	"net"
	"sync"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// listener gives streams to an http.Server as connections.
type listener struct {
	ctx   context.Context //nolint:containedctx // of the server's life; Accept has none
	conns chan net.Conn
}

// Accept returns the next stream.
func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close does nothing: the context ends the listener.
func (listener) Close() error { return nil }

// Addr is that of a tunnel.
func (listener) Addr() net.Addr { return messaging.StreamAddr{Service: subject.TunnelAPI} }

// conn is a stream that tells when it is closed.
type conn struct {
	messaging.Stream
	once   sync.Once
	closed chan struct{}
}

// connKey is where a request's context has its *conn.
type connKey struct{}

// Close closes the stream.
func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Stream.Close()
}

// give hands the stream to the server, and waits until it is closed, by one side or by
// the end of the tunnel.
func (l listener) give(ctx context.Context, s messaging.Stream) {
	c := &conn{Stream: s, closed: make(chan struct{})}
	select {
	case l.conns <- c:
	case <-l.ctx.Done():
		return
	}
	select {
	case <-c.closed:
	case <-ctx.Done():
		_ = c.Close()
	}
}
