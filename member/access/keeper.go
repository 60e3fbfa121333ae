package access

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
)

// Times of a Keeper.
const (
	// askLimit bounds one request, switchLimit one change of a connection.
	askLimit    = 10 * time.Second
	switchLimit = 5 * time.Second
	// awayRetry is when a bus that is away is looked for again.
	awayRetry = 5 * time.Second
	// After a failure it tries again after a hundredth of the user's life, within these
	// bounds; after a refusal, not before refusedRetry.
	leastRetry   = 100 * time.Millisecond
	mostRetry    = time.Minute
	refusedRetry = 5 * time.Second
	busyRetry    = time.Second
	mostRefused  = 10 * time.Minute
	// asleep is how long it waits when nothing is due.
	asleep = 24 * time.Hour
)

// Options of a Keeper. All must be set.
type Options struct {
	Member      string
	ClusterID   string
	Incarnation federation.Incarnation
	Keys        Keys
	Hub         Hub
	// Save writes the state down; it returns when it is on disk.
	Save func(State) error
	Log  *slog.Logger
}

// Keeper keeps the credentials of an agent in order. Run does the work; all other
// methods may be called at any time, from any goroutine.
type Keeper struct {
	opts Options
	wake chan struct{}

	saving  sync.Mutex // held while the state changes
	said    uint64     // number of the last message about the user; only Run uses it
	told    string     // what was logged last; only Run uses it
	doubt   string     // what would be logged if it went wrong again; only Run uses it
	settled bool       // the hub knows that the links use the present user; only Run uses it

	mu      sync.Mutex
	state   State
	links   []Link
	ordered string // the key of a user that the hub wants replaced
	refused bool   // the bus does not take the present user
	again   bool   // the hub may not know the user
}

// New makes a Keeper of what was written down last.
func New(o Options, s State) *Keeper {
	return &Keeper{opts: o, state: s, wake: make(chan struct{}, 1)}
}

// Credentials are the present ones.
func (k *Keeper) Credentials() Credentials {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.Credentials
}

// Use names the connections that use the credentials.
func (k *Keeper) Use(links ...Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links = links
}

// Refused says that the bus does not take the credentials.
func (k *Keeper) Refused() { k.note(func() { k.refused = true }) }

// Order takes the hub's order to replace the user.
func (k *Keeper) Order(o federation.RotationOrder) {
	if o.Member == k.opts.Member {
		k.note(func() { k.ordered = o.Key })
	}
}

// Tell lets the hub know again which user the agent has: it is a new one, and its records
// may be older than the agent.
func (k *Keeper) Tell() { k.note(func() { k.again = true }) }

func (k *Keeper) note(change func()) {
	k.mu.Lock()
	change()
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run replaces the credentials when it is time to, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		next, err := k.step(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		k.tell(err)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.wake:
		}
		timer.Stop()
	}
}

// errAway: the bus is away; the connections themselves say so.
var errAway = errors.New("the bus is away")

// tell logs why the credentials are not in order, each reason once in a row, and not
// that the hub was busy once.
func (k *Keeper) tell(err error) {
	switch {
	case errors.Is(err, errAway):
	case err == nil:
		k.told, k.doubt = "", ""
	case busy(err) && err.Error() != k.doubt:
		k.doubt = err.Error()
	case err.Error() != k.told:
		k.told = err.Error()
		k.opts.Log.Warn("the credentials of the bus are not in order, trying again", "reason", err)
	}
}

// step does what is due, and says when to look again.
func (k *Keeper) step(ctx context.Context, now time.Time) (time.Duration, error) {
	user, err := k.opts.Keys.Read(k.Credentials().JWT)
	if err != nil {
		return mostRetry, fmt.Errorf("the agent's identity is damaged: move it away and join again with a new token: %w", err)
	}
	if offBus, wanted := k.wants(ctx, user, now); wanted {
		if user, err = k.renew(ctx, user, offBus); err != nil {
			if offBus {
				err = fmt.Errorf("the bus does not take them: %w", err)
			}
			return retry(user, err), err
		}
		k.settled = false
	}
	if !k.settled {
		if err := k.settle(ctx, user); errors.Is(err, errAway) {
			return awayRetry, err
		} else if err != nil {
			return retry(user, err), err
		}
		k.settled = true
	}
	return k.until(user, now), nil
}

// wants says whether the user has to be replaced now, and whether the bus is no way to
// ask for it.
func (k *Keeper) wants(ctx context.Context, user federation.BusUser, now time.Time) (offBus, wanted bool) {
	k.mu.Lock()
	k.settled = k.settled && !k.again
	k.again = false
	refused, ordered := k.refused, k.ordered == user.Key
	k.mu.Unlock()
	expired := !user.ExpiresAt.IsZero() && !now.Before(user.ExpiresAt)
	offBus = refused || expired
	if offBus && k.up(ctx) {
		offBus = false
		k.mu.Lock()
		k.refused = false
		k.mu.Unlock()
	}
	return offBus, offBus || expired || ordered || k.until(user, now) <= 0
}

