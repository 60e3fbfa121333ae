package nats

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
	"github.com/hansa-io/hansa/messaging/trace"
)

// DialOptions says how to connect.
type DialOptions struct {
	URLs        []string // "tls://host:port"; ignored when Server is set
	Server      *Server  // connect within the process
	CA          []byte   // PEM; of URLs
	Credentials Credentials
	// Source replaces URLs, CA and Credentials by what may change.
	Source Source
	// First is the index of the URL that is tried first, modulo their number: two
	// connections of one agent keep apart by it. 0 means any.
	First int
	Name  string // shown in the server's connection list
	// Account is set by an agent: the account key of its member, under whose
	// imports it reads its works.
	Account string
	// Replicas is how many servers keep each stream that this connection makes; 0
	// means one.
	Replicas int
	// Patient: a server that cannot be reached at first is tried for ever, in the
	// background, and why it cannot is logged. Without it that is an error.
	Patient bool
	// Refused is called, from any goroutine, when the bus does not take the
	// credentials; nil means that it is logged.
	Refused func()
	// Placement is where these streams are kept; the zero value means anywhere.
	Placement Placement
	// OnDisk keeps what agents fill again on disk too, as several servers do, so that
	// the number of servers can change.
	OnDisk bool
	// Log gets what the server refuses, what a slow reader loses, when the connection is
	// lost and comes back, and that the credentials end soon; nil means nobody does.
	Log *slog.Logger
	// Metrics takes those of the connection, under its Name; nil means nobody looks.
	Metrics prometheus.Registerer
}

// Conn is one connection to the bus. It reconnects for ever, with waits that
// differ by its name, so that many do not come back in the same moment.
type Conn struct {
	nc        *nats.Conn
	js        jetstream.JetStream
	redial    *redial
	account   string
	gateway   string          // whose credentials these are, of the account GATEWAY; empty: not a gateway's
	api       string          // where JetStream is asked
	user      *jwt.UserClaims // what the credentials say; nil when they cannot be read
	replicas  int
	placement Placement
	durable   bool    // OnDisk
	server    *Server // of a connection within the process
	first     uint64  // of new streams whose revisions members see; 0: 1
	link      *link

	mu   sync.Mutex
	lost chan struct{}
}

var (
	_ messaging.Publisher  = (*Conn)(nil)
	_ messaging.Subscriber = (*Conn)(nil)
	_ messaging.Requester  = (*Conn)(nil)
	_ messaging.Responder  = (*Conn)(nil)
	_ messaging.Admitter   = (*Conn)(nil)
	_ messaging.Buckets    = (*Conn)(nil)
	_ messaging.Leaser     = (*Conn)(nil)
)

// Dial connects. The caller closes the connection.
func Dial(o DialOptions) (*Conn, error) {
	r, err := newRedial(o)
	if err != nil {
		return nil, fmt.Errorf("dial bus: %w", err)
	}
	now, err := r.source()
	if err != nil {
		return nil, fmt.Errorf("dial bus: %w", err)
	}
	l := r.link
	user, _ := jwt.DecodeUserClaims(now.Credentials.JWT) // the server says what is wrong with it
	r.gateway = gatewayOf(user)
	c := &Conn{account: o.Account, gateway: r.gateway, api: "$JS.API", user: user, replicas: max(1, o.Replicas), placement: o.Placement, durable: o.OnDisk, server: o.Server, redial: r, link: l, lost: make(chan struct{})}
	options := []nats.Option{
		nats.Name(o.Name), nats.UserJWT(r.user, r.sign),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1),
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2), nats.Timeout(5 * time.Second),
		nats.DontRandomize(), nats.IgnoreDiscoveredServers(), nats.ReconnectToServer(r.next), nats.RetryOnFailedConnect(o.Patient),
		nats.ErrorHandler(r.complain), nats.ReconnectErrHandler(r.goesOn), nats.ConnectHandler(r.connected), nats.ReconnectHandler(r.connected),
		nats.LameDuckModeHandler(func(nc *nats.Conn) { _ = nc.ForceReconnect() }), // fails only when it is closed
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.disconnected(err); c.cut() }),
	}
	if c.gateway != "" {
		options = append(options, nats.CustomInboxPrefix(inbox+c.gateway))
	}
	urls := ""
	if o.Server != nil {
		options = append(options, nats.InProcessServer(o.Server))
	} else {
		if _, err := pool(now.CA); err != nil {
			return nil, fmt.Errorf("dial bus: %w", err)
		}
		urls = strings.Join(r.ordered(now.URLs), ",")
		options = append(options, r.secure)
	}
	nc, err := nats.Connect(urls, options...)
	if err != nil {
		return nil, fmt.Errorf("dial bus %s: %w", urls, explained(err))
	}
	c.nc = nc
	r.opened(nc)
	if c.account != "" || c.gateway != "" {
		c.api = apiPrefix
	}
	if c.js, err = jetstream.NewWithAPIPrefix(nc, c.api); err != nil {
		nc.Close()
		return nil, fmt.Errorf("dial bus %s: %w", urls, err)
	}
	l.opened(nc.IsConnected())
	return c, nil
}

