package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/decision"
	"github.com/hansa-io/hansa/messaging/mailbox"
)

// metrics count over all terms of a hub; a hub that does not lead counts nothing.
type metrics struct {
	leading      prometheus.Gauge
	term         prometheus.Gauge
	decisions    prometheus.Counter
	verdicts     *prometheus.CounterVec // by health
	operations   *prometheus.CounterVec // by mode and state
	writes       *prometheus.CounterVec // by bucket and outcome
	lag          *prometheus.HistogramVec
	steps        prometheus.Histogram
	takeover     *prometheus.HistogramVec // by phase
	readiness    prometheus.Gauge
	audits       prometheus.Histogram
	droppedBeats prometheus.Counter
	expiry       *prometheus.GaugeVec // by kind
	refused      prometheus.Counter
	queue        atomic.Pointer[mailbox.Box[decision.Event]] // of the present term
}

// Buckets of the histograms, in seconds: one step takes microseconds to
// milliseconds, a write milliseconds to seconds, a takeover up to some ten.
var (
	stepBuckets     = prometheus.ExponentialBuckets(0.000_01, 4, 10)
	lagBuckets      = prometheus.ExponentialBuckets(0.000_5, 2.5, 10)
	takeoverBuckets = prometheus.ExponentialBuckets(0.01, 2, 12)
)

// newMetrics registers with r; nil means that nobody looks.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		leading:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "hansa_hub_leading", Help: "1 while this hub leads, else 0."}),
		term:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "hansa_hub_term", Help: "Term of this hub's last leadership."}),
		decisions:  prometheus.NewCounter(prometheus.CounterOpts{Name: "hansa_hub_decisions_total", Help: "Assignments that were decided."}),
		verdicts:   counters("hansa_hub_verdicts_total", "Changes of a member's health, by the health it changed to.", "health"),
		operations: counters("hansa_hub_operations_total", "Operations that entered a state.", "mode", "state"),
		writes:     counters("hansa_hub_writes_total", "Writes of records, by bucket and outcome.", "bucket", "outcome"),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hansa_hub_record_lag_seconds", Help: "Time from a decision until its record was written.", Buckets: lagBuckets,
		}, []string{"bucket"}),
		steps: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hansa_hub_step_duration_seconds", Help: "Time that the machine took for one event.", Buckets: stepBuckets,
		}),
		takeover: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hansa_hub_takeover_seconds",
			Help:    "Time that this hub took to lead, by phase: lease, from the last word of the hub before until it has the lease; read, from then until it has read everything; act, from then until it has carried out what it decided first.",
			Buckets: takeoverBuckets,
		}, []string{"phase"}),
		readiness: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hansa_hub_readiness_score", Help: "Of the worst loss of one member or region: part of its replicas that finds room elsewhere, 0 to 100, weighted by tier.",
		}),
		audits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hansa_hub_audit_duration_seconds", Help: "Time to compute the readiness.", Buckets: lagBuckets,
		}),
		droppedBeats: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hansa_hub_dropped_beats_total", Help: "Beats that were dropped because too many events waited, or their member sent too many.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hansa_hub_refused_requests_total", Help: "Requests that were refused because their member sent too many.",
		}),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hansa_hub_expiry_seconds", Help: "Time until the first of its kind expires, credentials of members or certificates of the bus.",
		}, []string{"kind"}),
	}
	if r == nil {
		return m, nil
	}
	depth := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hansa_hub_queue_depth", Help: "Events that wait for the machine."}, m.depth)
	for _, c := range []prometheus.Collector{
		m.leading, m.term, m.decisions, m.verdicts, m.operations, m.writes, m.lag, m.steps, m.takeover, m.readiness, m.audits, m.droppedBeats, m.refused, m.expiry, depth,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func (m *metrics) depth() float64 {
	if queue := m.queue.Load(); queue != nil {
		return float64(queue.Len())
	}
	return 0
}

// begin tells that a term begins; the function it returns, that it has ended.
func (m *metrics) begin(term uint64, queue *mailbox.Box[decision.Event]) (end func()) {
	m.leading.Set(1)
	m.term.Set(float64(term))
	m.queue.Store(queue)
	return func() {
		m.leading.Set(0)
		m.queue.Store(nil)
	}
}

// decided counts what an effect says.
func (m *metrics) decided(effect decision.Effect) {
	switch e := effect.(type) {
	case decision.PutAssignment:
		m.decisions.Inc()
	case decision.PutHealth:
		m.verdicts.WithLabelValues(e.Record.Health.String()).Inc()
	}
}

// expires tells when the first of each kind ends.
func (m *metrics) expires(all []federation.Expiry, now time.Time) {
	first := map[string]time.Time{}
	for _, e := range all {
		if was, ok := first[e.Kind]; !ok || e.Ends.Before(was) {
			first[e.Kind] = e.Ends
		}
	}
	m.expiry.Reset()
	for kind, ends := range first {
		m.expiry.WithLabelValues(kind).Set(ends.Sub(now).Seconds())
	}
}

// audited tells the result of an audit and how long it took.
func (m *metrics) audited(report federation.Readiness, took time.Duration) {
	m.readiness.Set(report.Score)
	m.audits.Observe(took.Seconds())
}

// operation counts an operation when its state is not last.
func (m *metrics) operation(op federation.Operation, last federation.OperationState) {
	if op.State == last {
		return
	}
	mode := op.Request.Mode
	if !slices.Contains(modes, mode) {
		mode = "other" // a caller wrote it
	}
	m.operations.WithLabelValues(string(mode), string(op.State)).Inc()
}

var modes = []federation.Mode{federation.Live, federation.Drill, federation.DryRun}

var outcomes = map[decision.Outcome]string{
	decision.Written: "written", decision.Conflicted: "conflicted", decision.Rejected: "rejected", decision.Lost: "lost",
}

func (m *metrics) written(bucket string, w write, o decision.Outcome) {
	m.writes.WithLabelValues(bucket, outcomes[o]).Inc()
	m.lag.WithLabelValues(bucket).Observe(time.Since(w.decided).Seconds())
}
