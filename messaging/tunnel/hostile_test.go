package tunnel_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
	"github.com/hansa-io/hansa/messaging/inproc"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/tunnel"
)

// TestHostileMember: a member that opens streams to the dialer gets none, and one that
// ignores a stream's window is cut off.
func TestHostileMember(t *testing.T) {
	for name, c := range map[string]struct {
		send  []byte // frames of the multiplexer
		count int
		cut   bool
	}{
		"opens a stream":      {muxFrame(0, 1, 2, []byte("let me in")), 10, false},
		"ignores the window":  {muxFrame(0, 0, 1, make([]byte, 16<<10)), 100, true},
		"speaks no protocol":  {bytes.Repeat([]byte{0xff}, 100), 1, true},
		"announces a monster": {append([]byte{0, 0, 0, 0, 0, 0, 0, 1}, 0xff, 0xff, 0xff, 0xff), 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{Bus: inproc.New()}
				d := tunnel.NewDialer(w, "gateway")
				defer d.Close()
				m := hostile(t, w)
				s, err := d.Open(t.Context(), account, "any")
				if err != nil {
					t.Fatal(err)
				}
				for range c.count {
					m.data(c.send)
				}
				synctest.Wait()
				_, err = s.Write([]byte("x"))
				if c.cut != errors.Is(err, messaging.ErrDisconnected) {
					t.Errorf("after it, a write gives %v", err)
				}
				if !c.cut && !bytes.Contains(m.heard(), muxFrame(1, 8, 2, nil)) {
					t.Error("the member's stream is not reset")
				}
			})
		})
	}
}

// muxFrame is a frame of yamux: version, type, flags, stream, size.
func muxFrame(kind, flags, stream byte, body []byte) []byte {
	return append([]byte{0, kind, 0, flags, 0, 0, 0, stream, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

// hostileMember accepts one pipe and one stream, by hand.
type hostileMember struct {
	bus *wire

	mu     sync.Mutex
	tunnel subject.Tunnel
	end    *flow.End
	got    []byte
}

func hostile(t *testing.T, w *wire) *hostileMember {
	t.Helper()
	m := &hostileMember{bus: w}
	greeting := flow.Member(flow.Terms{Window: flow.MaxWindow})
	hear := func(msg messaging.Message) {
		m.mu.Lock()
		defer m.mu.Unlock()
		f, err := flow.Decode(msg.Data)
		if err != nil || f.Kind == flow.Close {
			return
		}
		if f.Kind == flow.Data || f.Kind == flow.Credit {
			m.take(f)
			return
		}
		answer, end, err := greeting.Receive(f)
		if err == nil && answer != nil {
			_ = w.Publish(m.tunnel.Up(), answer.Encode())
		}
		if end != nil {
			m.end = end
		}
	}
	all := subject.Tunnel{Account: account, Dialer: "*", Session: "*"}
	_, err := w.Subscribe(t.Context(), all.Down(), hear)
	if err == nil {
		_, err = w.Subscribe(t.Context(), all.Open(), func(msg messaging.Message) {
			m.tunnel, _ = subject.ParseOpen(msg.Subject)
			hear(msg)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// take accepts the stream when its ask is complete.
func (m *hostileMember) take(f flow.Frame) {
	_ = m.end.Receive(f)
	m.end.Take(len(f.Payload))
	before := bytes.Contains(m.got, []byte("any"))
	if m.got = append(m.got, f.Payload...); !before && bytes.Contains(m.got, []byte("any")) {
		m.send(muxFrame(1, 2, 1, nil))
		m.send(muxFrame(0, 0, 1, flow.Block(flow.Verdict{}.Encode())))
	}
}

func (m *hostileMember) send(b []byte) {
	_ = m.bus.Publish(m.tunnel.Up(), m.end.Data(b).Encode())
}

func (m *hostileMember) data(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.end.Room() >= len(b) {
		m.send(b)
	}
}

func (m *hostileMember) heard() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]byte{}, m.got...)
}
