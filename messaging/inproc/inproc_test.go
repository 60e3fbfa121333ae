package inproc

import (
	"errors"
	"testing"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/messagingtest"
	"github.com/hansa-io/hansa/messaging/subject"
)

func TestSuite(t *testing.T) {
	messagingtest.Run(t, func(*testing.T) messagingtest.Roles {
		b := New()
		return messagingtest.Roles{Publisher: b, Subscriber: b, Requester: b, Responder: b, Buckets: b, Leaser: b, MaxPayload: MaxPayload}
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
