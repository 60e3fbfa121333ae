package kubeproxy

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/messaging"
)

// metrics count by member; only members that exist are counted.
type metrics struct {
	requests *prometheus.CounterVec // by member and code
	open     *prometheus.GaugeVec   // by member
	bytes    *prometheus.CounterVec // by member and direction
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hansa_gateway_member_requests_total", Help: "Requests to the members' APIs that have ended, by member and HTTP code.",
		}, []string{"member", "code"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hansa_gateway_member_streams", Help: "Connections to the members' APIs that are open, by member.",
		}, []string{"member"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hansa_gateway_member_bytes_total", Help: "Bytes of requests to the members' APIs, by member and direction (to, from the member).",
		}, []string{"member", "direction"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.open, m.bytes} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) ended(member string, code int) {
	m.requests.WithLabelValues(member, strconv.Itoa(code)).Inc()
}

// counted is a stream whose bytes are counted.
type counted struct {
	messaging.Stream
	to, from prometheus.Counter
	open     prometheus.Gauge
	close    func() error
}

// Read counts what comes from the member.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Stream.Read(b)
	c.from.Add(float64(n))
	return n, err
}

// Write counts what goes to the member.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	c.to.Add(float64(n))
	return n, err
}

// Close closes the stream.
func (c *counted) Close() error { return c.close() }
