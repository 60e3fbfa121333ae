package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/federation/recovery"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bus is what the hub asks of the bus.
type Bus interface {
	messaging.Publisher
	messaging.Subscriber
	messaging.Responder
	messaging.Buckets
	messaging.Leaser
}

// Keys gives the files of the directory of the bus's keys.
type Keys interface {
	// Export returns what each file has, by its path in the directory.
	Export() (map[string][]byte, error)
}

// Ears is how the hub hears the members.
type Ears interface {
	messaging.Subscriber
	messaging.Admitter
}

// Options says how a hub runs. Bus, Accounts, Works and Sealing must be set.
type Options struct {
	Bus      Bus
	Accounts Accounts
	Works    WorkBuckets
	// Sealing is how Secrets are sealed and opened.
	Sealing Sealing
	// Ears hears the members. It is a connection of its own, so that what a member sends
	// too much of does not stand before the answers to the hub's own writes.
	Ears Ears
	// Name is what people call this hub; "hub" by default.
	Name string
	// Instance tells this hub from others that wait for the same lease. Another life of
	// this hub has the same, and no other hub may; Name by default.
	Instance string
	// BusURLs and BusCA (PEM) are handed to agents that join.
	BusURLs []string
	BusCA   []byte
	// Federation identifies the federation; clusters that join note it, and those that
	// note another are refused. Empty: nothing is noted.
	Federation string
	// Authority certifies agents, and the hub where it looks at their ports; nil: nobody is
	// certified, and those ports are not looked at.
	Authority *authority.Authority
	// Gather brings what the leader writes near to it; nil: it is near.
	Gather func(context.Context) error
	// Inspector looks at the bus; nil: nobody can.
	Inspector Inspector
	// Suspend cuts a member off the bus until Accounts.AddMember is called for it; nil:
	// one that floods the bus is only not listened to.
	Suspend func(ctx context.Context, member, account string) error
	// Disconnects calls hear, until ctx ends, with the account of each connection that the
	// bus has lost; nil: nobody tells.
	Disconnects func(ctx context.Context, hear func(account string)) error
	// Stabilise is how long a member that came back must be healthy without a
	// break; 3 s by default.
	Stabilise time.Duration
	// Brake bounds what automation and operations may do; the zero value has the
	// defaults.
	Brake recovery.BrakeLimits
	// Full says why nothing new is to be written: the bus's disk has little room; empty
	// while it has. Nil means that it always has.
	Full func() string
	// Version is told in backups.
	Version string
	// Keys go into backups; nil means that none do.
	Keys Keys
	// DataDir takes backups that are to be restored; without one nothing is restored.
	DataDir string
	// Metrics takes the hub's metrics; nil means that nobody looks.
	Metrics prometheus.Registerer
	// Log gets one line per transition; nothing is logged by default.
	Log *slog.Logger
}

// Hub decides, while it leads. Make one with New and call Run once.
type Hub struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics

	above   atomic.Uint64             // every term is above it
	heard   atomic.Pointer[time.Time] // when another hub that leads was heard last; nil: never
	uploads *uploads
	phase   atomic.Value // federation.RestoreState of the restore under way

	works sync.Mutex
	open  map[string]*workBucket // by account
}

// New checks the options. It starts nothing.
func New(opts Options) (*Hub, error) {
	switch {
	case opts.Bus == nil:
		return nil, errors.New("new hub: Bus must be set")
	case opts.Ears == nil:
		return nil, errors.New("new hub: Ears must be set")
	case opts.Accounts == nil:
		return nil, errors.New("new hub: Accounts must be set")
	case opts.Works == nil:
		return nil, errors.New("new hub: Works must be set")
	case opts.Sealing.Seal == nil || opts.Sealing.Open == nil:
		return nil, errors.New("new hub: Sealing must be set")
	}
	if opts.Name == "" {
		opts.Name = "hub"
	}
	if opts.Instance == "" {
		opts.Instance = opts.Name
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	counted, err := newMetrics(opts.Metrics)
	if err != nil {
		return nil, fmt.Errorf("new hub: %w", err)
	}
	return &Hub{opts: opts, log: opts.Log, metrics: counted, uploads: newUploads(opts.DataDir), open: map[string]*workBucket{}}, nil
}

// Run competes for the leadership and decides while it has it, until ctx ends.
// It returns nil then, and only after all that it started has stopped.
func (h *Hub) Run(ctx context.Context) error {
	leases, err := h.opts.Bus.Bucket(ctx, subject.Leases)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", subject.Leases, err)
	}
	h.uploads.clear()
	if err := h.recall(ctx, leases); err != nil {
		return err
	}
	for wait := leaseRetry; ctx.Err() == nil; wait = min(2*wait, leaseLifetime) {
		began := time.Now()
		h.newCandidate(leases).compete(ctx)
		if time.Since(began) > leaseLifetime {
			wait = leaseRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait): // a term that cannot begin must not begin at once again
		}
	}
	return nil
}

// full says why nothing new is to be written, or "".
func (h *Hub) full() string {
	if h.opts.Full == nil {
		return ""
	}
	return h.opts.Full()
}

// room refuses what is new while the bus's disk has little room.
func (h *Hub) room() error {
	if full := h.full(); full != "" {
		return messaging.Errorf(messaging.Unavailable, "nothing was written: %s", full)
	}
	return nil
}

// workBucket is one that is opened once. Opening one does not hold up the others.
type workBucket struct {
	mu     sync.Mutex
	bucket messaging.Bucket // nil until it is open
}

// workBucket opens the work bucket of the account.
func (h *Hub) workBucket(ctx context.Context, account string) (messaging.Bucket, error) {
	h.works.Lock()
	w, ok := h.open[account]
	if !ok {
		w = &workBucket{}
		h.open[account] = w
	}
	h.works.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bucket != nil {
		return w.bucket, nil
	}
	var err error
	w.bucket, err = h.opts.Works.WorkBucket(ctx, account)
	return w.bucket, err
}

// closeWorks forgets the work bucket of the account.
func (h *Hub) closeWorks(account string) {
	h.works.Lock()
	defer h.works.Unlock()
	delete(h.open, account)
}
