package probe

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A lost first packet is no dead API server: the second attempt connects while the
// first still waits.
func TestDialOutlivesLostPackets(t *testing.T) {
	var attempts atomic.Int64
	near, far := net.Pipe()
	defer far.Close()
	d := dialer{timeout: time.Minute, connect: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if attempts.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return near, nil
	}}
	conn, err := d.dial(t.Context(), "tcp", "")
	if err != nil || conn != near {
		t.Fatalf("got %v, %v", conn, err)
	}
	conn.Close()
	if way := time.Duration(d.way.Load()); way <= 0 || way > time.Minute/2 {
		t.Errorf("the round trip of the attempt that connected is %v", way)
	}
}

// A refusal is an answer, and is not asked for twice.
func TestDialTakesRefusal(t *testing.T) {
	var attempts atomic.Int64
	d := dialer{timeout: time.Minute, connect: func(context.Context, string, string) (net.Conn, error) {
		attempts.Add(1)
		return nil, syscall.ECONNREFUSED
	}}
	if _, err := d.dial(t.Context(), "tcp", ""); !errors.Is(err, syscall.ECONNREFUSED) || attempts.Load() != 1 {
		t.Fatalf("got %v after %d attempts", err, attempts.Load())
	}
}

func TestDialEnds(t *testing.T) {
	d := dialer{timeout: 250 * time.Millisecond, connect: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	if _, err := d.dial(t.Context(), "tcp", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}
