package kubeproxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// farewell is how long a caller may keep a connection that the member has ended.
const farewell = time.Minute

// upgraded is the member's end of a connection that has changed its protocol. Each
// direction ends by itself: that the member takes nothing more does not end what comes
// from it.
type upgraded struct {
	io.ReadWriteCloser
	cut  *atomic.Bool
	deaf bool // the member takes nothing more
}

// upgrade watches over a connection that changes its protocol.
func upgrade(answer *http.Response) error {
	inner, ok := answer.Body.(io.ReadWriteCloser)
	req, known := answer.Request.Context().Value(requestKey{}).(request)
	if answer.StatusCode == http.StatusSwitchingProtocols && ok && known {
		answer.Body = &upgraded{ReadWriteCloser: inner, cut: req.cut}
	}
	return nil
}

// Read notes whether what comes from the member ends, or breaks off.
func (u *upgraded) Read(b []byte) (int, error) {
	n, err := u.ReadWriteCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		u.cut.Store(true)
	}
	return n, err
}

// Write sends what the caller says, for as long as the member takes it.
func (u *upgraded) Write(b []byte) (int, error) {
	if !u.deaf {
		_, err := u.ReadWriteCloser.Write(b)
		u.deaf = err != nil
	}
	return len(b), nil
}

// CloseWrite says that the caller will say nothing more.
func (u *upgraded) CloseWrite() error {
	half, ok := u.ReadWriteCloser.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	if err := half.CloseWrite(); errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // else it has ended already
}

// caller is the caller's end of such a connection.
type caller struct {
	net.Conn
	cut *atomic.Bool
}

// Hijack gives the connection away.
func (w *watched) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, both, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &caller{Conn: conn, cut: w.cut}, both, nil
}

// CloseWrite tells the caller that the member has ended.
func (c *caller) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	return errors.Join(half.CloseWrite(), c.SetReadDeadline(time.Now().Add(farewell)))
}

// Close ends the connection; by a reset when what came from the member broke off, since
// many take a TLS connection that ends without a farewell for one that ended well.
func (c *caller) Close() error {
	if t, ok := c.Conn.(*tls.Conn); ok && c.cut.Load() {
		if tcp, ok := t.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // else it is closed as others are
			_ = tcp.Close()
		}
	}
	return c.Conn.Close()
}
