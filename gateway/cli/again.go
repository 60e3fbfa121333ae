package cli

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A hub that was lost is followed by another within this time: the lease of the
// leader ends after 5 s, and the bus elects within 4 to 9 s.
const (
	repeatFor   = 20 * time.Second
	repeatEvery = 250 * time.Millisecond
	resumeFor   = 30 * time.Second

	resumeQuietly = 3 * time.Second // another gateway is found within that
)

// requestTimeout bounds each single request with its repetitions; streams have no
// bound.
const requestTimeout = 30 * time.Second

// bounded gives each request that has no deadline one, and repeats those that may be
// repeated while the gateway that was asked went away or knows no hub that leads.
func bounded(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	began := time.Now()
	for {
		err := invoke(ctx, method, request, reply, conn, options...)
		if !passing(err) || !repeatable(method) || time.Since(began) > repeatFor || !pause(ctx, repeatEvery) {
			return err
		}
	}
}

// passing reports an error that another attempt may not meet. When no gateway can be
// reached at all, the federation is down, and that is told at once.
func passing(err error) bool {
	return status.Code(err) == codes.Unavailable && !strings.Contains(err.Error(), "rror while dialing") && !strings.Contains(err.Error(), "authentication handshake failed")
}

// repeatable reports whether a request may reach the hub twice: what reads, and what
// says how things are to be rather than what is to be done.
func repeatable(method string) bool {
	name := method[strings.LastIndex(method, "/")+1:]
	for _, prefix := range []string{"Get", "List", "Explain", "Resolve", "Simulate", "Replay", "Apply", "Delete"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// errWatchEnded is a watch that its gateway ended before its time.
var errWatchEnded = status.Error(codes.Unavailable, "the gateway ended the watch")

// resuming opens a watch again when its gateway goes away, until no gateway was heard
// of for resumeFor. watch calls heard for each message.
func (c call) resuming(progress *progress, watch func(heard func()) error) error {
	var lost time.Time // when the present gap began
	for {
		err := watch(func() { lost = time.Time{} })
		if lost.IsZero() {
			lost = time.Now()
		}
		if status.Code(err) != codes.Unavailable || c.cmd.Context().Err() != nil || time.Since(lost) > resumeFor {
			return err
		}
		if time.Since(lost) > resumeQuietly {
			progress.show("no gateway answers, trying again")
		}
		if !pause(c.cmd.Context(), repeatEvery) {
			return err
		}
	}
}

// pause waits and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
