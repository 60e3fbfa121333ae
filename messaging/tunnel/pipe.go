package tunnel

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
)

// Bus is what tunnels need of a connection to the bus.
type Bus interface {
	messaging.Publisher
	messaging.Subscriber
	// Lost is closed when the connection that stands now is lost. Messages may be
	// missing after that, also when it stands again.
	Lost() <-chan struct{}
}

// The measures of a pipe.
const (
	pipeWindow = 2 << 20          // bytes
	beat       = time.Second      // an end that has nothing to say says so
	silence    = 6 * time.Second  // after which the other end is taken for gone
	stall      = 60 * time.Second // how long a writer waits for room
)

// pipe is one end of a pipe. It is a net.Conn for one reader and one writer.
type pipe struct {
	send func([]byte) error // publishes one frame to the other end

	out sync.Mutex // held while a numbered frame is made and sent

	mu       sync.Mutex
	greeting *flow.Greeting
	end      *flow.End // nil until the pipe has begun
	waits    [][]byte  // received, not read
	reason   error     // why it is over
	heard    bool      // something, since the last beat
	spoke    bool

	readable, writable chan struct{} // hold a token after a change
	begun, over        chan struct{} // closed
}

func newPipe(g *flow.Greeting, send func([]byte) error) *pipe {
	return &pipe{
		send: send, greeting: g, readable: make(chan struct{}, 1), writable: make(chan struct{}, 1),
		begun: make(chan struct{}), over: make(chan struct{}),
	}
}

// ask sends, or sends again, what the dialer begins with; path is of Open and Check.
func (p *pipe) ask(publish func(flow.Kind, []byte) error) {
	p.mu.Lock()
	f := p.greeting.Ask()
	p.mu.Unlock()
	if err := publish(f.Kind, f.Encode()); err != nil {
		p.fail(err)
	}
}

// hear takes in a message of the other end. Messages come one at a time.
func (p *pipe) hear(m messaging.Message) {
	f, err := flow.Decode(m.Data)
	switch {
	case err != nil:
	case f.Kind == flow.Close:
		p.hearClose(f)
		return
	case f.Kind == flow.Data || f.Kind == flow.Credit:
		err = p.hearNumbered(f)
	default:
		err = p.hearGreeting(f)
	}
	if err != nil {
		p.fail(err)
	}
}

func (p *pipe) hearClose(f flow.Frame) {
	v, err := flow.DecodeVerdict(f.Payload)
	if err != nil {
		v.Text = "with no reason that can be read"
	}
	p.mu.Lock()
	began := p.end != nil
	p.mu.Unlock()
	if err = fmt.Errorf("%w: the other end closed the tunnel: %s", messaging.ErrDisconnected, v.Text); !began {
		err = &messaging.RemoteError{Kind: known(v.Kind), Text: v.Text}
	}
	p.finish(err)
}

func (p *pipe) hearNumbered(f flow.Frame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason != nil {
		return nil
	}
	if p.end == nil {
		return fmt.Errorf("%w: before the tunnel has begun", flow.ErrGap)
	}
	if err := p.end.Receive(f); err != nil {
		return err
	}
	p.heard = true
	if len(f.Payload) > 0 {
		p.keep(f.Payload)
		notify(p.readable)
	}
	notify(p.writable)
	return nil
}

// small is what is copied together, in bytes, so that a peer that sends its window in
// tiny frames takes no more memory than the window.
const small = 4 << 10

func (p *pipe) keep(b []byte) {
	last := len(p.waits) - 1
	switch {
	case last >= 0 && cap(p.waits[last])-len(p.waits[last]) >= len(b):
		p.waits[last] = append(p.waits[last], b...)
	case len(b) < small:
		p.waits = append(p.waits, append(make([]byte, 0, small), b...))
	default:
		p.waits = append(p.waits, b[:len(b):len(b)])
	}
}

func (p *pipe) hearGreeting(f flow.Frame) error {
	p.mu.Lock()
	answer, end, err := p.greeting.Receive(f)
	if err == nil && end != nil {
		p.end = end
		close(p.begun)
	}
	p.mu.Unlock()
	if err != nil || answer == nil {
		return err
	}
	return p.send(answer.Encode())
}

// Read waits for bytes. It returns those that came before the pipe ended.
func (p *pipe) Read(b []byte) (int, error) {
	for {
		n, credit, err := p.take(b)
		if credit {
			p.fail(p.put((*flow.End).Credit))
		}
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		select {
		case <-p.readable:
		case <-p.over:
		}
	}
}

