package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/gateway/grpcserver"
	"github.com/hansa-io/hansa/gateway/route"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Bounds of one gateway.
const (
	// opening is how long a member has to take a connection, and openingLost how long
	// one that the hub holds for unreachable has: it may be right.
	opening     = 5 * time.Second
	openingLost = 2 * time.Second
	rememberFor = 5 * time.Second
	maxIdle     = 8                // connections of one member that wait for the next request
	idleFor     = 30 * time.Second // after which they are closed
	bufferSize  = 32 << 10
)

// Options of a Proxy. All must be set.
type Options struct {
	Name    string // of the gateway
	Tunnels messaging.Tunnels
	Tables  grpcserver.Tables
	Tokens  *grpcserver.Tokens
	Metrics prometheus.Registerer
	Log     *slog.Logger
}

// Proxy is an http.Handler for everything below Prefix.
type Proxy struct {
	opts      Options
	metrics   *metrics
	proxy     *httputil.ReverseProxy
	transport *http.Transport
	shares    shares
	failed    sync.Map // member's name to when it did not answer, while it was lost
}

var _ http.Handler = (*Proxy)(nil)

// New makes a Proxy.
func New(o Options) (*Proxy, error) {
	counts, err := newMetrics(o.Metrics)
	if err != nil {
		return nil, fmt.Errorf("reach of members: %w", err)
	}
	p := &Proxy{opts: o, metrics: counts, shares: shares{open: map[share]int{}}}
	// HTTP/1.1 gives each request under way a connection, and so a tunnel and a window,
	// of its own.
	p.transport = &http.Transport{
		DialContext: p.dial, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleFor, DisableCompression: true,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
	}
	p.proxy = &httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p.transport, FlushInterval: -1, ErrorHandler: p.broken, BufferPool: &buffers{}, ModifyResponse: upgrade,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return p, nil
}

// Close ends the connections that wait for a request.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

// dial opens a tunnel to the member whose name is the host.
func (p *Proxy) dial(ctx context.Context, _, address string) (net.Conn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	member := p.opts.Tables.Table().Members[name]
	s, err := p.open(ctx, member)
	if err != nil {
		return nil, err
	}
	c := &counted{
		Stream: s, to: p.metrics.bytes.WithLabelValues(name, "to"), from: p.metrics.bytes.WithLabelValues(name, "from"),
		open: p.metrics.open.WithLabelValues(name),
	}
	c.open.Inc()
	c.close = sync.OnceValue(func() error {
		c.open.Dec()
		return s.Close()
	})
	return c, nil
}

// open opens a tunnel. A member that the hub holds for unreachable, and that did not
// answer just now, is not asked again at once: clients try five times in a row.
func (p *Proxy) open(ctx context.Context, m route.Member) (messaging.Stream, error) {
	limit, lost := opening, m.Health() == federation.Unreachable
	if lost {
		if failed, ok := p.failed.Load(m.Spec.Name); ok && time.Since(failed.(time.Time)) < rememberFor {
			return nil, messaging.ErrTimeout
		}
		limit = openingLost
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := p.opts.Tunnels.Open(ctx, m.Spec.Account, subject.TunnelAPI)
	if lost && errors.Is(err, messaging.ErrTimeout) {
		p.failed.Store(m.Spec.Name, time.Now())
	}
	return s, err
}

// request is what was found out about a request before it is passed on.
type request struct {
	target
	user string
	role grpcserver.Role
	cut  *atomic.Bool // an upgraded connection broke off on the member's side
}

type requestKey struct{}

// ServeHTTP answers one request of a caller.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	req, code, why := p.admit(r)
	req.cut = &atomic.Bool{}
	seen := &watched{ResponseWriter: w, code: http.StatusSwitchingProtocols, cut: req.cut}
	defer func() {
		p.tell(r, req, seen.code, time.Since(begin))
	}()
	if why != "" {
		refuse(seen, req.path, code, why)
		return
	}
	if !p.shares.take(req) {
		refuse(seen, req.path, http.StatusTooManyRequests, fmt.Sprintf("%s has %d requests to member %s under way already: end some", req.user, mostRequests, req.member))
		return
	}
	defer p.shares.give(req)
	p.proxy.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), requestKey{}, req)))
}

// admit finds out who asks for what, and refuses what may not pass.
func (p *Proxy) admit(r *http.Request) (req request, code int, why string) {
	var err error
	if len(r.Header.Values("Authorization")) > 1 {
		return req, http.StatusBadRequest, "several headers \"authorization\": send one"
	}
	if req.user, req.role, err = p.opts.Tokens.Identify(r.Header.Get("Authorization")); err != nil {
		return req, http.StatusUnauthorized, err.Error()
	}
	to, ok := parse(r.URL)
	if !ok {
		return req, http.StatusBadRequest, "the path can be read in more than one way: send it without dots, empty segments and encoded slashes"
	}
	req.target = to
	table := p.opts.Tables.Table()
	if !table.Synced {
		return req, http.StatusServiceUnavailable, "the gateway has not read all records yet: try again in a moment"
	}
	if table.Members[to.member].Spec.Name == "" {
		req.member = ""
		return req, http.StatusNotFound, fmt.Sprintf("member %q does not exist: see \"hansa get members\"", to.member)
	}
	if named := impersonates(r.Header); named != "" {
		return req, http.StatusForbidden, fmt.Sprintf("header %s: a gateway impersonates nobody but the caller", named)
	}
	upgrade := r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect
	if !permitted(req.role, r.Method, to.path, upgrade) {
		return req, http.StatusForbidden, fmt.Sprintf("%s is a viewer, who may get, list, watch and read logs; %s %s needs the role operator", req.user, r.Method, to.path)
	}
	return req, 0, ""
}

// broken answers when a request could not be passed on.
func (p *Proxy) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody listens
	}
	req, _ := r.Context().Value(requestKey{}).(request)
	p.opts.Log.Info("member not reached", "member", req.member, "user", req.user, "reason", err)
	refuse(w, req.path, http.StatusServiceUnavailable, p.whyNot(req.member, err))
}

// whyNot says in one line why a member was not reached.
func (p *Proxy) whyNot(name string, err error) string {
	var remote *messaging.RemoteError
	health := p.opts.Tables.Table().Members[name].Health()
	switch {
	case errors.As(err, &remote):
		return fmt.Sprintf("member %s: %s", name, remote.Text)
	case errors.Is(err, messaging.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("member %s cannot be reached over the bus: its agent does not answer, and its health is %s: see \"hansa describe member %s\"", name, health, name)
	case errors.Is(err, messaging.ErrDisconnected):
		return fmt.Sprintf("the connection to member %s was lost: try again", name)
	}
	return fmt.Sprintf("member %s: %v", name, err)
}
