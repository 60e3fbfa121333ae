package nats

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// comesWithin bounds every wait for what must come.
const comesWithin = 20 * time.Second

func comes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(comesWithin)
	for !holds() {
		select {
		case <-limit:
			t.Fatalf("not %s within %s", what, comesWithin)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// value is a series of a registry: a gauge, a counter, or how often a histogram was
// fed; -1 when there is none.
func value(t *testing.T, r prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetValue())
			}
			if f.GetName() != name || slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				continue
			}
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// journal is a log that tests read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) has(parts ...string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range strings.Split(j.text.String(), "\n") {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	log := &journal{}
	w := openWith(t, func(o *ServerOptions) { o.Metrics, o.Log = registry, slog.New(slog.NewTextHandler(log, nil)) })
	hub, gateway := w.dial(t, HubRole), w.dial(t, GatewayRole)
	ctx := t.Context()
	must(t, hub.EnsureBuckets(ctx))
	answering(t, hub, subject.Hub(subject.HubDescribe), func(m messaging.Message) ([]byte, error) {
		return nil, messaging.Errorf(messaging.Refused, "no")
	})
	comes(t, "answered", func() bool {
		_, err := gateway.Request(ctx, subject.Hub(subject.HubDescribe), nil)
		return !errors.Is(err, messaging.ErrNoResponder)
	})
	_, _ = gateway.Request(ctx, subject.Hub(subject.HubAbort), nil)
	workloads, err := hub.Bucket(ctx, subject.Workloads)
	must(t, err)
	for range 2 {
		_, _ = workloads.Put(ctx, "a.a", []byte("x"), 0)
	}
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"hansa_bus_request_duration_seconds", []string{"hub.describe", "refused"}, 1},
		{"hansa_bus_request_duration_seconds", []string{"hub.abort", "nobody"}, 1},
		{"hansa_bus_answer_duration_seconds", []string{"hub.describe", "refused"}, 1},
		{"hansa_bus_write_duration_seconds", []string{"workloads", "written"}, 1},
		{"hansa_bus_write_duration_seconds", []string{"workloads", "conflict"}, 1},
		{"hansa_bus_reconnects_total", []string{"gateway"}, 0},
		{"hansa_bus_disconnected_seconds_total", []string{"gateway"}, 0},
	} {
		comes(t, want.name, func() bool { return value(t, registry, want.name, want.labels...) == want.value })
	}
	t.Run("reconnect", func(t *testing.T) {
		must(t, gateway.nc.ForceReconnect())
		comes(t, "connected again", func() bool { return value(t, registry, "hansa_bus_reconnects_total", "gateway") == 1 })
		if value(t, registry, "hansa_bus_disconnected_seconds_total", "gateway") <= 0 {
			t.Error("it was never away")
		}
		if !log.has("being made anew", "gateway") || !log.has("bus: connected", "gateway") {
			t.Errorf("the log says %s", log.text.String())
		}
	})
	t.Run("streams", func(t *testing.T) {
		measuring, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- hub.MeasureStreams(measuring) }()
		comes(t, "measured", func() bool { return value(t, registry, "hansa_bus_stream_records", "workloads") == 1 })
		if value(t, registry, "hansa_bus_stream_bytes", "workloads") <= 0 {
			t.Error("it has no size")
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
		if got := value(t, registry, "hansa_bus_stream_records", "workloads"); got != -1 {
			t.Errorf("%v records are told by a hub that does not lead", got)
		}
	})
	problems, err := testutil.GatherAndLint(registry)
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestFollowLag: a reader whose handler does not return is behind, by records and by
// time, and then no longer.
func TestFollowLag(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := openWith(t, func(o *ServerOptions) { o.Metrics = registry })
	hub, gateway := w.dial(t, HubRole), w.dial(t, GatewayRole)
	ctx, stop := context.WithCancel(t.Context())
	must(t, hub.EnsureBuckets(ctx))
	written, err := hub.Bucket(ctx, subject.Workloads)
	must(t, err)
	read, err := gateway.Bucket(ctx, subject.Workloads)
	must(t, err)
	for _, key := range []string{"a.a", "a.b", "a.c"} {
		_, err = written.Put(ctx, key, []byte("x"), 0)
		must(t, err)
	}
	proceed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- read.Follow(ctx, "", func(c messaging.Change) error {
			if c.Key == "a.b" {
				<-proceed
			}
			return nil
		})
	}()
	lag := func(what string) float64 {
		return value(t, registry, "hansa_bus_follow_lag_"+what, "gateway", "workloads")
	}
	comes(t, "behind", func() bool { return lag("records") >= 1 && lag("seconds") > 0 })
	close(proceed)
	comes(t, "at the head", func() bool { return lag("records") == 0 && lag("seconds") == 0 })
	w.server.server.Load().Shutdown()
	comes(t, "cut off", func() bool { return lag("seconds") > 0.1 })
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// TestDrops: what a slow handler loses is counted, during its subscription and after.
func TestDrops(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := openWith(t, func(o *ServerOptions) { o.Metrics = registry })
	hub, gateway := w.dial(t, HubRole), w.dial(t, GatewayRole)
	proceed := make(chan struct{})
	stop, err := hub.Subscribe(t.Context(), subject.GatewayBeat(), func(messaging.Message) { <-proceed })
	must(t, err)
	dropped := func() float64 {
		return value(t, registry, "hansa_bus_slow_consumer_dropped_total", "hub", "gateway.beat")
	}
	for range pendingMessages + 100 {
		must(t, gateway.Publish(subject.GatewayBeat(), nil))
	}
	comes(t, "dropped", func() bool { return dropped() >= 90 })
	close(proceed)
	before := dropped()
	stop()
	if after := dropped(); after < before {
		t.Errorf("%v were dropped, and %v when it had ended", before, after)
	}
}

// TestExpiry: a connection whose credentials end soon says so.
func TestExpiry(t *testing.T) {
	w := open(t)
	registry, log := prometheus.NewRegistry(), &journal{}
	account, err := w.server.Accounts.AddMember(t.Context(), federation.MemberSpec{Name: "tokyo"})
	must(t, err)
	key, seed, err := NewUserKey()
	must(t, err)
	token, err := userClaims(account, key, time.Now().Add(8*time.Second)).Encode(w.server.keys.signer)
	must(t, err)
	c, err := Dial(DialOptions{
		URLs: []string{w.server.URL()}, CA: w.ca, Credentials: Credentials{JWT: token, Seed: seed}, Name: "tokyo", Account: account,
		Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: registry,
	})
	must(t, err)
	defer c.Close()
	if left := value(t, registry, "hansa_bus_credentials_expire_seconds", "tokyo"); left < 1 || left > 8 {
		t.Errorf("%v seconds are left", left)
	}
	comes(t, "warned", func() bool { return log.has("the credentials end", "tokyo") })
}
