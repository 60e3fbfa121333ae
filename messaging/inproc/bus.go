package inproc

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// MaxPayload is the largest message, in bytes; the same as on the real bus.
const MaxPayload = 8 << 20

// Bus is a bus. Make one with New.
type Bus struct {
	// Fail, when set before use, is asked before each operation ("publish",
	// "request", "get", "put") on a subject or key; what it returns is what the
	// caller gets, and nothing is done. It must be safe for concurrent use.
	Fail func(operation, subject string) error
	// Lose, when set before use, is asked after each write ("put"); what it returns is
	// what the caller gets, though the write was done. It must be safe for concurrent use
	// and must not use the bus.
	Lose func(operation, key string) error

	mu         sync.Mutex
	subs       map[*subscription]struct{}
	responders map[*responder]struct{}
	buckets    map[string]*bucket
	lost       chan struct{}
}

var (
	_ messaging.Publisher  = (*Bus)(nil)
	_ messaging.Subscriber = (*Bus)(nil)
	_ messaging.Requester  = (*Bus)(nil)
	_ messaging.Responder  = (*Bus)(nil)
	_ messaging.Admitter   = (*Bus)(nil)
	_ messaging.Buckets    = (*Bus)(nil)
	_ messaging.Leaser     = (*Bus)(nil)
)

// New returns a bus with nothing on it.
func New() *Bus {
	return &Bus{
		subs: map[*subscription]struct{}{}, responders: map[*responder]struct{}{}, buckets: map[string]*bucket{}, lost: make(chan struct{}),
	}
}

type subscription struct {
	pattern string
	box     *mailbox.Box[messaging.Message]
}

type responder struct {
	pattern string
	ctx     context.Context
	admit   func(messaging.Message) error
	answer  func(context.Context, messaging.Message) ([]byte, error)
	running sync.WaitGroup

	admitting sync.Mutex // one request at a time
}

// ask returns the answer to one request.
func (r *responder) ask(ctx context.Context, m messaging.Message) ([]byte, error) {
	r.admitting.Lock()
	err := r.admit(m)
	r.admitting.Unlock()
	if err != nil {
		return nil, err
	}
	return r.answer(ctx, m)
}

func (b *Bus) fail(operation, subj string) error {
	if b.Fail == nil {
		return nil
	}
	return b.Fail(operation, subj)
}

func (b *Bus) lose(operation, key string) error {
	if b.Lose == nil {
		return nil
	}
	return b.Lose(operation, key)
}

func tooLarge(n int) error {
	if n <= MaxPayload {
		return nil
	}
	return fmt.Errorf("%w: %d bytes, the bus takes at most %d", messaging.ErrTooLarge, n, MaxPayload)
}

// Publish sends data to everybody who has subscribed by now.
func (b *Bus) Publish(subj string, data []byte) error {
	if err := errors.Join(b.fail("publish", subj), tooLarge(len(data))); err != nil {
		return fmt.Errorf("publish %s: %w", subj, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.subs {
		if subject.Matches(s.pattern, subj) {
			s.box.Put(messaging.Message{Subject: subj, Data: append([]byte(nil), data...)})
		}
	}
	return nil
}

// Subscribe calls handle from one goroutine until ctx ends or stop is called.
func (b *Bus) Subscribe(ctx context.Context, subj string, handle func(messaging.Message)) (func(), error) {
	s := &subscription{pattern: subj, box: mailbox.New[messaging.Message]()}
	ctx, cancel := context.WithCancel(ctx)
	b.mu.Lock()
	b.subs[s] = struct{}{}
	b.mu.Unlock()
	go func() {
		defer func() {
			b.mu.Lock()
			delete(b.subs, s)
			b.mu.Unlock()
		}()
		_ = drain(ctx, s.box, func(m messaging.Message) error {
			if ctx.Err() == nil {
				handle(m)
			}
			return ctx.Err()
		}) // the end of ctx is the only reason
	}()
	return cancel, nil
}

// Request asks one of those who respond on the subject.
func (b *Bus) Request(ctx context.Context, subj string, data []byte) ([]byte, error) {
	if err := errors.Join(b.fail("request", subj), tooLarge(len(data))); err != nil {
		return nil, fmt.Errorf("request %s: %w", subj, err)
	}
	r := b.responder(subj)
	if r == nil {
		return nil, fmt.Errorf("request %s: %w", subj, messaging.ErrNoResponder)
	}
	type outcome struct {
		data []byte
		err  error
	}
	done := make(chan outcome, 1)
	parent := trace.Parent(ctx)
	go func() {
		defer r.running.Done()
		answer, err := r.ask(trace.With(r.ctx, parent), messaging.Message{Subject: subj, Reply: "inproc", Data: append([]byte(nil), data...)})
		var remote *messaging.RemoteError
		if err == nil {
			err = tooLarge(len(answer))
		}
		if err != nil && !errors.As(err, &remote) {
			remote = messaging.Errorf(messaging.InternalKind, "%v", err)
		}
		if remote != nil {
			done <- outcome{err: remote}
			return
		}
		done <- outcome{data: answer}
	}()
	select {
	case o := <-done:
		return o.data, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("request %s: %w", subj, messaging.ErrTimeout)
	}
}

// responder picks who answers and counts the request as under way.
func (b *Bus) responder(subj string) *responder {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.responders {
		if subject.Matches(r.pattern, subj) && r.ctx.Err() == nil {
			r.running.Add(1)
			return r
		}
	}
	return nil
}

// Respond answers until ctx ends, and returns when no answer is under way.
func (b *Bus) Respond(ctx context.Context, subj string, answer func(context.Context, messaging.Message) ([]byte, error)) error {
	return b.RespondAdmitted(ctx, subj, func(messaging.Message) error { return nil }, answer)
}

// RespondAdmitted answers what admit lets in until ctx ends.
func (b *Bus) RespondAdmitted(ctx context.Context, subj string, admit func(messaging.Message) error, answer func(context.Context, messaging.Message) ([]byte, error)) error {
	r := &responder{pattern: subj, ctx: ctx, admit: admit, answer: answer}
	b.mu.Lock()
	b.responders[r] = struct{}{}
	b.mu.Unlock()
	<-ctx.Done()
	b.mu.Lock()
	delete(b.responders, r)
	b.mu.Unlock()
	r.running.Wait()
	return ctx.Err()
}

// Bucket returns the bucket of that name; it exists from then on.
func (b *Bus) Bucket(_ context.Context, name string) (messaging.Bucket, error) {
	return b.bucket(name), nil
}

func (b *Bus) bucket(name string) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets[name] == nil {
		b.buckets[name] = newBucket(b)
	}
	return b.buckets[name]
}

// leases is the bucket in which records end by themselves.
func (b *Bus) leases() *bucket { return b.bucket(subject.Leases) }
