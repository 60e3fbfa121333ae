package inproc

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
)

func TestSuite(t *testing.T) {
	messagingtest.Run(t, func(t *testing.T) messagingtest.Roles { return roles(t, New()) })
}

func roles(t *testing.T, b *Bus) messagingtest.Roles {
	t.Helper()
	works, err := b.WorkBucket(t.Context(), "tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return messagingtest.Roles{
		Publisher: b, Subscriber: b, Requester: b, Responder: b, Admitter: b, Buckets: b, Leaser: b,
		Works: works, Orders: b.Works("tokyo"), MaxPayload: MaxPayload,
	}
}

// around opens the buckets of a bus whose faults wait while they write.
type around struct {
	*Bus
	whole *atomic.Bool
}

func (a around) Bucket(_ context.Context, name string) (messaging.Bucket, error) {
	return passing{a.bucket(name), a.whole}, nil
}

type passing struct {
	*bucket
	whole *atomic.Bool
}

func (p passing) Put(ctx context.Context, key string, value []byte, expected federation.Revision) (federation.Revision, error) {
	p.whole.Store(true)
	defer p.whole.Store(false)
	return p.bucket.Put(ctx, key, value, expected)
}

func (p passing) Delete(ctx context.Context, key string, expected federation.Revision) error {
	p.whole.Store(true)
	defer p.whole.Store(false)
	return p.bucket.Delete(ctx, key, expected)
}

func TestFaults(t *testing.T) {
	messagingtest.RunFaults(t, func(t *testing.T) (messagingtest.Roles, messagingtest.Faults) {
		var cut, deaf, whole atomic.Bool
		b := New()
		b.Fail = func(operation, _ string) error {
			switch {
			case !cut.Load(), whole.Load():
				return nil
			case operation == "put":
				return messaging.ErrUnknown
			}
			return messaging.ErrDisconnected
		}
		b.Lose = func(string, string) error {
			if deaf.Load() {
				return messaging.ErrUnknown
			}
			return nil
		}
		while := func(flag *atomic.Bool) func(*testing.T) func() {
			return func(*testing.T) func() {
				flag.Store(true)
				return func() { flag.Store(false) }
			}
		}
		return roles(t, b), messagingtest.Faults{Around: around{b, &whole}, LoseAnswers: while(&deaf), Cut: while(&cut)}
	})
}

func TestTunnels(t *testing.T) {
	messagingtest.RunTunnels(t, func(t *testing.T) messagingtest.TunnelRoles {
		b := New()
		dialer := b.Tunnels("gateway")
		t.Cleanup(dialer.Close)
		return messagingtest.TunnelRoles{Tunnels: dialer, Server: b.TunnelServer("TOKYO"), Account: "TOKYO", Cut: b.Cut}
	})
}

func TestFail(t *testing.T) {
	b := New()
	b.Fail = func(operation, _ string) error {
		if operation == "put" {
			return messaging.ErrUnknown
		}
		return nil
	}
	bucket, err := b.Bucket(t.Context(), subject.Workloads)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), "a.b", nil, 0); !errors.Is(err, messaging.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if err := b.Publish("x", nil); err != nil {
		t.Errorf("publish: %v", err)
	}
}

func TestResume(t *testing.T) {
	messagingtest.RunResume(t, func(*testing.T) (messaging.Buckets, messagingtest.Operator) {
		b := New()
		return b, messagingtest.Operator{
			Remake: func(_ *testing.T, bucket string) { b.Remake(bucket) },
			Backup: func(*testing.T) func(*testing.T) {
				restore := b.Backup()
				return func(*testing.T) { restore() }
			},
			Trim: func(_ *testing.T, keep int) { b.Trim(subject.Events, keep) },
		}
	})
}
