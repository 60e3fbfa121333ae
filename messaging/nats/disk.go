package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// The floors of the disk under the store. Below the first nothing new is wanted: who
// writes desired state is refused, while leases, health and decisions go on. Below the
// second, a quarter of it, nothing but leases is written, so that the store never meets
// a full disk by what this process does. Others may fill it all the same: then the store
// fails, and is started again when there is room.
const (
	leastFloor = 64 << 20 // bytes
	mostFloor  = 1 << 30  // bytes
	shareFloor = 100      // one part in so many of the disk
)

// How often the disk is looked at: with room, and without.
const (
	diskEvery    = time.Second
	diskEveryLow = 100 * time.Millisecond
	roomWait     = time.Second      // of a write, for room, before it is refused
	healthEvery  = 10 * time.Second // with room, whether the store writes
	restartEvery = 5 * time.Second  // at least, between two restarts; it doubles
	restartMost  = 5 * time.Minute

	restoredWithin = 30 * time.Second
)

// restartRoom is what the store needs to be opened, in bytes.
const restartRoom = 4 << 20

// DiskOptions says how the disk under the store is watched. The zero value works.
type DiskOptions struct {
	// MinFree is the first floor in bytes; 0 means the larger of 64 MiB and one per
	// cent of the disk, at most 1 GiB. A negative one means no floor.
	MinFree int64
	// Restored is called when the store was started again: what it kept in memory is
	// gone, and its buckets have to be made.
	Restored func(context.Context) error
	// Metrics takes the disk's metrics; nil means that nobody looks.
	Metrics prometheus.Registerer
	// Log gets one line per transition; nothing is logged by default.
	Log *slog.Logger
}

// disk is what is known about the disk under the store.
type disk struct {
	path  string
	free  atomic.Int64 // bytes; −1 before the first look
	floor atomic.Int64
	// suspect is set when the server logs that a write has failed.
	suspect atomic.Bool
}

// hard is the second floor.
func (d *disk) hard() int64 { return d.floor.Load() / 4 }

// Full says in one line why nothing new is wanted; empty while there is room.
func (s *Server) Full() string {
	d := &s.disk
	free, floor := d.free.Load(), d.floor.Load()
	if free < 0 || free >= floor {
		return ""
	}
	return fmt.Sprintf("the bus's disk has %d MiB left, below the floor of %d MiB: make room on %s", free>>20, floor>>20, d.path)
}

// room waits a moment for room and then refuses a write to a stream on the disk, below
// the second floor. The wait slows down who writes again and again.
func (c *Conn) room(ctx context.Context, stream string) error {
	if c.server == nil || c.server.disk.admits() || !c.onDisk(stream) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	ticker := time.NewTicker(diskEveryLow)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if c.server.disk.admits() {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", messaging.ErrNoRoom, c.server.Full())
		}
	}
}

func (d *disk) admits() bool {
	free := d.free.Load()
	return free < 0 || free >= d.hard()
}

// onDisk: leases have to be renewed as long as anything can be written, and what is
// rebuilt from agents may be in memory.
func (c *Conn) onDisk(stream string) bool {
	if c.rebuiltStorage() == jetstream.FileStorage {
		return stream != streamName(subject.Leases)
	}
	return stream != streamName(subject.Leases) && !slices.ContainsFunc(subject.Rebuilt(), func(name string) bool { return stream == streamName(name) })
}

// keeper watches the disk of one server.
type keeper struct {
	server  *Server
	opts    DiskOptions
	log     *slog.Logger
	full    bool      // as it was told last
	blind   bool      // the disk could not be looked at
	broken  error     // why the store does not write
	looked  time.Time // when the store was asked last
	lowAt   time.Time // when there was no room last
	wait    time.Duration
	next    time.Time // when it may be started again
	metrics diskMetrics
}

type diskMetrics struct {
	free, full prometheus.Gauge
	restarts   prometheus.Counter
}

