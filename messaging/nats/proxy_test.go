package nats

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy is a wire to one server, which can be broken. Bytes that are held back wait, as
// packets do that are sent again, and arrive when the fault is over; a connection that
// is cut is lost.
type proxy struct {
	target   string
	listener net.Listener
	up, down *valve // towards the server, and back

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	taken bool // new connections are accepted
	ended sync.WaitGroup
}

// newProxy listens on address ("127.0.0.1:0" for a free one) and passes all on to target.
func newProxy(address, target string) (*proxy, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &proxy{target: target, listener: l, up: newValve(), down: newValve(), open: map[net.Conn]struct{}{}, taken: true}
	p.ended.Go(p.accept)
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.ended.Go(func() { p.carry(near) })
	}
}

// carry passes one connection on until either end is gone.
func (p *proxy) carry(near net.Conn) {
	defer near.Close()
	if !p.keep(near) {
		return
	}
	defer p.forget(near)
	far, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil || !p.keep(far) {
		return
	}
	defer p.forget(far)
	done := make(chan struct{})
	once := sync.OnceFunc(func() {
		close(done)
		near.Close()
		far.Close()
	})
	defer once()
	var back sync.WaitGroup
	back.Go(func() {
		defer once()
		pump(far, near, p.down, done)
	})
	pump(near, far, p.up, done)
	once()
	back.Wait()
}

// keep notes a connection unless none is taken at present.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken {
		p.open[c] = struct{}{}
		return true
	}
	c.Close()
	return false
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	c.Close()
}

// reset ends every connection; new ones are taken.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

// cut ends every connection and takes no new one until it is mended.
func (p *proxy) cut() {
	p.mu.Lock()
	p.taken = false
	p.mu.Unlock()
	p.reset()
}

// mend ends every fault.
func (p *proxy) mend() {
	p.mu.Lock()
	p.taken = true
	p.mu.Unlock()
	for _, v := range []*valve{p.up, p.down} {
		v.hold(false)
		v.slow(0)
	}
}

func (p *proxy) close() {
	p.listener.Close()
	p.mend()
	p.cut()
	p.ended.Wait()
}

// valve is one direction of a proxy.
type valve struct {
	mu    sync.Mutex
	pass  chan struct{} // closed while bytes pass
	delay time.Duration // of each chunk
}

func newValve() *valve {
	v := &valve{pass: make(chan struct{})}
	close(v.pass)
	return v
}

func (v *valve) state() (<-chan struct{}, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pass, v.delay
}

func (v *valve) hold(held bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	passes := false
	select {
	case <-v.pass:
		passes = true
	default:
	}
	switch {
	case held && passes:
		v.pass = make(chan struct{})
	case !held && !passes:
		close(v.pass)
	}
}

func (v *valve) slow(by time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.delay = by
}

// pump copies until an end is gone or done is closed.
func pump(from, to net.Conn, v *valve, done <-chan struct{}) {
	chunk := make([]byte, 64<<10)
	for {
		n, err := from.Read(chunk)
		pass, delay := v.state()
		var late <-chan time.Time
		if delay > 0 {
			late = time.After(delay)
			select {
			case <-late:
			case <-done:
				return
			}
		}
		select {
		case <-pass:
		case <-done:
			return
		}
		if n > 0 {
			if _, err := to.Write(chunk[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestProxy: the faults that other tests count on are faults.
func TestProxy(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer echo.Close()
	go func() {
		for c, err := echo.Accept(); err == nil; c, err = echo.Accept() {
			go func() { pump(c, c, newValve(), nil) }()
		}
	}()
	p, err := newProxy("127.0.0.1:0", echo.Addr().String())
	must(t, err)
	defer p.close()
	say := func(c net.Conn, within time.Duration) error {
		must(t, c.SetDeadline(time.Now().Add(within)))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := c.Read(make([]byte, 1))
		return err
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.address())
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	const short, long = 50 * time.Millisecond, 5 * time.Second
	c := dial()
	must(t, say(c, long))
	for name, v := range map[string]*valve{"towards": p.up, "back": p.down} {
		v.hold(true)
		if say(c, short) == nil {
			t.Errorf("%s: nothing is held", name)
		}
		v.hold(false)
		must(t, c.SetDeadline(time.Now().Add(long)))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Errorf("%s: what was held is lost: %v", name, err)
		}
	}
	p.up.slow(2 * short)
	began := time.Now()
	if err := say(c, long); err != nil || time.Since(began) < 2*short {
		t.Errorf("answered after %v, %v", time.Since(began), err)
	}
	p.mend()
	p.cut()
	if say(c, long) == nil || say(dial(), long) == nil {
		t.Error("a cut wire carries")
	}
	p.mend()
	must(t, say(dial(), long))
}