// up reports whether a link is connected with the present credentials.
func (k *Keeper) up(ctx context.Context) bool {
	over, cancel := context.WithCancel(ctx)
	cancel() // it must not wait
	for _, l := range k.uses() {
		if l.Switch(over) == nil {
			return true
		}
	}
	return false
}

func (k *Keeper) uses() []Link {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.links
}

// until is how long the user is good: two thirds of its life, and some more by a hash of
// the name, so that a fleet that joined together does not renew together.
func (k *Keeper) until(user federation.BusUser, now time.Time) time.Duration {
	if user.ExpiresAt.IsZero() {
		return asleep
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.opts.Member)) // a hash takes everything
	life := user.ExpiresAt.Sub(user.IssuedAt)
	jitter := time.Duration(float64(life) / 24 * float64(h.Sum32()%1024) / 1024)
	return min(asleep, user.IssuedAt.Add(life/3*2+jitter).Sub(now))
}

// busy reports whether the hub could not do it now.
func busy(err error) bool {
	var remote *messaging.RemoteError
	return errors.As(err, &remote) && (remote.Kind == messaging.Unavailable || remote.Kind == messaging.Conflict)
}

// retry is how long to wait after a failure.
func retry(user federation.BusUser, err error) time.Duration {
	wait := user.ExpiresAt.Sub(user.IssuedAt) / 100
	var remote *messaging.RemoteError
	switch {
	case busy(err):
		return busyRetry
	case errors.As(err, &remote):
		return min(max(wait, refusedRetry), mostRefused)
	}
	return min(max(wait, leastRetry), mostRetry)
}

// renew gets and writes down another user.
func (k *Keeper) renew(ctx context.Context, user federation.BusUser, offBus bool) (federation.BusUser, error) {
	next, err := k.nextKey()
	if err != nil {
		return user, err
	}
	k.said++
	r := federation.Rotation{
		Member: k.opts.Member, Incarnation: k.opts.Incarnation, Sequence: k.said, ClusterID: k.opts.ClusterID,
		Key: user.Key, NewKey: next.Public, At: time.Now(),
	}
	if r.Signature, err = k.opts.Keys.Sign(k.Credentials().Seed, r.Text()); err != nil {
		return user, err
	}
	ask := k.opts.Hub.Bus
	if offBus {
		ask = k.opts.Hub.Gateway
	}
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	reply, err := ask(limit, r)
	if err != nil {
		return user, err
	}
	fresh, err := k.opts.Keys.Read(reply.UserJWT)
	switch {
	case err != nil:
		return user, fmt.Errorf("new credentials: %w", err)
	case fresh.Key != next.Public:
		return user, fmt.Errorf("new credentials: the hub signed the key %s, and %s was wanted", fresh.Key, next.Public)
	}
	err = k.change(func(s *State) { s.JWT, s.Seed, s.Next = reply.UserJWT, next.Seed, nil })
	if err != nil {
		return user, err
	}
	k.mu.Lock()
	k.refused, k.ordered = false, ""
	k.mu.Unlock()
	k.opts.Log.Info("new credentials of the bus", "until", fresh.ExpiresAt)
	return fresh, nil
}

// nextKey is the key of the next user; it is written down before anybody is told.
func (k *Keeper) nextKey() (KeyPair, error) {
	k.mu.Lock()
	known := k.state.Next
	k.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	public, seed, err := k.opts.Keys.New()
	if err != nil {
		return KeyPair{}, err
	}
	next := KeyPair{Public: public, Seed: seed}
	return next, k.change(func(s *State) { s.Next = &next })
}

// change writes a changed state down, and has it only then.
func (k *Keeper) change(edit func(*State)) error {
	k.saving.Lock()
	defer k.saving.Unlock()
	k.mu.Lock()
	next := k.state
	k.mu.Unlock()
	edit(&next)
	if err := k.opts.Save(next); err != nil {
		return err
	}
	k.mu.Lock()
	k.state = next
	k.mu.Unlock()
	return nil
}

// settle has every link use the present user, one after the other, and tells the hub.
func (k *Keeper) settle(ctx context.Context, user federation.BusUser) error {
	for _, l := range k.uses() {
		limit, cancel := context.WithTimeout(ctx, switchLimit)
		err := l.Switch(limit)
		cancel()
		if err != nil {
			return fmt.Errorf("%w: %w", errAway, err)
		}
	}
	k.said++
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	err := k.opts.Hub.Rotated(limit, federation.Rotated{
		Member: k.opts.Member, Incarnation: k.opts.Incarnation, Sequence: k.said, User: user,
	})
	if err != nil {
		return fmt.Errorf("tell the hub which credentials are in use: %w", err)
	}
	return nil
}
