package tunnel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-yamux/v5"
	"golang.org/x/time/rate"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/flow"
	"github.com/hansa-io/hansa/messaging/subject"
)

// ServerOptions says how a member takes tunnels.
type ServerOptions struct {
	// Control hears when a tunnel is asked for; nothing else of tunnels passes it.
	Control Bus
	// Bulk makes the connection for the frames. It is called at the first tunnel, and
	// again at the first one after all have ended, which closes the connection.
	Bulk func() (Bulk, error)
	// Account of the member.
	Account string
	// Wide is set on a bus where the member's subjects carry its account; on the real
	// one the server puts it in.
	Wide bool
}

// The limits of a member.
const (
	maxPipes   = 32 // one for each hub and gateway that dials
	pipeRate   = 20 // new pipes in a second, and twice that at once
	streamRate = 200
)

// Server takes the tunnels of a member. Make one with NewServer.
type Server struct {
	opts  ServerOptions
	pipes *rate.Limiter
	line  line

	mu       sync.Mutex
	sessions map[subject.Tunnel]*pipe // nil until it hears
	stopped  bool
	ended    sync.WaitGroup
}

var _ messaging.TunnelServer = (*Server)(nil)

// NewServer returns a server; Serve starts it.
func NewServer(o ServerOptions) *Server {
	return &Server{
		opts: o, pipes: rate.NewLimiter(pipeRate, 2*pipeRate), line: line{dial: o.Bulk}, sessions: map[subject.Tunnel]*pipe{},
	}
}

// Answer decides about a service, and returns what gets the stream.
type Answer = func(ctx context.Context, service string) (func(messaging.Stream), error)

// Serve takes tunnels until ctx ends. It is called once at a time.
func (s *Server) Serve(ctx context.Context, answer Answer) error {
	s.stop(false)
	all := subject.Tunnel{Dialer: "*", Session: "*"}
	if s.opts.Wide {
		all.Account = s.opts.Account
	}
	stop, err := s.opts.Control.Subscribe(ctx, all.Open(), func(m messaging.Message) { s.asked(ctx, m, answer) })
	if err != nil {
		return fmt.Errorf("serve tunnels: %w", err)
	}
	<-ctx.Done()
	stop()
	s.stop(true)
	s.ended.Wait()
	return ctx.Err()
}

// stop says whether tunnels that are asked for are left unanswered.
func (s *Server) stop(stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = stopped
}

// asked begins the tunnel of an Open, or answers again when it has begun.
func (s *Server) asked(ctx context.Context, m messaging.Message, answer Answer) {
	t, err := subject.ParseOpen(m.Subject)
	if err != nil {
		return
	}
	s.mu.Lock()
	p, held := s.sessions[t]
	refused := !held && len(s.sessions) >= maxPipes
	begins := !held && !refused && !s.stopped && s.pipes.Allow()
	if begins {
		s.sessions[t] = nil
		s.ended.Go(func() { s.run(ctx, t, m, answer) })
	}
	s.mu.Unlock()
	switch {
	case p != nil:
		p.hear(m)
	case refused:
		s.refuse(t, fmt.Errorf("the member has %d tunnels already", maxPipes))
	}
}

func (s *Server) refuse(t subject.Tunnel, err error) {
	v := flow.Verdict{Kind: string(messaging.Unavailable), Text: err.Error()}
	_ = s.opts.Control.Publish(t.Up(), flow.Frame{Kind: flow.Close, Payload: v.Encode()}.Encode()) // the dialer asks again
}

// run is the life of one pipe.
func (s *Server) run(ctx context.Context, t subject.Tunnel, open messaging.Message, answer Answer) {
	defer s.forget(t)
	bulk, err := s.line.acquire()
	if err != nil {
		s.refuse(t, fmt.Errorf("the member cannot connect for tunnels: %w", err))
		return
	}
	defer s.line.release()
	lost := bulk.Lost()
	p := newPipe(flow.Member(flow.Terms{Window: pipeWindow}), func(b []byte) error { return bulk.Publish(t.Up(), b) })
	defer p.Close()
	stop := context.AfterFunc(ctx, func() { p.fail(errors.New("the member's agent stops")) })
	defer stop()
	// Who serves a stream learns of the end after the pipe has failed: returning earlier
	// would look like a clean end of the stream.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	if _, err := bulk.Subscribe(ctx, t.Down(), p.hear); err != nil {
		p.fail(err)
		return
	}
	s.mu.Lock()
	s.sessions[t] = p
	s.mu.Unlock()
	p.hear(open)
	var attending sync.WaitGroup
	defer attending.Wait()
	attending.Go(func() {
		p.attend(lost)
		cancel()
	})
	select {
	case <-p.begun:
		s.accept(ctx, p, answer)
	case <-p.over:
	case <-time.After(opening):
		p.fail(messaging.ErrTimeout)
	}
}

// accept takes the streams of a pipe until it is over.
func (s *Server) accept(ctx context.Context, p *pipe, answer Answer) {
	session, err := yamux.Server(p, multiplexing(maxStreams), nil)
	if err != nil {
		p.fail(err)
		return
	}
	var streams sync.WaitGroup
	defer streams.Wait()
	defer session.Close()
	limit := rate.NewLimiter(streamRate, maxStreams)
	for {
		inner, err := session.AcceptStream()
		if err != nil {
			return
		}
		if !limit.Allow() {
			_ = inner.ResetWithError(codeOf(messaging.Unavailable)) // the dialer sees it or is gone
			continue
		}
		streams.Go(func() { s.stream(ctx, &stream{inner: inner}, answer) })
	}
}

// stream is the life of one stream.
func (s *Server) stream(ctx context.Context, st *stream, answer Answer) {
	defer st.Close()
	_ = st.SetDeadline(time.Now().Add(opening))
	b, err := readBlock(st)
	if err != nil {
		return
	}
	ask, err := flow.DecodeAsk(b)
	var serve func(messaging.Stream)
	if err == nil {
		serve, err = answer(ctx, ask.Service)
	} else {
		err = messaging.Errorf(messaging.Invalid, "%v", err)
	}
	_ = st.SetDeadline(time.Now().Add(opening)) // answer took its own time
	if _, lost := st.Write(flow.Block(verdict(err).Encode())); lost != nil || err != nil {
		return
	}
	_ = st.SetDeadline(time.Time{})
	st.local, st.remote = messaging.StreamAddr{Account: s.opts.Account, Service: ask.Service}, messaging.StreamAddr{Service: ask.Service}
	serve(st)
}

func verdict(err error) flow.Verdict {
	var remote *messaging.RemoteError
	switch {
	case err == nil:
		return flow.Verdict{}
	case errors.As(err, &remote):
		return flow.Verdict{Kind: string(known(string(remote.Kind))), Text: remote.Text}
	}
	return flow.Verdict{Kind: string(messaging.InternalKind), Text: err.Error()}
}

func (s *Server) forget(t subject.Tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, t)
}
