package natstest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Link is a way to an address that can be long, and be cut.
type Link struct {
	// Address is where the way begins.
	Address string

	to       string
	listener net.Listener
	mu       sync.Mutex
	delay    time.Duration
	broken   bool
	open     map[net.Conn]bool
	running  sync.WaitGroup
}

// NewLink makes a way to the address. It ends with the test.
func NewLink(t testing.TB, to string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", Addresses(t, 1)[0])
	must(t, err)
	l := &Link{Address: listener.Addr().String(), to: to, listener: listener, open: map[net.Conn]bool{}}
	l.running.Go(l.accept)
	t.Cleanup(func() {
		_ = l.listener.Close() // it ends the loop
		l.Cut()
		l.running.Wait()
	})
	return l
}

// Delay is how long bytes take, in each direction, from now on.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Cut ends all connections, and every later one until Mend.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for c := range l.open {
		_ = c.Close() // its end is wanted
	}
}

// Mend lets connections through again.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

func (l *Link) accept() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", l.to)
		if err != nil || !l.keep(from, to) {
			_ = from.Close()
			if err == nil {
				_ = to.Close()
			}
			continue
		}
		l.running.Go(func() { l.carry(from, to) })
		l.running.Go(func() { l.carry(to, from) })
	}
}

func (l *Link) keep(from, to net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return false
	}
	l.open[from], l.open[to] = true, true
	return true
}

// piece is some bytes under way.
type piece struct {
	data []byte
	due  time.Time
}

// carry moves bytes in one direction until one side ends.
func (l *Link) carry(from, to net.Conn) {
	under := make(chan piece, 1024)
	l.running.Go(func() {
		for p := range under {
			<-time.After(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				_ = from.Close()
			}
		}
		_ = to.Close()
		_ = from.Close()
	})
	defer close(under)
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			under <- piece{buffer[:n], time.Now().Add(l.latency())}
		}
		if err != nil {
			l.forget(from)
			return
		}
	}
}

func (l *Link) latency() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay
}

func (l *Link) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}