// explained adds to an error of connecting what to do about it.
func explained(err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the given CA did not sign the bus's certificate: take the CA of this federation", err)
	case refused(err):
		return fmt.Errorf("%w: the credentials are not of this federation, have expired or were revoked: get new ones", err)
	}
	return err
}

// Lost is closed when the connection that stands now is lost or closed.
func (c *Conn) Lost() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

func (c *Conn) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.lost)
	c.lost = make(chan struct{})
}

// Close ends the connection; whatever uses it fails with ErrDisconnected.
func (c *Conn) Close() {
	c.link.close()
	c.nc.Close()
}

// Connected reports whether the bus is reachable at present.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// hubHeader is on what the hubs say to all gateways. What is answered to a gateway, which can name
// another gateway's ear for it, never has it, so that no gateway passes an answer off as
// a beat to the others.
const hubHeader = "Hansa-Hub"

// Publish sends a core message. While the bus is away it fails at once.
func (c *Conn) Publish(subj string, data []byte) error {
	publish := c.nc.Publish
	if slices.Contains(subject.FromHubs(), subj) {
		publish = c.publishMarked
	}
	if err := publish(subj, data); err != nil {
		return wrap(err, "publish %s", subj)
	}
	return nil
}

func (c *Conn) publishMarked(subj string, data []byte) error {
	m := nats.NewMsg(subj)
	m.Data = data
	m.Header.Set(hubHeader, "1")
	return c.nc.PublishMsg(m)
}

// pendingMessages and pendingBytes bound what a slow handler may leave waiting.
const (
	pendingMessages = 65536
	pendingBytes    = 64 << 20
)

// Subscribe calls handle for each message until ctx ends or stop is called. While the
// bus is away it begins when that is back.
func (c *Conn) Subscribe(ctx context.Context, subj string, handle func(messaging.Message)) (func(), error) {
	marked := c.gateway != "" && slices.Contains(subject.FromHubs(), subj)
	sub, err := c.nc.Subscribe(subj, func(m *nats.Msg) {
		if marked && m.Header.Get(hubHeader) == "" {
			return
		}
		handle(messaging.Message{Subject: m.Subject, Reply: m.Reply, Data: m.Data})
	})
	if err != nil {
		return nil, wrap(err, "subscribe %s", subj)
	}
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		return nil, wrap(err, "subscribe %s", subj)
	}
	if c.nc.IsConnected() {
		if err := c.nc.FlushWithContext(bounded(ctx)); err != nil && c.nc.IsConnected() {
			return nil, errors.Join(wrap(err, "subscribe %s", subj), sub.Unsubscribe())
		}
	}
	stop := c.unsubscribe(sub)
	context.AfterFunc(ctx, stop)
	return stop, nil
}

// unsubscribe counts what a subscription drops, and returns how to end it.
func (c *Conn) unsubscribe(sub *nats.Subscription) func() {
	ends := c.link.subscribed(sub)
	return func() {
		ends()
		_ = sub.Unsubscribe()
	}
}

// bounded gives a context without a deadline one; the library demands it.
func bounded(ctx context.Context) context.Context {
	if _, ok := ctx.Deadline(); ok {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// Request asks and waits for one answer.
func (c *Conn) Request(ctx context.Context, subj string, data []byte) ([]byte, error) {
	began := time.Now()
	answer, err := c.request(ctx, subj, data)
	c.link.metrics.requested(subj, began, err)
	return answer, err
}

func (c *Conn) request(ctx context.Context, subj string, data []byte) ([]byte, error) {
	m := nats.NewMsg(subj)
	m.Data = data
	follow(m, trace.Parent(ctx))
	reply, err := c.nc.RequestMsgWithContext(bounded(ctx), m)
	if err != nil {
		return nil, wrap(err, "request %s", subj)
	}
	text := reply.Header.Get(errorHeader)
	if text == "" {
		return reply.Data, nil
	}
	var e wireError
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return nil, fmt.Errorf("request %s: read the error of the answer: %w", subj, err)
	}
	return nil, &messaging.RemoteError{Kind: e.Kind, Text: e.Text}
}

// follow says of which trace a message is.
func follow(m *nats.Msg, parent string) {
	if parent != "" {
		m.Header.Set(trace.Header, parent)
	}
}

// wrap maps the library's errors to the sentinels that callers branch on.
func wrap(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	var api *jetstream.APIError
	var wire *net.OpError // the library has not noticed yet that it is cut off
	switch {
	case errors.As(err, &api) && (api.ErrorCode == 10071 || api.ErrorCode == 10164):
		return fmt.Errorf("%s: %w", what, messaging.ErrConflict)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%s: %w: the bus takes at most %d bytes", what, messaging.ErrTooLarge, MaxPayload)
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%s: %w", what, messaging.ErrNoResponder)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("%s: %w", what, messaging.ErrTimeout)
	case errors.Is(err, nats.ErrPermissionViolation):
		return fmt.Errorf("%s: %w", what, messaging.ErrDenied)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected), errors.As(err, &wire):
		return fmt.Errorf("%s: %w", what, messaging.ErrDisconnected)
	}
	return fmt.Errorf("%s: %w", what, err)
}
