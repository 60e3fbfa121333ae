package nats

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// BenchmarkFollow measures the time from a write until a reader has it, on one server
// that syncs every write: a record that is put and followed, and, turn by turn in the
// same run, a bare publish and the library's ordered consumer. The aim is a ratio of
// at most 1.5.
func BenchmarkFollow(b *testing.B) { benchmarkFollow(b, HubRole) }

// BenchmarkGatewayFollows is the same for a gateway that follows.
func BenchmarkGatewayFollows(b *testing.B) { benchmarkFollow(b, GatewayRole) }

func benchmarkFollow(b *testing.B, role Role) {
	w := open(b)
	writer := w.dial(b, HubRole)
	must(b, writer.EnsureBuckets(b.Context()))
	record, bare := followed(b, writer, w.dial(b, role)), consumed(b, writer, w.dial(b, HubRole))
	value := make([]byte, 1024)
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, record(value))
		theirs = append(theirs, bare(value))
	}
	for name, share := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		o, t := quantile(ours, share), quantile(theirs, share)
		b.ReportMetric(float64(o.Microseconds()), name+"-follow-µs")
		b.ReportMetric(float64(t.Microseconds()), name+"-bare-µs")
		b.ReportMetric(float64(o)/float64(t), name+"-ratio")
	}
}

// BenchmarkGatewayPut measures a write of desired state, turn by turn by a gateway and by
// a hub, on one server that syncs every write.
func BenchmarkGatewayPut(b *testing.B) {
	w := open(b)
	hub := w.dial(b, HubRole)
	must(b, hub.EnsureBuckets(b.Context()))
	put := func(c *Conn) func() time.Duration {
		to, err := c.Bucket(b.Context(), subject.Workloads)
		must(b, err)
		value := make([]byte, 1024)
		return func() time.Duration {
			began := time.Now()
			_, err := to.Put(b.Context(), "shop.web", value, messaging.AnyRevision)
			must(b, err)
			return time.Since(began)
		}
	}
	asked, direct := put(w.dial(b, GatewayRole)), put(hub)
	var all [2][]time.Duration
	for b.Loop() {
		all[0], all[1] = append(all[0], asked()), append(all[1], direct())
	}
	for i, who := range []string{"gateway", "hub"} {
		b.ReportMetric(float64(quantile(all[i], 0.5).Microseconds()), "p50-"+who+"-µs")
		b.ReportMetric(float64(quantile(all[i], 0.99).Microseconds()), "p99-"+who+"-µs")
	}
}

func quantile(all []time.Duration, share float64) time.Duration {
	slices.Sort(all)
	return all[int(share*float64(len(all)-1))]
}

// followed returns how to put a record and wait until it is followed.
func followed(b *testing.B, writer, reader *Conn) func([]byte) time.Duration {
	to, err := writer.Bucket(b.Context(), subject.Workloads)
	must(b, err)
	from, err := reader.Bucket(b.Context(), subject.Workloads)
	must(b, err)
	heard := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- from.Follow(ctx, "", func(messaging.Change) error { heard <- time.Now(); return nil })
	}()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	})
	<-heard // it is synced
	return func(value []byte) time.Duration {
		began := time.Now()
		_, err := to.Put(ctx, "shop.web", value, messaging.AnyRevision)
		must(b, err)
		return (<-heard).Sub(began)
	}
}

// consumed returns how to publish a message and wait until it is consumed.
func consumed(b *testing.B, writer, reader *Conn) func([]byte) time.Duration {
	must(b, writer.ensure(b.Context(), jetstream.StreamConfig{
		Name: "bare", Subjects: []string{"bare.>"}, Storage: jetstream.FileStorage, MaxMsgsPerSubject: 1,
	}))
	consumer, err := reader.js.OrderedConsumer(b.Context(), "bare", jetstream.OrderedConsumerConfig{})
	must(b, err)
	heard := make(chan time.Time, 1)
	consuming, err := consumer.Consume(func(jetstream.Msg) { heard <- time.Now() })
	must(b, err)
	b.Cleanup(consuming.Stop)
	return func(value []byte) time.Duration {
		began := time.Now()
		_, err := writer.js.Publish(b.Context(), "bare.shop.web", value)
		must(b, err)
		return (<-heard).Sub(began)
	}
}
