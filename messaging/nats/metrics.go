package nats

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// metrics are those of all connections of a process that have the same registry. A
// nil one measures nothing.
type metrics struct {
	requests   *prometheus.HistogramVec // by method and outcome
	answers    *prometheus.HistogramVec // by method and outcome
	writes     *prometheus.HistogramVec // by bucket and outcome
	reconnects *prometheus.CounterVec   // by connection
	bytes      *prometheus.GaugeVec     // by bucket
	records    *prometheus.GaugeVec     // by bucket

	mu    sync.Mutex
	links []*link
}

// What is known when somebody scrapes.
var (
	awayDesc = prometheus.NewDesc("hansa_bus_disconnected_seconds_total", "Time that the connection was without the bus.", []string{"connection"}, nil)
	dropDesc = prometheus.NewDesc("hansa_bus_slow_consumer_dropped_total",
		"Messages that came faster than their handler took them, and were dropped.", []string{"connection", "kind"}, nil)
	lagRecordsDesc = prometheus.NewDesc("hansa_bus_follow_lag_records", "Records of the bucket that a reader has still to read.", []string{"connection", "bucket"}, nil)
	lagSecondsDesc = prometheus.NewDesc("hansa_bus_follow_lag_seconds",
		"Time since a reader of the bucket last had everything; grows while it cannot read.", []string{"connection", "bucket"}, nil)
	expiryDesc = prometheus.NewDesc("hansa_bus_credentials_expire_seconds", "Time until the connection's credentials end.", []string{"connection"}, nil)
)

// From an answer in the process to one that waits for an election, in seconds.
var busBuckets = prometheus.ExponentialBuckets(0.000_1, 3, 11)

// newMetrics registers with r, or returns what another connection has registered.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	if r == nil {
		return nil, nil
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: busBuckets}, labels)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"bucket"})
	}
	m := &metrics{
		requests: histogram("hansa_bus_request_duration_seconds", "Time until a request was answered, or was not.", "method", "outcome"),
		answers:  histogram("hansa_bus_answer_duration_seconds", "Time that answering a request took.", "method", "outcome"),
		writes:   histogram("hansa_bus_write_duration_seconds", "Time until a write was on disk, or was refused.", "bucket", "outcome"),
		reconnects: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hansa_bus_reconnects_total", Help: "How often the connection came back.",
		}, []string{"connection"}),
		bytes:   gauge("hansa_bus_stream_bytes", "Size of the bucket's stream, as the hub that leads sees it; all works of members together."),
		records: gauge("hansa_bus_stream_records", "Records of the bucket, deletion markers included, as the hub that leads sees it."),
	}
	err := r.Register(m)
	var known prometheus.AlreadyRegisteredError
	if errors.As(err, &known) {
		other, ok := known.ExistingCollector.(*metrics)
		if !ok {
			return nil, fmt.Errorf("metrics of the bus: %w", err)
		}
		return other, nil
	}
	return m, err
}

func (m *metrics) vectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.answers, m.writes, m.reconnects, m.bytes, m.records}
}

// Describe lists the metrics.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, v := range m.vectors() {
		v.Describe(out)
	}
	for _, d := range []*prometheus.Desc{awayDesc, dropDesc, lagRecordsDesc, lagSecondsDesc, expiryDesc} {
		out <- d
	}
}

// Collect measures.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, v := range m.vectors() {
		v.Collect(out)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	all := sums{}
	for _, l := range m.links {
		l.measure(now, all)
	}
	for at, v := range all {
		kind := prometheus.GaugeValue
		if at.desc == awayDesc || at.desc == dropDesc {
			kind = prometheus.CounterValue
		}
		labels := []string{at.connection}
		if at.about != "" {
			labels = append(labels, at.about)
		}
		out <- prometheus.MustNewConstMetric(at.desc, kind, v, labels...)
	}
}

// series is one line of what is measured at a scrape.
type series struct {
	desc              *prometheus.Desc
	connection, about string
}

// sums joins what several connections of one name, or several readers of one bucket,
// say.
type sums map[series]float64

func (s sums) add(at series, v float64)   { s[at] += v }
func (s sums) worst(at series, v float64) { s[at] = max(s[at], v) }

// watch measures a connection until it is closed, and beyond: what it counted stays.
func (m *metrics) watch(l *link) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reconnects.WithLabelValues(l.name)
	m.links = append(m.links, l)
}

func (m *metrics) reconnected(connection string) {
	if m != nil {
		m.reconnects.WithLabelValues(connection).Inc()
	}
}

func (m *metrics) requested(subj string, began time.Time, err error) {
	if m != nil {
		m.requests.WithLabelValues(subject.Kind(subj), outcome(err, "answered")).Observe(time.Since(began).Seconds())
	}
}

func (m *metrics) answered(subj string, began time.Time, err error) {
	if m != nil {
		m.answers.WithLabelValues(subject.Kind(subj), outcome(err, "answered")).Observe(time.Since(began).Seconds())
	}
}

func (m *metrics) wrote(stream string, began time.Time, err error) {
	if m != nil {
		m.writes.WithLabelValues(bucketOf(stream), outcome(err, "written")).Observe(time.Since(began).Seconds())
	}
}

// bucketOf names a stream's bucket; those of all works have one name.
func bucketOf(stream string) string {
	if strings.HasPrefix(stream, subject.WorkBucket("")) {
		return "works"
	}
	return strings.TrimPrefix(stream, streamName(""))
}

// outcome names an error in a word.
func outcome(err error, fine string) string {
	var remote *messaging.RemoteError
	switch {
	case err == nil:
		return fine
	case errors.As(err, &remote):
		return "refused"
	}
	for _, known := range []struct {
		err  error
		name string
	}{
		{messaging.ErrConflict, "conflict"},
		{messaging.ErrTooLarge, "too-large"},
		{messaging.ErrDenied, "denied"},
		{messaging.ErrNoResponder, "nobody"},
		{messaging.ErrUnknown, "unknown"},
		{messaging.ErrTimeout, "timeout"},
		{messaging.ErrDisconnected, "disconnected"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return "failed"
}
