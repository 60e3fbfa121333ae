package probe

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// dialAgain is how long one attempt is alone. A kernel sends the first packet of a
// connection again after a second only, which is longer than a probe waits: with one
// attempt, one lost packet would look like a dead API server.
const dialAgain = 100 * time.Millisecond

// dialer connects by attempts side by side, of which the first that ends counts.
type dialer struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)
	timeout time.Duration
	// way is the time of TCP's handshake, a time.Duration: one round trip, in which
	// nothing of the other side but its kernel takes part.
	way atomic.Int64
}

// attempt is how one ended.
type attempt struct {
	conn net.Conn
	err  error
	took time.Duration
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	ended := make(chan attempt)
	try := func() {
		begin := time.Now()
		conn, err := d.connect(ctx, network, address)
		select {
		case ended <- attempt{conn: conn, err: err, took: time.Since(begin)}:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	}
	again := time.NewTicker(dialAgain)
	defer again.Stop()
	for {
		go try()
		select {
		case a := <-ended:
			if a.err == nil {
				d.way.Store(int64(a.took))
			}
			return a.conn, a.err
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-again.C:
		}
	}
}
