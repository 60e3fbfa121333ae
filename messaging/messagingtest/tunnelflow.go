package messagingtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
)

// bothWays: 64 MiB in each direction at once arrive whole.
func bothWays(t *testing.T, w *tunnels) {
	const size = 64 << 20
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dialer, member := w.mustPair(ctx, t)
	var all sync.WaitGroup
	for i, ends := range [][2]messaging.Stream{{dialer, member}, {member, dialer}} {
		sent := make(chan [sha256.Size]byte, 1)
		all.Go(func() {
			hash, source := sha256.New(), rand.New(rand.NewSource(int64(i)))
			_, err := io.CopyN(io.MultiWriter(hash, ends[0]), source, size)
			if err = errors.Join(err, ends[0].CloseWrite()); err != nil {
				t.Errorf("direction %d: write: %v", i, err)
			}
			sent <- [sha256.Size]byte(hash.Sum(nil))
		})
		all.Go(func() {
			hash := sha256.New()
			n, err := io.Copy(hash, ends[1])
			if want := <-sent; err != nil || n != size || [sha256.Size]byte(hash.Sum(nil)) != want {
				t.Errorf("direction %d: %d of %d bytes came, %v, or others than were sent", i, n, size, err)
			}
		})
	}
	all.Wait()
}

// fill writes until nobody takes more, and returns how much went.
func fill(t *testing.T, s messaging.Stream) int {
	t.Helper()
	sent, piece := 0, make([]byte, 10_000)
	for {
		must[struct{}](t)(struct{}{}, s.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		n, err := s.Write(piece)
		sent += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return sent
		}
		if err != nil || sent > 64<<20 {
			t.Fatalf("%d bytes went and nobody reads, %v", sent, err)
		}
	}
}

// window: a writer waits when nobody reads, after at most a window, and goes on when
// somebody does.
func window(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	dialer, member := w.mustPair(ctx, t)
	for _, ends := range [][2]messaging.Stream{{dialer, member}, {member, dialer}} {
		sent := fill(t, ends[0])
		if sent > messaging.StreamWindow || sent < messaging.StreamWindow/2 {
			t.Errorf("%d bytes went, and the window is %d", sent, messaging.StreamWindow)
		}
		must[struct{}](t)(struct{}{}, ends[0].SetWriteDeadline(time.Time{}))
		rest := make(chan error, 1)
		go func() {
			_, err := ends[0].Write(make([]byte, 3*messaging.StreamWindow))
			rest <- errors.Join(err, ends[0].CloseWrite())
		}()
		n, err := io.Copy(io.Discard, ends[1])
		if err = errors.Join(err, <-rest); err != nil || n != int64(sent+3*messaging.StreamWindow) {
			t.Errorf("%d bytes came after %d, %v", n, sent, err)
		}
	}
}

// closeInWrite: a write that is cut short by Close is no end of what was written.
func closeInWrite(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for _, flip := range []bool{false, true} {
		one, other := w.mustPair(ctx, t)
		if flip {
			one, other = other, one
		}
		sent := fill(t, one)
		must[struct{}](t)(struct{}{}, one.SetWriteDeadline(time.Time{}))
		wrote := make(chan error, 1)
		go func() {
			_, err := one.Write(make([]byte, 8*messaging.StreamWindow))
			wrote <- err
		}()
		_ = must[int64](t)(io.CopyN(io.Discard, other, int64(sent)+1)) // it writes
		must[struct{}](t)(struct{}{}, one.Close())
		wants(t, <-wrote, net.ErrClosed)
		var remote *messaging.RemoteError
		if n, err := io.Copy(io.Discard, other); !errors.As(err, &remote) {
			t.Errorf("after %d bytes the other side reads %v", n, err)
		}
	}
}

// slowReader: streams that nobody reads stop no other one, in either direction.
func slowReader(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	for range 4 {
		dialer, member := w.mustPair(ctx, t)
		fill(t, dialer)
		fill(t, member)
	}
	if err := exchange(w.open(ctx, t, "echo"), noise(3, 16<<20)); err != nil {
		t.Error(err)
	}
}

// manyStreams: 200 at once, each with its own bytes.
func manyStreams(t *testing.T, w *tunnels) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	ready, leave := make(chan struct{}, 200), make(chan struct{})
	for i := range 200 {
		all.Go(func() {
			s, err := w.Tunnels.Open(ctx, w.Account, "echo")
			if err != nil {
				t.Errorf("stream %d: %v", i, err)
				ready <- struct{}{}
				return
			}
			defer s.Close()
			ready <- struct{}{}
			<-leave
			if err := exchange(s, noise(int64(i), 100<<10)); err != nil {
				t.Errorf("stream %d: %v", i, err)
			}
		})
	}
	for range 200 {
		<-ready
	}
	close(leave)
	all.Wait()
}

// cut: both ends of every stream fail, whether they wait or not, and the next stream
// takes a new way.
func cut(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	dialer, member := w.mustPair(ctx, t)
	idle, other := w.mustPair(ctx, t)
	fill(t, dialer)
	must[struct{}](t)(struct{}{}, dialer.SetWriteDeadline(time.Time{}))
	ended := make(chan error, 4)
	use := func(use func([]byte) (int, error)) {
		_, err := use(make([]byte, 4<<20))
		ended <- err
	}
	go use(dialer.Write)
	go use(dialer.Read)
	go use(idle.Read)
	go use(other.Read)
	start := time.Now()
	w.Cut()
	for range 4 {
		wants(t, <-ended, messaging.ErrDisconnected)
	}
	if took := time.Since(start); took > cutLimit {
		t.Errorf("the streams outlive their connection by %s, at most %s", took, cutLimit)
	}
	_, err := member.Write([]byte("x"))
	wants(t, err, messaging.ErrDisconnected)
	if err := exchange(w.open(ctx, t, "echo"), []byte("x")); err != nil {
		t.Errorf("after the cut: %v", err)
	}
}

// endOfServing: streams end with serving, which waits for those who had them.
func endOfServing(t *testing.T, w *tunnels) {
	ctx := bounded(t)
	dialer, member := w.mustPair(ctx, t)
	w.stop()
	_, err := dialer.Read(make([]byte, 1))
	wants(t, err, messaging.ErrDisconnected)
	_, err = member.Read(make([]byte, 1))
	if err == nil {
		t.Error("the member's end goes on")
	}
}

// deadlineOfOpen: the context of Open ends Open and not the stream.
func deadlineOfOpen(t *testing.T, w *tunnels) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	s := w.open(ctx, t, "echo")
	cancel()
	if err := exchange(s, []byte("x")); err != nil {
		t.Errorf("after the end of the context of Open: %v", err)
	}
	if _, err := w.Tunnels.Open(ctx, w.Account, "echo"); err == nil {
		t.Error("a stream is opened after its context has ended")
	}
}