func (p *pipe) take(b []byte) (n int, credit bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n < len(b) && len(p.waits) > 0 {
		taken := copy(b[n:], p.waits[0])
		n += taken
		if p.waits[0] = p.waits[0][taken:]; len(p.waits[0]) == 0 {
			p.waits[0] = nil
			p.waits = p.waits[1:]
		}
	}
	if n > 0 {
		return n, p.end.Take(n) && p.reason == nil, nil
	}
	return 0, false, p.reason
}

// Write sends b in frames, each when the other end has room for it.
func (p *pipe) Write(b []byte) (int, error) {
	sent := 0
	for sent < len(b) {
		chunk := b[sent:min(len(b), sent+flow.MaxPayload)]
		if err := p.await(len(chunk)); err != nil {
			return sent, err
		}
		if err := p.put(func(e *flow.End) flow.Frame { return e.Data(chunk) }); err != nil {
			p.fail(err)
			return sent, err
		}
		sent += len(chunk)
	}
	return sent, nil
}

// await waits until there is room for n bytes.
func (p *pipe) await(n int) error {
	var timeout <-chan time.Time
	for {
		p.mu.Lock()
		room, err := p.end.Room(), p.reason
		p.mu.Unlock()
		if err != nil || room >= n {
			return err
		}
		if timeout == nil {
			timer := time.NewTimer(stall)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-p.writable:
		case <-p.over:
		case <-timeout:
			p.fail(fmt.Errorf("the other end took nothing for %s", stall))
		}
	}
}

// put makes a numbered frame and sends it, so that frames go out in their order.
func (p *pipe) put(frame func(*flow.End) flow.Frame) error {
	p.out.Lock()
	defer p.out.Unlock()
	p.mu.Lock()
	if p.reason != nil {
		defer p.mu.Unlock()
		return p.reason
	}
	p.spoke = true
	f := frame(p.end)
	p.mu.Unlock()
	return p.send(f.Encode())
}

// attend keeps the pipe alive until it is over or the connection is lost.
func (p *pipe) attend(lost <-chan struct{}) {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	quiet := time.Duration(0)
	for {
		select {
		case <-p.over:
			return
		case <-lost:
			p.part(errors.New("the connection to the bus was lost"))
			return
		case <-ticks.C:
		}
		p.mu.Lock()
		heard, spoke := p.heard, p.spoke
		p.heard, p.spoke = false, false
		p.mu.Unlock()
		if quiet += beat; heard {
			quiet = 0
		}
		if quiet >= silence {
			p.fail(fmt.Errorf("the other end was silent for %s", quiet))
		} else if !spoke {
			p.fail(p.put((*flow.End).Credit))
		}
	}
}

// How long an end whose connection was lost tries to say so when it is back, so that
// the other end need not wait for silence, and how often.
const (
	parting = 3 * time.Second
	retry   = 100 * time.Millisecond
)

// part ends the pipe and tells the other end as soon as there is a connection again.
func (p *pipe) part(err error) {
	if !p.finish(disconnected(err)) {
		return
	}
	ticks := time.NewTicker(retry)
	defer ticks.Stop()
	for range parting / retry {
		if p.tell(err) == nil {
			return
		}
		<-ticks.C
	}
}

// Close ends the pipe from this end.
func (p *pipe) Close() error {
	p.fail(net.ErrClosed)
	return nil
}

// fail ends the pipe, unless err is nil, and tells the other end why.
func (p *pipe) fail(err error) {
	if err != nil && p.finish(disconnected(err)) {
		_ = p.tell(err) // else the other end's own measures end it
	}
}

func (p *pipe) tell(err error) error {
	v := flow.Verdict{Kind: string(messaging.Unavailable), Text: err.Error()}
	return p.send(flow.Frame{Kind: flow.Close, Payload: v.Encode()}.Encode())
}

// disconnected makes err one that callers know.
func disconnected(err error) error {
	if errors.Is(err, messaging.ErrDisconnected) || errors.Is(err, messaging.ErrTimeout) {
		return err
	}
	return fmt.Errorf("%w: %w", messaging.ErrDisconnected, err)
}

// finish ends the pipe and reports whether it was not over yet.
func (p *pipe) finish(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason != nil {
		return false
	}
	p.reason = err
	close(p.over)
	return true
}

// why is the reason for which the pipe is over, nil while it is not.
func (p *pipe) why() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// The rest of net.Conn, which the multiplexer asks for: the pipe has measures of its
// own instead of deadlines.

// LocalAddr says nothing.
func (p *pipe) LocalAddr() net.Addr { return messaging.StreamAddr{} }

// RemoteAddr says nothing.
func (p *pipe) RemoteAddr() net.Addr { return messaging.StreamAddr{} }

// SetDeadline does nothing.
func (p *pipe) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (p *pipe) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*pipe)(nil)
