package messagingtest

import (
	"errors"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// lifetime is that of a lease in these tests; leaseSlack is how much later than it
// the bus may let go of a lease.
const (
	lifetime   = 1500 * time.Millisecond
	leaseSlack = 3 * time.Second
)

// renewedLease: a lease that is renewed does not end early, and when it is renewed no
// more it does not outlive its last lifetime. The holder counts from when it sent the
// last request that was granted, everybody else from when it was answered.
func renewedLease(t *testing.T, r Roles) {
	ctx := bounded(t)
	other := func() error {
		_, err := r.Leaser.Acquire(ctx, "hub", []byte("other"), lifetime, 0)
		return err
	}
	sent := time.Now()
	held := must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("holder"), lifetime, 0))
	ticks := time.NewTicker(lifetime / 5)
	defer ticks.Stop()
	for range 6 { // longer than one lifetime
		<-ticks.C
		if err := other(); !errors.Is(err, messaging.ErrConflict) {
			t.Fatalf("the lease is granted to another %v after it was renewed: %v", time.Since(sent), err)
		}
		sent = time.Now()
		held = must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("holder"), lifetime, held))
	}
	answered := time.Now()
	err := other()
	for ; errors.Is(err, messaging.ErrConflict); err = other() {
		<-ticks.C
		if time.Since(answered) > lifetime+leaseSlack {
			t.Fatalf("the lease goes on %v after it was renewed for %v", time.Since(answered), lifetime)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if early := lifetime - time.Since(sent); early > 0 {
		t.Errorf("the lease ends %v early", early)
	}
	_, err = r.Leaser.Acquire(ctx, "hub", []byte("holder"), lifetime, held)
	wants(t, err, messaging.ErrConflict)
}

// releasedLease: it is free at once, for whoever is first.
func releasedLease(t *testing.T, r Roles) {
	ctx := bounded(t)
	one := must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("a"), time.Minute, 0))
	if err := r.Leaser.Release(ctx, "hub", one); err != nil {
		t.Fatal(err)
	}
	two := must[federation.Revision](t)(r.Leaser.Acquire(ctx, "hub", []byte("b"), time.Minute, 0))
	_, err := r.Leaser.Acquire(ctx, "hub", []byte("a"), time.Minute, one)
	wants(t, err, messaging.ErrConflict)
	wants(t, r.Leaser.Release(ctx, "hub", one), messaging.ErrConflict)
	if two <= one {
		t.Errorf("revision %d after %d", two, one)
	}
}
