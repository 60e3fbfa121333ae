package reach

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hansa-io/hansa/messaging"
)

// An API server, and a kubelet behind it, close a connection as soon as they have sent
// everything. What the client says after that is answered by a reset, which takes away
// what is still on its way: megabytes, when the way is slower than they are. kubectl says
// something every 5 s: a ping. So a ping that comes while bytes are on their way to the
// client is answered here. Those bytes say that the other side lives.

// quiet is how long an API server must have sent nothing before a ping goes to it.
const quiet = 3 * time.Second

// farewell is how long a gateway has to take what came before an error, which would
// overtake it.
const farewell = 3 * time.Second

// upgraded is the API server's end of a connection that has changed its protocol. Each
// direction ends by itself: that the API server takes nothing more does not end what
// comes from it.
type upgraded struct {
	io.ReadWriteCloser        // to the API server
	gateway            *conn  // the other end
	deaf               bool   // the API server takes nothing more
	up, down           frames // without a protocol: not looked into
	held               []byte // of a frame of which too little has come; for Write
	rest               []byte // read and not returned; for Read
	left               chan struct{}
	leave              sync.Once

	mu      sync.Mutex
	reading bool
	heard   time.Time // when bytes came
	pongs   []byte
}

// upgrade watches over a connection that changes its protocol.
func upgrade(answer *http.Response) error {
	inner, ok := answer.Body.(io.ReadWriteCloser)
	if answer.StatusCode != http.StatusSwitchingProtocols || !ok {
		return nil
	}
	of := protocols[strings.ToLower(answer.Header.Get("Upgrade"))]
	gateway, _ := answer.Request.Context().Value(connKey{}).(*conn)
	answer.Body = &upgraded{
		ReadWriteCloser: inner, gateway: gateway, up: frames{protocol: of}, down: frames{protocol: of}, left: make(chan struct{}),
	}
	return nil
}

// Read reads what the API server sends, and pongs between its frames.
func (u *upgraded) Read(b []byte) (int, error) {
	if u.down.header == nil {
		n, err := u.ReadWriteCloser.Read(b)
		return n, u.ended(err)
	}
	if u.down.between() {
		u.rest = append(u.answers(), u.rest...)
	}
	n, err := copy(b, u.rest), error(nil)
	if n > 0 {
		u.rest = u.rest[n:]
	} else if n, err = u.hear(b); err != nil {
		return n, u.ended(err)
	}
	whole := u.pass(b[:n])
	u.rest = append(slices.Clone(b[whole:n]), u.rest...)
	return whole, nil
}

// hear reads from the API server.
func (u *upgraded) hear(b []byte) (int, error) {
	u.listens(true)
	defer u.listens(false)
	return u.ReadWriteCloser.Read(b)
}

func (u *upgraded) listens(reading bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reading = reading; !reading {
		u.heard = time.Now()
	}
}

// pass returns how much of b is to be returned now: all, or up to the end of a frame
// when there is something to say after it.
func (u *upgraded) pass(b []byte) int {
	n := 0
	for n < len(b) {
		n += u.down.step(b[n:])
		if u.down.between() && u.answering() {
			return n
		}
	}
	return n
}

func (u *upgraded) answering() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.pongs) > 0
}

func (u *upgraded) answers() []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	pongs := u.pongs
	u.pongs = nil
	return pongs
}

// maxPongs bounds what waits for the end of a frame, in bytes.
const maxPongs = 4 << 10

// answer answers a ping, unless the API server should.
func (u *upgraded) answer(ping []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reading && time.Since(u.heard) > quiet {
		return false
	}
	pong := u.up.answer(ping)
	if len(u.pongs) < maxPongs {
		u.pongs = append(u.pongs, pong...)
	}
	return pong != nil
}

// ended makes of an error from the API server one that the gateway sees, too.
func (u *upgraded) ended(err error) error {
	if err == nil || errors.Is(err, io.EOF) || u.gateway == nil {
		return err
	}
	select {
	case <-u.left:
	case <-time.After(farewell):
	}
	_ = u.gateway.Abort(messaging.Unavailable) // it may be gone
	return err
}

// Write sends to the API server what the client says, for as long as it is taken.
func (u *upgraded) Write(b []byte) (int, error) {
	if u.deaf {
		return len(b), nil
	}
	said := b
	if u.up.header != nil {
		said = u.without(b)
	}
	if len(said) > 0 {
		_, err := u.ReadWriteCloser.Write(said)
		u.deaf = err != nil
	}
	return len(b), nil
}

// without returns b without the pings that are answered here, and without the beginning
// of a frame of which too little has come to know what it is.
func (u *upgraded) without(b []byte) []byte {
	said := make([]byte, 0, len(b)+len(u.held))
	for len(b) > 0 {
		n := u.up.step(b)
		u.held = append(u.held, b[:n]...)
		b = b[n:]
		switch {
		case len(u.up.head) > 0, u.up.ping && u.up.left > 0: // more of it has to come
			continue
		case !u.up.ping || !u.answer(u.held):
			said = append(said, u.held...)
		}
		u.held = u.held[:0]
	}
	return said
}

// CloseWrite says that the client will say nothing more.
func (u *upgraded) CloseWrite() error {
	u.leave.Do(func() { close(u.left) })
	half, ok := u.ReadWriteCloser.(interface{ CloseWrite() error })
	if !ok {
		return http.ErrNotSupported
	}
	if err := half.CloseWrite(); errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil // else it has ended already
}

// Close ends both directions.
func (u *upgraded) Close() error {
	u.leave.Do(func() { close(u.left) })
	return u.ReadWriteCloser.Close()
}
