package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Times of the keys that secrets are sealed to.
const (
	// sealLifetime is how old a key gets before the agent makes another.
	sealLifetime = 30 * 24 * time.Hour
	// sealGrace is how long older keys are kept after the hub has sent everything again,
	// for what is still under way.
	sealGrace = 10 * time.Minute
	// sealEvery is how often the hub is told the key: its store may have been put back
	// to an older copy.
	sealEvery = 10 * time.Minute
	// sealRetry is the same while the hub does not answer or has not sent everything.
	sealRetry = 5 * time.Second
)

// sealKey is one key pair that secrets are sealed to.
type sealKey struct {
	Public string    `json:"public"`
	Seed   []byte    `json:"seed"` // secret
	Made   time.Time `json:"made"`
}

// keyring has the agent's seal keys, the newest first. A key is on disk before anybody
// is told about it.
type keyring struct {
	make   func() (public string, seed []byte, err error)
	unseal func(s federation.Sealed, seed []byte) ([]byte, error)
	save   func([]sealKey) error
	// lacking has a token when something is sealed to a key that is not here.
	lacking chan struct{}

	mu   sync.Mutex
	keys []sealKey
}

// openKeyring takes the keys of the agent's identity.
func (a *Agent) openKeyring() *keyring {
	return &keyring{
		make: a.opts.NewSealKey, unseal: a.opts.Unseal, lacking: make(chan struct{}, 1), keys: a.book.read().SealKeys,
		save: func(keys []sealKey) error { return a.book.change(func(id *identity) { id.SealKeys = keys }) },
	}
}

// newest returns the key that secrets are to be sealed to; it is made when there is none
// or the last one is too old.
func (r *keyring) newest(now time.Time) (sealKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.keys) > 0 && now.Sub(r.keys[0].Made) < sealLifetime {
		return r.keys[0], nil
	}
	public, seed, err := r.make()
	if err != nil {
		return sealKey{}, err
	}
	fresh := sealKey{Public: public, Seed: seed, Made: now}
	return fresh, r.replace(append([]sealKey{fresh}, r.keys...))
}

// forget drops all keys but the newest.
func (r *keyring) forget() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replace(slices.Clone(r.keys[:1]))
}

// replace is called with the lock held.
func (r *keyring) replace(keys []sealKey) error {
	if err := r.save(keys); err != nil {
		return err
	}
	r.keys = keys
	return nil
}

// several reports whether there are older keys.
func (r *keyring) several() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys) > 1
}

// open is a sealed.Opener.
func (r *keyring) open(s federation.Sealed) ([]byte, error) {
	r.mu.Lock()
	i := slices.IndexFunc(r.keys, func(k sealKey) bool { return k.Public == s.Recipient })
	var seed []byte
	if i >= 0 {
		seed = r.keys[i].Seed
	}
	r.mu.Unlock()
	if i < 0 {
		mark(r.lacking)
		return nil, fmt.Errorf("sealed to the key %.12s…, which this agent does not have: the hub is told which it has, and sends it again", s.Recipient)
	}
	return r.unseal(s, seed)
}

// openWork makes a work ready to be landed.
func (a *Agent) openWork(w federation.Work) (federation.Work, error) {
	return sealed.Open(w, a.opts.Name, a.seals.open)
}

// sealing keeps the hub and the keyring agreed on one key.
type sealing struct {
	ring *keyring
	// offer tells the hub a key, and whether everything is sealed to it.
	offer   func(ctx context.Context, key string) (settled bool, err error)
	settled time.Time // since when the hub says so; zero: it does not
}

// step makes, offers and forgets keys as it is time to, and says when to look again.
func (s *sealing) step(ctx context.Context, now time.Time) (time.Duration, error) {
	key, err := s.ring.newest(now)
	if err != nil {
		return sealRetry, fmt.Errorf("make a seal key: %w", err)
	}
	settled, err := s.offer(ctx, key.Public)
	if err != nil || !settled {
		s.settled = time.Time{}
		return sealRetry, err
	}
	if s.settled.IsZero() {
		s.settled = now
	}
	if s.ring.several() && now.Sub(s.settled) >= sealGrace {
		return sealEvery, s.ring.forget()
	}
	return sealEvery, nil
}

// keepSealKey lets the hub know which key secrets are to be sealed to, for as long as
// the agent runs.
func (a *Agent) keepSealKey(ctx context.Context) error {
	s := sealing{ring: a.seals, offer: a.offerSealKey}
	for told := false; ; {
		next, err := s.step(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !told {
			a.log.Warn("the hub does not know yet which key secrets are to be sealed to, trying again", "reason", err)
		}
		told = err != nil
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-a.seals.lacking:
			wait(ctx, time.Second) // one offer does for many works
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil
		}
	}
}

// offerSealKey is one request to the hub.
func (a *Agent) offerSealKey(ctx context.Context, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	a.offers++
	b, err := a.control.Request(ctx, subject.MemberUp(subject.UpSeal), federationv1.EncodeSealOffer(federation.SealOffer{
		Member: a.opts.Name, Incarnation: a.incarnation, Sequence: a.offers, Key: key,
	}))
	if err != nil {
		return false, err
	}
	reply, err := federationv1.DecodeSealReply(b)
	return reply.Settled, err
}

// newSealKey makes the key of a join.
func (a *Agent) newSealKey() (sealKey, error) {
	public, seed, err := a.opts.NewSealKey()
	if err == nil && public == "" {
		err = errors.New("make seal key: it has no public part")
	}
	return sealKey{Public: public, Seed: seed, Made: time.Now()}, err
}
