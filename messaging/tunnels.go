package messaging

import (
	"context"
	"net"
)

// StreamWindow is how many bytes of a stream's direction may be under way and not
// read: a writer waits when nobody reads. It also bounds a reader's memory.
const StreamWindow = 1 << 20

// Stream is one tunnel: a stream of bytes in each direction between a dialer and a
// service that a member serves. It is ordered and whole, or it ends with an error.
//
// Read returns io.EOF after the other side closed or closed for writing, and the
// bytes before that are all delivered. Other errors: os.ErrDeadlineExceeded, net.ErrClosed
// after this side closed, a *RemoteError when the other side aborted, one that wraps
// io.ErrClosedPipe when it writes to a side that has closed, and one that wraps
// ErrDisconnected when the path is gone. Close while a Write waits is an Abort.
type Stream interface {
	net.Conn
	// CloseWrite ends the direction from here; the other one goes on.
	CloseWrite() error
	// Abort ends both directions at once; the other side's Read and Write return a
	// *RemoteError of the kind. What was not read there yet may be lost.
	Abort(kind Kind) error
}

// Tunnels opens streams to members: the side of hub and gateways.
type Tunnels interface {
	// Open asks the member of the account for a stream to the service. It returns the
	// *RemoteError with which the member refuses, ErrTimeout when the member does not
	// answer before ctx ends, or in 10 s, and ErrDisconnected when the bus is away.
	Open(ctx context.Context, account, service string) (Stream, error)
}

// TunnelServer takes the streams that are opened to a member.
type TunnelServer interface {
	// Serve calls answer for each stream that is asked for, several at a time, until
	// ctx ends; then it ends every stream, waits until those who have one returned, and
	// returns the error of ctx. What answer returns gets the stream, which is closed
	// when it returns; an error refuses and reaches the dialer as a *RemoteError. The
	// context of answer ends after the stream's path has.
	Serve(ctx context.Context, answer func(ctx context.Context, service string) (func(Stream), error)) error
}

// StreamAddr is one end of a stream.
type StreamAddr struct {
	Account string // of the member; "" on the dialer's end
	Service string
}

// Network is "tunnel".
func (StreamAddr) Network() string { return "tunnel" }

// String is "account/service".
func (a StreamAddr) String() string { return a.Account + "/" + a.Service }
