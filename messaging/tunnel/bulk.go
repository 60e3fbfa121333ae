package tunnel

import "sync"

// Bulk is a connection for the frames of tunnels alone.
type Bulk interface {
	Bus
	// Close ends the connection.
	Close()
}

// line is the one connection for frames, which lives while somebody uses it.
type line struct {
	dial func() (Bulk, error)

	mu    sync.Mutex
	bulk  Bulk
	users int
}

// acquire returns the connection, which is made for its first user.
func (l *line) acquire() (Bulk, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bulk == nil {
		bulk, err := l.dial()
		if err != nil {
			return nil, err
		}
		l.bulk = bulk
	}
	l.users++
	return l.bulk, nil
}

// release closes the connection after its last user.
func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 {
		l.bulk.Close()
		l.bulk = nil
	}
}
