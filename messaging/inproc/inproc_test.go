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
