package tunnel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

const account = "TOKYO"

// wire is a bus whose messages a test can lose, double and change.
type wire struct {
	*inproc.Bus
	closed atomic.Int32

	mu   sync.Mutex
	pass func(subject string, f flow.Frame) []flow.Frame // nil: as it is
}

func (w *wire) interfere(pass func(string, flow.Frame) []flow.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass = pass
}

// Publish publishes what the test makes of the message.
func (w *wire) Publish(subj string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := flow.Decode(data)
	if w.pass == nil || err != nil {
		return errors.Join(err, w.Bus.Publish(subj, data))
	}
	for _, f := range w.pass(subj, f) {
		err = errors.Join(err, w.Bus.Publish(subj, f.Encode()))
	}
	return err
}

// Close counts.
func (w *wire) Close() { w.closed.Add(1) }

// federation is a dialer and a member that serves echo, in a bubble with its own time.
type federation struct {
	*wire
	*tunnel.Dialer
	dials atomic.Int32 // of bulk connections
}

// inBubble runs a test with everything started, and ends everything.
func inBubble(t *testing.T, test func(*testing.T, *federation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &federation{wire: &wire{Bus: inproc.New()}}
		f.Dialer = tunnel.NewDialer(f.wire, "gateway")
		server := tunnel.NewServer(tunnel.ServerOptions{
			Control: f.wire, Account: account, Wide: true,
			Bulk: func() (tunnel.Bulk, error) { f.dials.Add(1); return f.wire, nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(ctx, echo) }()
		synctest.Wait()
		test(t, f)
		f.Dialer.Close()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("serving ended with %v", err)
		}
	})
}

// elapse lets time pass in the bubble; nobody waits for it.
func elapse(d time.Duration) { <-time.After(d) }

func echo(context.Context, string) (func(messaging.Stream), error) {
	return func(s messaging.Stream) { _, _ = io.Copy(s, s) }, nil
}

func (f *federation) open(t *testing.T) messaging.Stream {
	t.Helper()
	s, err := f.Open(t.Context(), account, "echo")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func says(t *testing.T, s messaging.Stream, text string) {
	t.Helper()
	go func() { _, _ = s.Write([]byte(text)) }() // what is read back tells
	back := make([]byte, len(text))
	if _, err := io.ReadFull(s, back); err != nil || string(back) != text {
		t.Fatalf("%.20q comes back as %.20q, %v", text, back, err)
	}
}

// TestInterference: a frame of the middle that is lost, comes twice or late ends every
// stream with an error at both ends, and no wrong byte is read.
func TestInterference(t *testing.T) {
	var held []flow.Frame
	for name, what := range map[string]func(flow.Frame) []flow.Frame{
		"lost":    func(flow.Frame) []flow.Frame { return nil },
		"doubled": func(f flow.Frame) []flow.Frame { return []flow.Frame{f, f} },
		"late": func(f flow.Frame) []flow.Frame {
			if held = append(held, f); len(held) < 2 {
				return nil
			}
			return []flow.Frame{held[1], held[0]}
		},
		"forged":  func(f flow.Frame) []flow.Frame { f.Number += 5; return []flow.Frame{f} },
		"too big": func(f flow.Frame) []flow.Frame { f.Taken += 1 << 40; return []flow.Frame{f} },
	} {
		for _, direction := range []string{".down.tunnel.", ".up.tunnel."} {
			t.Run(name+direction, func(t *testing.T) {
				inBubble(t, func(t *testing.T, f *federation) {
					held = nil
					s := f.open(t)
					says(t, s, "before")
					f.interfere(interfering(direction, what))
					interfered(t, s)
					f.interfere(nil)
					says(t, f.open(t), "after")
				})
			})
		}
	}
}

// interfering does what to two data frames, the third and fourth of the direction.
func interfering(direction string, what func(flow.Frame) []flow.Frame) func(string, flow.Frame) []flow.Frame {
	count := 0
	return func(subj string, f flow.Frame) []flow.Frame {
		if strings.Contains(subj, direction) && f.Kind == flow.Data {
			if count++; count == 3 || count == 4 {
				return what(f)
			}
		}
		return []flow.Frame{f}
	}
}

func interfered(t *testing.T, s messaging.Stream) {
	t.Helper()
	_ = s.SetDeadline(time.Now().Add(time.Minute)) // an error of its own, when the stream goes on
	sent := make([]byte, 600<<10)
	for i := range sent {
		sent[i] = byte(i / 1000)
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for err := error(nil); err == nil; _, err = s.Write(sent) {
		}
	}()
	got, err := io.ReadAll(io.LimitReader(s, 16<<20))
	if !errors.Is(err, messaging.ErrDisconnected) {
		t.Errorf("the stream goes on for %d bytes, then %v", len(got), err)
	}
	<-wrote
	for i, b := range got {
		if b != sent[i%len(sent)] {
			t.Fatalf("byte %d is wrong", i)
		}
	}
}

// TestSilence: when no message passes any more, and nobody is told, both ends notice in
// time, also those that only wait.
func TestSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, f *federation) {
		s := f.open(t)
		says(t, s, "before")
		f.interfere(func(string, flow.Frame) []flow.Frame { return nil })
		start := time.Now()
		_ = s.SetDeadline(start.Add(time.Minute))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, messaging.ErrDisconnected) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("noticed after %s", took)
		}
		synctest.Wait()
		elapse(2 * time.Second) // for the other end
		synctest.Wait()
		if f.closed.Load() != 1 {
			t.Error("the member keeps its connection")
		}
		f.interfere(nil)
		says(t, f.open(t), "after")
	})
}

