package tunnel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/hansa-io/hansa/messaging"
)

// stream adds to the multiplexer's stream what a net.Conn promises: concurrent calls,
// a Close that the other side's writers notice, and errors that callers branch on.
type stream struct {
	inner         *yamux.Stream
	local, remote messaging.StreamAddr
	in, out       sync.Mutex // one reader and one writer at a time
	closed        atomic.Bool
}

var _ messaging.Stream = (*stream)(nil)

// Read waits for bytes.
func (s *stream) Read(b []byte) (int, error) {
	s.in.Lock()
	defer s.in.Unlock()
	n, err := s.inner.Read(b)
	if n > 0 {
		return n, nil
	}
	return 0, s.explained(err)
}

// Write waits until all of b is on its way, of which at most a window is not read yet.
func (s *stream) Write(b []byte) (int, error) {
	s.out.Lock()
	defer s.out.Unlock()
	if s.closed.Load() {
		return 0, net.ErrClosed
	}
	n, err := s.inner.Write(b)
	return n, s.explained(err)
}

// explained maps the multiplexer's errors to those that Stream promises.
func (s *stream) explained(err error) error {
	var reset *yamux.StreamError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return err
	case s.closed.Load(), errors.Is(err, yamux.ErrStreamClosed):
		return net.ErrClosed
	case errors.Is(err, yamux.ErrTimeout):
		return os.ErrDeadlineExceeded
	case errors.Is(err, messaging.ErrDisconnected):
		return err
	case errors.As(err, &reset) && !reset.Remote:
		return net.ErrClosed
	case errors.As(err, &reset) && reset.ErrorCode == 0:
		return fmt.Errorf("%s: the other side closed the stream: %w", s.remote, io.ErrClosedPipe)
	case errors.As(err, &reset):
		kind := kindOf(reset.ErrorCode)
		return messaging.Errorf(kind, "%s: the other side aborted the stream: %s", s.remote, kind)
	}
	return fmt.Errorf("%s: %w: %w", s.remote, messaging.ErrDisconnected, err)
}

// CloseWrite sends the end of the stream after what was written.
func (s *stream) CloseWrite() error { return s.explained(s.inner.CloseWrite()) }

// closing is how long Close waits until its message is queued.
const closing = 2 * time.Second

// Close ends both directions. What was written before is delivered; when a Write waits,
// which is cut short, the other side must not take that for the end.
func (s *stream) Close() error {
	if !s.out.TryLock() {
		return s.Abort(messaging.Unavailable)
	}
	defer s.out.Unlock()
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	s.leave(func() {
		_ = s.inner.CloseWrite() // fails when the stream is over
		// The reset comes after the end of the stream: a reader is not hit by it, only
		// a writer that would else wait for ever.
		_ = s.inner.Reset()
	})
	return nil
}

// Abort ends both directions with an error on the other side.
func (s *stream) Abort(kind messaging.Kind) error {
	if s.closed.Swap(true) {
		return net.ErrClosed
	}
	s.leave(func() { _ = s.inner.ResetWithError(codeOf(kind)) })
	return nil
}

// leave frees those who wait in Read and Write, and says goodbye without letting a
// full pipe hold the caller.
func (s *stream) leave(goodbye func()) {
	_ = s.inner.SetDeadline(time.Unix(1, 0)) // cannot fail
	said := make(chan struct{})
	go func() {
		defer close(said)
		goodbye()
	}()
	select {
	case <-said:
	case <-time.After(closing):
	}
}

// LocalAddr names this end.
func (s *stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr names the other end.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline is that of net.Conn.
func (s *stream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline is that of net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error { return s.setDeadline(s.inner.SetReadDeadline, t) }

// SetWriteDeadline is that of net.Conn.
func (s *stream) SetWriteDeadline(t time.Time) error {
	return s.setDeadline(s.inner.SetWriteDeadline, t)
}

func (s *stream) setDeadline(set func(time.Time) error, t time.Time) error {
	if s.closed.Load() {
		return net.ErrClosed
	}
	return set(t)
}
