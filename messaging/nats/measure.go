package nats

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// measureEvery is how often the streams are measured: as often as somebody scrapes.
const measureEvery = 15 * time.Second

// MeasureStreams keeps the metrics of the streams' sizes until ctx ends. The hub that
// leads calls it, so that there is one that tells them.
func (c *Conn) MeasureStreams(ctx context.Context) error {
	m := c.link.metrics
	if m == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	defer m.bytes.Reset()
	defer m.records.Reset()
	for {
		c.measureStreams(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(measureEvery):
		}
	}
}

// measureStreams measures once. What does not answer keeps its last value.
func (c *Conn) measureStreams(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureEvery)
	defer cancel()
	sizes := map[string]jetstream.StreamState{} // by bucket
	streams := c.js.ListStreams(ctx)
	for info := range streams.Info() {
		bucket := bucketOf(info.Config.Name)
		sum := sizes[bucket]
		sum.Bytes, sum.Msgs = sum.Bytes+info.State.Bytes, sum.Msgs+info.State.Msgs
		sizes[bucket] = sum
	}
	if streams.Err() != nil {
		return
	}
	for bucket, size := range sizes {
		c.link.metrics.bytes.WithLabelValues(bucket).Set(float64(size.Bytes))
		c.link.metrics.records.WithLabelValues(bucket).Set(float64(size.Msgs))
	}
}