// TestLostBeginning: each kind of frame by which a pipe begins may be lost.
func TestLostBeginning(t *testing.T) {
	for kind := flow.Open; kind <= flow.Ready; kind++ {
		t.Run(fmt.Sprint("kind ", kind), func(t *testing.T) {
			inBubble(t, func(t *testing.T, f *federation) {
				lost := 0
				f.interfere(func(_ string, f flow.Frame) []flow.Frame {
					if f.Kind == kind && lost < 2 {
						lost++
						return nil
					}
					return []flow.Frame{f}
				})
				says(t, f.open(t), "hello")
				if lost == 0 {
					t.Error("nothing was lost: the check could not fail")
				}
			})
		})
	}
}

// TestIdle: a stream lives without a byte for as long as it is open; a pipe ends a
// while after its last stream, and with it the member's connection.
func TestIdle(t *testing.T) {
	inBubble(t, func(t *testing.T, f *federation) {
		s := f.open(t)
		elapse(time.Hour)
		says(t, s, "still here")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		elapse(30 * time.Second)
		again := f.open(t)
		if f.dials.Load() != 1 {
			t.Error("a stream soon after the last one takes another connection")
		}
		_ = again.Close()
		elapse(2 * time.Minute)
		synctest.Wait()
		if f.closed.Load() != 1 {
			t.Error("the member keeps its connection")
		}
		says(t, f.open(t), "anew")
	})
}

// TestTooMany: the streams of a pipe and the pipes of a member are limited, with an
// error that says so, and the limit ends with what filled it.
func TestTooMany(t *testing.T) {
	unavailable := func(t *testing.T, err error) {
		t.Helper()
		var remote *messaging.RemoteError
		if !errors.As(err, &remote) || remote.Kind != messaging.Unavailable {
			t.Errorf("got %v", err)
		}
	}
	t.Run("streams", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *federation) {
			var open []messaging.Stream
			for range 256 {
				elapse(10 * time.Millisecond) // below the rate
				open = append(open, f.open(t))
			}
			_, err := f.Open(t.Context(), account, "echo")
			unavailable(t, err)
			_ = open[7].Close()
			says(t, f.open(t), "in its place")
		})
	})
	t.Run("rate", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *federation) {
			refused := 0
			for range 1000 {
				s, err := f.Open(t.Context(), account, "echo")
				if err != nil {
					unavailable(t, err)
					refused++
					continue
				}
				_ = s.Close()
			}
			if refused < 500 {
				t.Errorf("of 1000 in a moment %d are refused", refused)
			}
		})
	})
	t.Run("pipes", func(t *testing.T) {
		inBubble(t, func(t *testing.T, f *federation) {
			for i := range 33 {
				d := tunnel.NewDialer(f.wire, fmt.Sprint("gateway", i))
				defer d.Close()
				elapse(time.Second) // below the rate
				_, err := d.Open(t.Context(), account, "echo")
				if i < 32 && err != nil {
					t.Fatalf("gateway %d: %v", i, err)
				}
				if i == 32 {
					unavailable(t, err)
				}
			}
		})
	})
}
