package tunnel

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-yamux/v5"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Dialer opens streams to members. Make one with NewDialer.
type Dialer struct {
	bus  Bus
	name string

	mu     sync.Mutex
	links  map[string]*link // by account
	closed bool
	ended  sync.WaitGroup
}

var _ messaging.Tunnels = (*Dialer)(nil)

// NewDialer returns a dialer that speaks over bus under a name of its own, which is
// a token of its subjects.
func NewDialer(bus Bus, name string) *Dialer {
	return &Dialer{bus: bus, name: name, links: map[string]*link{}}
}

// link is the pipe to one member, which all streams to it share.
type link struct {
	pipe    *pipe
	ready   chan struct{}  // closed when session or the pipe's end is known
	session *yamux.Session // nil when the pipe did not begin
	users   int            // calls of Open under way; guarded by the dialer
}

// Open asks the member for a stream.
func (d *Dialer) Open(ctx context.Context, account, service string) (messaging.Stream, error) {
	ask := flow.Ask{Service: service}
	if err := ask.Check(); err != nil {
		return nil, messaging.Errorf(messaging.Invalid, "open a tunnel: %v", err)
	}
	if account == "" || subject.Token(account) != account {
		return nil, messaging.Errorf(messaging.Invalid, "open a tunnel to %q: not the account of a member", account)
	}
	ctx, cancel := context.WithTimeout(ctx, opening)
	defer cancel()
	var err error
	for range tries {
		var s *stream
		if s, err = d.try(ctx, account, ask); err == nil {
			return s, nil
		}
		if ctx.Err() != nil || !errors.Is(err, messaging.ErrDisconnected) {
			break
		}
	}
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("%w: the member's agent is away or takes no tunnels", messaging.ErrTimeout)
	}
	return nil, fmt.Errorf("open a tunnel to %s/%s: %w", account, service, err)
}

// tries is how often Open begins anew when the pipe is found dead: it may be one from
// before a cut, and so may the next one that another call has begun.
const tries = 3

// try opens a stream on the pipe to the account.
func (d *Dialer) try(ctx context.Context, account string, ask flow.Ask) (*stream, error) {
	l, err := d.use(account)
	if err != nil {
		return nil, err
	}
	defer d.release(l)
	select {
	case <-l.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.session == nil {
		return nil, l.pipe.why()
	}
	if l.session.NumStreams() >= maxStreams {
		return nil, messaging.Errorf(messaging.Unavailable, "%d streams are open already", maxStreams)
	}
	inner, err := l.session.OpenStream(ctx)
	if err != nil {
		return nil, errors.Join(err, l.pipe.why())
	}
	s := &stream{
		inner: inner, local: messaging.StreamAddr{Service: ask.Service},
		remote: messaging.StreamAddr{Account: account, Service: ask.Service},
	}
	if err := introduce(ctx, s, ask); err != nil {
		_ = s.Abort(messaging.Unavailable)
		return nil, err
	}
	return s, nil
}

// use returns the link to the account, which is made when there is none that lives.
func (d *Dialer) use(account string) (*link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("%w: the dialer is closed", messaging.ErrDisconnected)
	}
	if l := d.links[account]; l != nil && l.pipe.why() == nil {
		l.users++
		return l, nil
	}
	t := subject.Tunnel{Account: account, Dialer: d.name, Session: newSession()}
	send := func(b []byte) error { return d.bus.Publish(t.Down(), b) }
	l := &link{pipe: newPipe(flow.Dialer(flow.Terms{Window: pipeWindow}), send), ready: make(chan struct{}), users: 1}
	d.links[account] = l
	d.ended.Go(func() { d.run(t, l) })
	return l, nil
}

func newSession() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (d *Dialer) release(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l.users--
}

// run is the life of a link.
func (d *Dialer) run(t subject.Tunnel, l *link) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer d.forget(t.Account, l)
	lost := d.bus.Lost()
	session, err := d.begin(ctx, t, l.pipe)
	if err != nil {
		l.pipe.fail(err)
		close(l.ready)
		return
	}
	l.session = session
	close(l.ready)
	defer session.Close()
	d.ended.Go(func() { d.endIdle(t.Account, l) })
	l.pipe.attend(lost)
}

// begin makes the pipe, which the member hears until ctx ends, and the multiplexer.
func (d *Dialer) begin(ctx context.Context, t subject.Tunnel, p *pipe) (*yamux.Session, error) {
	if _, err := d.bus.Subscribe(ctx, t.Up(), p.hear); err != nil {
		return nil, err
	}
	if err := d.greet(t, p); err != nil {
		return nil, err
	}
	return yamux.Client(p, multiplexing(0), nil)
}

// again is how long a dialer waits before it asks once more.
const again = 200 * time.Millisecond

// greet asks until the pipe has begun.
func (d *Dialer) greet(t subject.Tunnel, p *pipe) error {
	path := map[flow.Kind]string{flow.Open: t.Open(), flow.Check: t.Down()}
	ticks := time.NewTicker(again)
	defer ticks.Stop()
	timeout := time.NewTimer(opening)
	defer timeout.Stop()
	for {
		p.ask(func(k flow.Kind, b []byte) error { return d.bus.Publish(path[k], b) })
		select {
		case <-p.begun:
			return nil
		case <-p.over:
			return p.why()
		case <-timeout.C:
			return messaging.ErrTimeout
		case <-ticks.C:
		}
	}
}

// idle is how long a pipe without streams is kept.
const idle = time.Minute

// endIdle ends the link when it was seen without streams four times in a row.
func (d *Dialer) endIdle(account string, l *link) {
	ticks := time.NewTicker(idle / 4)
	defer ticks.Stop()
	for unused := 0; unused < 4 || !d.retire(account, l); {
		select {
		case <-l.pipe.over:
			return
		case <-ticks.C:
		}
		if unused++; l.session.NumStreams() > 0 {
			unused = 0
		}
	}
	_ = l.pipe.Close()
}

// retire gives no more streams on the link, unless there are some.
func (d *Dialer) retire(account string, l *link) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l.users > 0 || l.session.NumStreams() > 0 {
		return false
	}
	delete(d.links, account)
	return true
}

func (d *Dialer) forget(account string, l *link) {
	_ = l.pipe.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.links[account] == l {
		delete(d.links, account)
	}
}

// Close ends every stream and waits until all is ended.
func (d *Dialer) Close() {
	d.mu.Lock()
	d.closed = true
	links := slices.Collect(maps.Values(d.links))
	d.mu.Unlock()
	for _, l := range links {
		_ = l.pipe.Close()
	}
	d.ended.Wait()
}
