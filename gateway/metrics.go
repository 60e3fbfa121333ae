package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc/codes"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/route"
)

var _ grpcserver.Measure = (*metrics)(nil)

// metrics count what callers ask, and tell how old the picture is.
type metrics struct {
	requests *prometheus.CounterVec   // by method and code
	duration *prometheus.HistogramVec // by method
	hits     prometheus.Counter
	misses   prometheus.Counter
	queries  *queries
}

// NewRegistry returns a registry with the metrics of the Go runtime and of the
// process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// requestBuckets span an answer from the cache, in seconds, and a decision that
// waits for the store.
var requestBuckets = prometheus.ExponentialBuckets(0.000_05, 3, 11)

// newMetrics registers with r.
func newMetrics(r prometheus.Registerer, table func() *route.Table) (*metrics, error) {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hansa_gateway_answers_total", Help: "Answers about services, by whether they came from the cache.",
	}, []string{"cache"})
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hansa_gateway_requests_total", Help: "Requests of clients that have ended, by method and gRPC code.",
		}, []string{"method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hansa_gateway_request_duration_seconds", Help: "Time until a unary request was answered.", Buckets: requestBuckets,
		}, []string{"method"}),
		hits: answers.WithLabelValues("hit"), misses: answers.WithLabelValues("miss"), queries: newQueries(),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, answers, picture{table}} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Request counts a request that has ended. Streams last as long as their callers
// like, so took is 0 for them and goes into no histogram.
func (m *metrics) Request(method string, code codes.Code, took time.Duration) {
	m.requests.WithLabelValues(method, code.String()).Inc()
	if took > 0 {
		m.duration.WithLabelValues(method).Observe(took.Seconds())
	}
}

// Asked counts where a service is asked for.
func (m *metrics) Asked(service federation.Key, from string) { m.queries.count(service, from) }

// Answer counts an answer by where it came from.
func (m *metrics) Answer(cached bool) {
	if cached {
		m.hits.Inc()
	} else {
		m.misses.Inc()
	}
}

// picture describes the present table when somebody scrapes.
type picture struct{ table func() *route.Table }

var (
	revisionDesc  = prometheus.NewDesc("hansa_gateway_table_revision", "Number of the table that answers are made from.", nil, nil)
	syncedDesc    = prometheus.NewDesc("hansa_gateway_synced", "1 once every bucket was read, else 0.", nil, nil)
	staleDesc     = prometheus.NewDesc("hansa_gateway_stale_seconds", "Time for which the hub has had records that this gateway lacks, or was not heard; 0 while all is here.", nil, nil)
	hubAgeDesc    = prometheus.NewDesc("hansa_gateway_hub_age_seconds", "Time since the hub's last beat; absent before the first.", nil, nil)
	memberAgeDesc = prometheus.NewDesc("hansa_gateway_member_age_seconds", "Time since the hub heard the member; absent when it never did.", []string{"member"}, nil)
	membersDesc   = prometheus.NewDesc("hansa_gateway_members", "Members by health.", []string{"health"}, nil)
	workloadsDesc = prometheus.NewDesc("hansa_gateway_workloads", "Workloads by state.", []string{"state"}, nil)
)

// Describe lists what Collect sends.
func (picture) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{revisionDesc, syncedDesc, staleDesc, hubAgeDesc, memberAgeDesc, membersDesc, workloadsDesc} {
		out <- d
	}
}

// Collect sends the present values.
func (p picture) Collect(out chan<- prometheus.Metric) {
	t, now := p.table(), time.Now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(revisionDesc, float64(t.Revision))
	synced := 0.0
	if t.Synced {
		synced = 1
	}
	gauge(syncedDesc, synced)
	stale := t.Behind(now)
	if !t.BeatAt.IsZero() {
		age := now.Sub(t.BeatAt)
		gauge(hubAgeDesc, age.Seconds())
		if age > route.StaleAfter {
			stale = max(stale, age)
		}
	}
	gauge(staleDesc, stale.Seconds())
	healths := map[federation.Health]int{}
	for name, m := range t.Members {
		if m.Spec.Name == "" {
			continue
		}
		healths[m.Health()]++
		if age := t.HeardAge(name, now); age >= 0 {
			gauge(memberAgeDesc, age.Seconds(), name)
		}
	}
	for health, n := range healths {
		gauge(membersDesc, float64(n), health.String())
	}
	states := map[federation.WorkState]int{}
	for _, k := range t.Keys() {
		states[t.State(k).State]++
	}
	for state, n := range states {
		gauge(workloadsDesc, float64(n), string(state))
	}
}
