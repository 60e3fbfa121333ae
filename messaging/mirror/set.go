package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/messaging"
)

// Options says what is mirrored. Buckets must be set.
type Options struct {
	// Buckets names what is mirrored; each must implement messaging.Resumer.
	Buckets []string
	// Dir is where snapshots are kept; empty means none are.
	Dir string
	// Every is the least time between two snapshots of one bucket, 1 min by default.
	// They also take at most 1 % of the time.
	Every time.Duration
	// Log gets what is read, reset and cannot be kept; nothing is logged by default.
	Log *slog.Logger
}

// shareOfTime is how many times as long as writing took is waited before the next.
const shareOfTime = 100

// Set is the mirrors of several buckets. Make one with Open and call Run once.
type Set struct {
	opts    Options
	mirrors map[string]*mirror
}

// Open opens the buckets of a bus. It starts nothing.
func Open(ctx context.Context, bus messaging.Buckets, opts Options) (*Set, error) {
	if opts.Every <= 0 {
		opts.Every = time.Minute
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{opts: opts, mirrors: map[string]*mirror{}}
	for _, name := range opts.Buckets {
		b, err := bus.Bucket(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open bucket %s: %w", name, err)
		}
		source, ok := b.(messaging.Resumer)
		if !ok {
			return nil, fmt.Errorf("open bucket %s: %T cannot be followed from a cursor", name, b)
		}
		s.mirrors[name] = newMirror(name, source, opts.Log)
	}
	return s, nil
}

// Run reads the snapshots, follows the buckets and writes snapshots until ctx ends,
// and once more then. Readers wait until it runs.
func (s *Set) Run(ctx context.Context) error {
	keep := s.prepare()
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range s.mirrors {
		group.Go(func() error {
			if keep {
				m.readSnapshot(s.opts.Dir)
			}
			return m.follow(ctx)
		})
	}
	if !keep {
		return group.Wait()
	}
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keep(ctx)
	}()
	err := group.Wait()
	<-kept
	s.save()
	return err
}

// prepare makes the directory and reports whether snapshots are kept.
func (s *Set) prepare() bool {
	if s.opts.Dir == "" {
		return false
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		s.opts.Log.Warn("no snapshots are kept, a restart will read everything from the bus", "error", err)
		return false
	}
	return true
}

// keep writes snapshots until ctx ends.
func (s *Set) keep(ctx context.Context) {
	wait := s.opts.Every
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		began := time.Now()
		s.save()
		wait = max(s.opts.Every, shareOfTime*time.Since(began))
	}
}

// save writes one bucket after the other, so that the disk is not asked for all at once.
func (s *Set) save() {
	for _, m := range s.mirrors {
		m.save(s.opts.Dir)
	}
}

// Over returns the buckets of bus, where those that are mirrored are followed here.
// Reading one record and writing go to the bus, with the rights of its connection.
func (s *Set) Over(bus messaging.Buckets) messaging.Buckets { return over{set: s, bus: bus} }

type over struct {
	set *Set
	bus messaging.Buckets
}

// Bucket opens a bucket of the bus.
func (o over) Bucket(ctx context.Context, name string) (messaging.Bucket, error) {
	b, err := o.bus.Bucket(ctx, name)
	if m, ok := o.set.mirrors[name]; ok && err == nil {
		return mirrored{KV: b, Batcher: b, Follower: m}, nil
	}
	return b, err
}

// mirrored is a bucket that is followed in a mirror.
type mirrored struct {
	messaging.KV
	messaging.Batcher
	messaging.Follower
}
