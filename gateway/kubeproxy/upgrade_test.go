package kubeproxy_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// upgrade asks for another protocol and returns the connection, which has it.
func (w *world) upgrade(t *testing.T, protocol string) (*tls.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", w.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(conn, &tls.Config{RootCAs: w.web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
	t.Cleanup(func() { client.Close() })
	fmt.Fprintf(client, "POST /members/tokyo/api/v1/namespaces/a/pods/b/exec HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", operatorToken, protocol)
	lines := bufio.NewReader(client)
	answer, err := http.ReadResponse(lines, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Upgrade") != protocol {
		t.Fatalf("%+v, %v", answer, err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return client, lines
}

// The kinds of WebSocket's frames.
const (
	data  = 0x82
	end   = 0x88
	ping  = 0x89
	pong  = 0x8a
	block = 1000 // bytes of a data frame
)

// leaver is an API server that sends frames, numbered, for as long as there is room on
// the way, then one more, and closes its connection, as one does when a command has ended.
type leaver struct {
	full   chan int // how many frames there was room for
	closed chan struct{}
}

func (l *leaver) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	defer close(l.closed)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for i := 0; ; i++ {
		frame := binary.BigEndian.AppendUint32([]byte{data, 126, block >> 8, block & 0xff}, uint32(i))
		frame = append(frame, make([]byte, block-4)...)
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := conn.Write(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.full <- i + 1
			_ = conn.SetWriteDeadline(time.Time{})
			_, _ = conn.Write(append(frame[n:], end, 0)) // who reads counts
			return
		}
		if err != nil {
			close(l.full)
			return
		}
	}
}

// TestCloseAfterWrite: an API server closes its connection when it has sent everything;
// that arrives whole, and then the end, however much is on its way and whatever the
// client says meanwhile.
func TestCloseAfterWrite(t *testing.T) {
	api := &leaver{full: make(chan int, 1), closed: make(chan struct{})}
	w := newWorld(t, api)
	client, from := w.upgrade(t, "websocket")
	sent := <-api.full
	got := 0
	for over := false; !over; { // make room for the rest
		got += frame(t, from, got)
		select {
		case <-api.closed:
			over = true
		default:
		}
	}
	if got > sent-1000 {
		t.Fatalf("%d of %d frames are read before the API server leaves: the check could not fail", got, sent)
	}
	for range 3 {
		if _, err := client.Write([]byte{ping, 0x80 | 4, 0, 0, 0, 0, 'p', 'i', 'n', 'g'}); err != nil {
			t.Fatal(err)
		}
	}
	for {
		n := frame(t, from, got)
		if n == 0 {
			break
		}
		got += n
	}
	if got != sent {
		t.Errorf("%d of %d frames came", got, sent)
	}
	if _, err := from.ReadByte(); err != io.EOF {
		t.Errorf("then %v", err)
	}
}

// frame reads a frame and returns how many numbered ones it was: 0 is the end.
func frame(t *testing.T, from *bufio.Reader, number int) int {
	t.Helper()
	for {
		var head [2]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			t.Fatalf("after %d frames: %v", number, err)
		}
		switch head[0] {
		case pong:
			if text, err := io.ReadAll(io.LimitReader(from, int64(head[1]))); string(text) != "ping" {
				t.Fatalf("a ping is answered with %q, %v", text, err)
			}
		case data:
			b := make([]byte, 2+block)
			if _, err := io.ReadFull(from, b); err != nil || int(binary.BigEndian.Uint32(b[2:])) != number {
				t.Fatalf("in frame %d: %v, %x", number, err, b[:6])
			}
			return 1
		case end:
			return 0
		default:
			t.Fatalf("after %d frames: %x", number, head)
		}
	}
}
