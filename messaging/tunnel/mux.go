package tunnel

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
)

// The measures of streams.
const (
	maxStreams = 256              // of one pipe
	chunk      = 32 << 10         // bytes of one message on the bus
	opening    = 10 * time.Second // for everything that an opener and a member say first
)

// multiplexing is the multiplexer's configuration. Liveness and time limits are the
// pipe's business.
func multiplexing(incoming uint32) *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive, c.MeasureRTTInterval = false, 24*time.Hour
	c.AcceptBacklog, c.MaxIncomingStreams = maxStreams, incoming
	c.InitialStreamWindowSize, c.MaxStreamWindowSize = messaging.StreamWindow, messaging.StreamWindow
	c.MaxMessageSize, c.LogOutput = chunk, io.Discard
	return c
}

// readBlock reads one block that package flow wrote.
func readBlock(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size, err := flow.BlockSize(head)
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = io.ReadFull(r, b)
	return b, err
}

// introduce says on a new stream what it is for, and waits for the member's verdict.
func introduce(ctx context.Context, s *stream, ask flow.Ask) error {
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.SetDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = s.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := s.Write(flow.Block(ask.Encode())); err != nil {
		return err
	}
	v, err := readVerdict(s)
	switch {
	case err != nil:
		return err
	case v.Kind != "":
		return &messaging.RemoteError{Kind: known(v.Kind), Text: v.Text}
	case !stop():
		return context.Cause(ctx)
	}
	return s.SetDeadline(time.Time{})
}

func readVerdict(s *stream) (flow.Verdict, error) {
	b, err := readBlock(s)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return flow.Verdict{}, messaging.Errorf(messaging.Unavailable, "the member takes no more streams at present")
	case err != nil:
		return flow.Verdict{}, err
	}
	return flow.DecodeVerdict(b)
}
