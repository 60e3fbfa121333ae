package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
)

// newRing has keys "k1", "k2", … whose seeds are "seed of k1", …; saved has what is on
// disk.
func newRing(saved *[]sealKey) *keyring {
	n := 0
	return &keyring{
		make: func() (string, []byte, error) {
			n++
			return fmt.Sprintf("k%d", n), fmt.Appendf(nil, "seed of k%d", n), nil
		},
		unseal: func(s federation.Sealed, seed []byte) ([]byte, error) {
			return fmt.Appendf(nil, "%s by %s", s.Box, seed), nil
		},
		save:    func(keys []sealKey) error { *saved = keys; return nil },
		lacking: make(chan struct{}, 1),
	}
}

func names(keys []sealKey) string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Public)
	}
	return strings.Join(out, " ")
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestSealKeyLife: a key is on disk before it is offered, is renewed when it is old, and
// stays until nothing sealed to it can come.
func TestSealKeyLife(t *testing.T) {
	var saved []sealKey
	away := errors.New("nobody answers")
	settled, refused := true, error(nil)
	var offered string
	ring := newRing(&saved)
	s := sealing{ring: ring, offer: func(_ context.Context, key string) (bool, error) {
		if saved[0].Public != key {
			t.Errorf("%s is offered while on disk is %s", key, names(saved))
		}
		offered = key
		return settled, refused
	}}
	for _, c := range []struct {
		name    string
		at      time.Duration
		settled bool
		refused error
		offered string
		disk    string
		next    time.Duration
	}{
		{"an agent that was updated makes one", 0, false, nil, "k1", "k1", sealRetry},
		{"the hub is away", time.Second, false, away, "k1", "k1", sealRetry},
		{"the hub has it", time.Minute, true, nil, "k1", "k1", sealEvery},
		{"it is not old yet", sealLifetime - time.Minute, true, nil, "k1", "k1", sealEvery},
		{"it is old", sealLifetime, false, nil, "k2", "k2 k1", sealRetry},
		{"the hub is sending", sealLifetime + time.Hour, false, nil, "k2", "k2 k1", sealRetry},
		{"it has sent all", sealLifetime + 2*time.Hour, true, nil, "k2", "k2 k1", sealEvery},
		{"its store was put back", sealLifetime + 2*time.Hour + time.Minute, false, nil, "k2", "k2 k1", sealRetry},
		{"it has sent all again", sealLifetime + 3*time.Hour, true, nil, "k2", "k2 k1", sealEvery},
		{"some may be under way", sealLifetime + 3*time.Hour + sealGrace - 1, true, nil, "k2", "k2 k1", sealEvery},
		{"none can be", sealLifetime + 3*time.Hour + sealGrace, true, nil, "k2", "k2", sealEvery},
	} {
		settled, refused = c.settled, c.refused
		next, err := s.step(t.Context(), began.Add(c.at))
		if !errors.Is(err, c.refused) || next != c.next || offered != c.offered || names(saved) != c.disk || names(ring.keys) != c.disk {
			t.Errorf("%s: offered %s, on disk %q, in memory %q, next in %v: %v", c.name, offered, names(saved), names(ring.keys), next, err)
		}
	}
}

// TestSealKeyIsNotOfferedUnsaved: what is not on disk would be lost with the process.
func TestSealKeyIsNotOfferedUnsaved(t *testing.T) {
	full := errors.New("no space left")
	ring := newRing(new([]sealKey))
	ring.save = func([]sealKey) error { return full }
	s := sealing{ring: ring, offer: func(context.Context, string) (bool, error) {
		t.Error("a key is offered that is not on disk")
		return true, nil
	}}
	if _, err := s.step(t.Context(), began); !errors.Is(err, full) || len(ring.keys) != 0 {
		t.Errorf("got %v, with %s", err, names(ring.keys))
	}
}

func TestKeyringOpens(t *testing.T) {
	ring := newRing(new([]sealKey))
	for _, at := range []time.Duration{0, sealLifetime} {
		if _, err := ring.newest(began.Add(at)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"k1", "k2"} {
		plain, err := ring.open(federation.Sealed{Recipient: key, Box: []byte("box")})
		if err != nil || string(plain) != "box by seed of "+key {
			t.Errorf("%s: %q, %v", key, plain, err)
		}
	}
	_, err := ring.open(federation.Sealed{Recipient: "XABCDEFGHIJKLMNOPQRST", Box: []byte("box")})
	if want := "sealed to the key XABCDEFGHIJK…, which this agent does not have: the hub is told which it has, and sends it again"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if len(ring.lacking) != 1 {
		t.Error("the hub is not told which key is here")
	}
}

// hubOf is a bus on which a hub answers offers.
type hubOf struct {
	Bus
	answer func(federation.SealOffer) (federation.SealReply, error)
}

func (h hubOf) Request(_ context.Context, _ string, data []byte) ([]byte, error) {
	o, err := federationv1.DecodeSealOffer(data)
	if err != nil {
		return nil, err
	}
	reply, err := h.answer(o)
	return federationv1.EncodeSealReply(reply), err
}

// TestKeepSealKey: the hub is asked until it has the key, now and then after that, and
// at once when something comes that is sealed to another.
func TestKeepSealKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var offers []federation.SealOffer
		a := &Agent{
			opts: Options{Name: "tokyo"}, log: slog.New(slog.DiscardHandler), incarnation: 3, seals: newRing(new([]sealKey)),
			control: hubOf{answer: func(o federation.SealOffer) (federation.SealReply, error) {
				offers = append(offers, o)
				if len(offers) == 1 {
					return federation.SealReply{}, messaging.ErrNoResponder
				}
				return federation.SealReply{Settled: len(offers) > 2}, nil
			}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.keepSealKey(ctx) }()
		for _, c := range []struct {
			after  time.Duration
			offers int
		}{{0, 1}, {sealRetry, 2}, {sealRetry, 3}, {sealEvery - time.Second, 3}, {time.Second, 4}} {
			<-time.After(c.after)
			synctest.Wait()
			if len(offers) != c.offers {
				t.Errorf("%d offers after %v, want %d", len(offers), c.after, c.offers)
			}
		}
		for range 10 {
			if _, err := a.seals.open(federation.Sealed{Recipient: "other"}); err == nil {
				t.Error("opened without a key")
			}
		}
		<-time.After(3 * time.Second)
		synctest.Wait()
		if len(offers) < 5 || len(offers) > 6 {
			t.Errorf("%d offers after ten works that cannot be opened", len(offers))
		}
		ordered := slices.IsSortedFunc(offers, func(x, y federation.SealOffer) int { return int(x.Sequence) - int(y.Sequence) })
		if o := offers[0]; !ordered || o.Member != "tokyo" || o.Incarnation != 3 || o.Key != "k1" {
			t.Errorf("offers: %+v", offers)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ends with %v", err)
		}
	})
}