// KeepDisk watches the disk under the store, and starts the server again when its store
// has failed and there is room, until ctx ends.
func (s *Server) KeepDisk(ctx context.Context, o DiskOptions) error {
	k := &keeper{server: s, opts: o, log: o.Log, wait: restartEvery}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if err := k.register(); err != nil {
		return fmt.Errorf("watch the bus's disk: %w", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := k.look(); err != nil && !k.blind {
			k.log.Error("the room on the bus's disk is not known", "error", err)
		}
		k.mend(ctx, time.Now())
		timer.Reset(k.pause())
	}
}

func (k *keeper) pause() time.Duration {
	if k.full || k.broken != nil {
		return diskEveryLow
	}
	return diskEvery
}

func (k *keeper) register() error {
	k.metrics = diskMetrics{
		free:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "hansa_bus_disk_free_bytes", Help: "Room on the disk under the bus's store."}),
		full:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "hansa_bus_disk_full", Help: "1 while desired state is refused for want of room, else 0."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{Name: "hansa_bus_restarts_total", Help: "Restarts of the embedded bus after its store failed."}),
	}
	if k.opts.Metrics == nil {
		return nil
	}
	return errors.Join(k.opts.Metrics.Register(k.metrics.free), k.opts.Metrics.Register(k.metrics.full), k.opts.Metrics.Register(k.metrics.restarts))
}

// look measures the disk and tells when it has passed the floor.
func (k *keeper) look() error {
	d := &k.server.disk
	var fs syscall.Statfs_t
	err := syscall.Statfs(d.path, &fs)
	defer func() { k.blind = err != nil }()
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	block := int64(fs.Bsize) //nolint:unconvert // its type differs between systems
	d.floor.Store(floorOf(k.opts.MinFree, int64(fs.Blocks)*block))
	d.free.Store(int64(fs.Bavail) * block)
	k.metrics.free.Set(float64(d.free.Load()))
	why := k.server.Full()
	if full := why != ""; full != k.full {
		k.full = full
		k.metrics.full.Set(map[bool]float64{true: 1}[full])
		if full {
			k.log.Error("desired state is refused", "reason", why)
		} else {
			k.log.Info("desired state is accepted again", "freeMiB", d.free.Load()>>20)
		}
	}
	return nil
}

func floorOf(minFree, size int64) int64 {
	switch {
	case minFree < 0:
		return 0
	case minFree > 0:
		return minFree
	}
	return max(leastFloor, min(size/shareFloor, mostFloor))
}

// mend starts the server again once its store has failed and there is room.
func (k *keeper) mend(ctx context.Context, now time.Time) {
	if k.full {
		k.lowAt = now
	}
	if k.broken == nil {
		if !k.server.disk.suspect.Swap(false) && now.Sub(k.lowAt) > healthEvery && now.Sub(k.looked) < healthEvery {
			return
		}
		k.looked = now
		if k.broken = storeError(k.server.server.Load()); k.broken == nil {
			return
		}
		k.log.Error("the bus's store has failed; it is started again when there is room", "error", k.broken, "path", k.server.disk.path)
	}
	if k.server.disk.free.Load() < max(k.server.disk.hard(), restartRoom) || now.Before(k.next) {
		return
	}
	if now.Sub(k.next) > restartMost {
		k.wait = restartEvery
	}
	k.next, k.wait = now.Add(k.wait), min(2*k.wait, restartMost)
	if err := errors.Join(k.server.restart(), k.restored(ctx)); err != nil {
		k.log.Error("the bus was not started again", "error", err, "nextAttempt", time.Until(k.next).Round(time.Second))
		return
	}
	k.log.Warn("the bus was started again, since its store had failed", "reason", k.broken, "took", time.Since(now).Round(time.Millisecond))
	k.metrics.restarts.Inc()
	k.broken, k.looked = nil, now
}

// restored has the buckets made, as soon as the connections are back.
func (k *keeper) restored(ctx context.Context) (err error) {
	if k.opts.Restored == nil || k.server.server.Load() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, restoredWithin)
	defer cancel()
	for {
		if err = k.opts.Restored(ctx); err == nil {
			return nil
		}
		select {
		case <-time.After(diskEveryLow):
		case <-ctx.Done():
			return err
		}
	}
}

// storeError is the first failure of a stream's store, if there is one. A store that
// failed once refuses every later write until it is opened again.
func storeError(s *server.Server) error {
	if s == nil {
		return errors.New("the server does not run")
	}
	if !s.JetStreamEnabled() {
		return errors.New("the server has given its store up")
	}
	for _, e := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if e.Type == server.HealthzErrorStream && strings.Contains(e.Error, "write error") {
			return errors.New(e.Error)
		}
	}
	return nil
}
