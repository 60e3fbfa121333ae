package nats

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/hansa-io/hansa/messaging"
)

// The wait before an attempt to connect again: the first is short, since a server that
// is away is one of several, and each later one twice as long, since a server that came
// back must not be asked by everybody at once. Credentials that were refused will be
// again, until there are others.
const (
	firstReconnect = 200 * time.Millisecond
	lastReconnect  = 2 * time.Second
	refusedWait    = 5 * time.Second
)

// redial steers the attempts of one connection: who connects, to which server, and
// when. The library calls it from its own goroutines, under locks of its own, so it
// never calls the library back, except from a goroutine that it starts.
type redial struct {
	options DialOptions
	source  Source
	link    *link
	gateway string        // whose credentials the connection began with; empty: not a gateway's
	patient time.Duration // least wait while the credentials are refused

	mu      sync.Mutex
	nc      *nats.Conn    // nil until the library has returned it
	given   Credentials   // of the last attempt
	uses    string        // the JWT of the last connection
	at      string        // host:port of the server tried last
	goal    string        // host:port of the server that is wanted next; empty: any
	tries   int           // since the connection ended
	refused bool          // the last word of the bus was that it does not take the credentials
	told    string        // what was logged last
	changed chan struct{} // closed with the next connection
}

func newRedial(o DialOptions) (*redial, error) {
	l, err := newLink(o)
	if err != nil {
		return nil, err
	}
	if o.First == 0 {
		o.First = rand.IntN(1024)
	}
	return &redial{options: o, source: o.source(), link: l, patient: refusedWait, changed: make(chan struct{})}, nil
}

// ordered are the URLs, beginning with the first one of this connection.
func (r *redial) ordered(urls []string) []string {
	if len(urls) == 0 {
		return nil
	}
	n := r.options.First % len(urls)
	return slices.Concat(urls[n:], urls[:n])
}

// access is what the source has now, unless it is of another gateway.
func (r *redial) access() (Access, error) {
	now, err := r.source()
	if err != nil {
		return now, err
	}
	user, _ := jwt.DecodeUserClaims(now.Credentials.JWT) // the server says what is wrong with it
	if gatewayOf(user) != r.gateway {
		return now, errOtherGateway
	}
	return now, nil
}

// user gives the library the credentials of this attempt.
func (r *redial) user() (string, error) {
	now, err := r.access()
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = now.Credentials
	return r.given.JWT, nil
}

// longestNonce bounds what a server may have signed: its challenge is some random
// characters, and nothing else that the key signs is as short.
const longestNonce = 64

// sign answers the server's challenge for what user gave last.
func (r *redial) sign(nonce []byte) ([]byte, error) {
	if len(nonce) > longestNonce {
		return nil, fmt.Errorf("the server's challenge has %d bytes, more than %d: nothing is signed", len(nonce), longestNonce)
	}
	r.mu.Lock()
	seed := r.given.Seed
	r.mu.Unlock()
	return Sign(seed, nonce)
}

// Sign signs with the seed of a user's key.
func Sign(seed, text []byte) ([]byte, error) {
	key, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, errors.New("sign: that is no seed of a key")
	}
	defer key.Wipe()
	return key.Sign(text)
}

// next picks the server of the next attempt, the one that is wanted or the one after the
// last, and says how long to wait: not at all while there is a server that was not tried.
func (r *redial) next(servers []nats.Server, _ nats.ServerInfo) (*nats.Server, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := func(host string) int {
		return slices.IndexFunc(servers, func(s nats.Server) bool { return s.URL.Host == host })
	}
	if i := at(r.goal); i >= 0 { // the connection was ended here, so nobody has to wait
		r.at, r.goal = r.goal, ""
		return &servers[i], 0
	}
	chosen := &servers[(at(r.at)+1)%len(servers)]
	r.at = chosen.URL.Host
	if r.tries++; r.nc != nil && r.tries > 1 {
		go r.look(r.nc)
	}
	return chosen, r.wait(len(servers))
}

// wait is how long to wait before this attempt; r.mu is held.
func (r *redial) wait(servers int) time.Duration {
	wait := time.Duration(0)
	if r.tries%servers == 0 {
		wait = reconnectDelay(r.options.Name, r.tries/servers)
	}
	if r.refused {
		wait = max(wait, r.patient+share(r.patient, r.options.Name, 0))
	}
	return wait
}

// reconnectDelay spreads reconnects: each wait is half to one and a half times its
// length, by a hash of the name and of the attempt.
func reconnectDelay(name string, attempt int) time.Duration {
	wait := min(firstReconnect<<min(attempt-1, 10), lastReconnect)
	return wait/2 + share(wait, name, attempt)
}

// share is a part of d, by a hash of the name and of the attempt.
func share(d time.Duration, name string, attempt int) time.Duration {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, name, attempt) // a hash takes everything
	return time.Duration(float64(d) * float64(h.Sum32()%1024) / 1024)
}

// look finds out whether the last attempt was refused: the library tells nobody before
// it was connected once.
func (r *redial) look(nc *nats.Conn) {
	if err := nc.LastError(); err != nil && refused(err) {
		r.refuse(err)
	}
}

// refuse notes that the bus does not take the credentials, and says so once.
func (r *redial) refuse(err error) {
	r.mu.Lock()
	first := !r.refused
	r.refused = true
	r.mu.Unlock()
	if !first {
		return
	}
	if r.options.Log != nil && r.options.Refused == nil {
		r.options.Log.Warn("bus: the credentials are refused, trying again now and then", "connection", r.options.Name, "reason", explained(err))
	}
	if r.options.Refused != nil {
		r.options.Refused()
	}
}

// goesOn takes why an attempt failed; a patient connection logs each reason once in a
// row.
func (r *redial) goesOn(_ *nats.Conn, err error) {
	switch {
	case err == nil:
	case refused(err):
		r.refuse(err)
	case r.options.Patient && r.options.Log != nil && r.tell(err.Error()):
		r.options.Log.Warn("bus: cannot be reached, trying again", "connection", r.options.Name, "reason", explained(err))
	}
}

// tell reports whether a text is news.
func (r *redial) tell(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.told != text
	r.told = text
	return news
}

// complain logs an error that no call returns.
func (r *redial) complain(nc *nats.Conn, sub *nats.Subscription, err error) {
	if refused(err) {
		r.refuse(err)
		return
	}
	r.link.complain(nc, sub, err)
}

// opened takes the connection that the library returned.
func (r *redial) opened(nc *nats.Conn) {
	r.mu.Lock()
	r.nc = nc
	r.mu.Unlock()
	if nc.IsConnected() {
		r.note(nc)
	}
}

// connected is called when the connection is there, or there again.
func (r *redial) connected(nc *nats.Conn) {
	r.note(nc)
	r.link.reconnected(nc)
}

func (r *redial) note(nc *nats.Conn) {
	server := host(nc.ConnectedUrl())
	r.mu.Lock()
	defer r.mu.Unlock()
	if server != "" {
		r.at = server
	}
	r.uses, r.tries, r.refused, r.told = r.given.JWT, 0, false, ""
	r.link.use(r.given)
	close(r.changed)
	r.changed = make(chan struct{})
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// state is what a connection used last, and what is closed when that changes.
func (r *redial) state() (uses string, changed chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.uses, r.changed
}

// Switch returns when the connection is up with the present credentials; it connects
// anew when it uses others.
func (c *Conn) Switch(ctx context.Context) error {
	now, err := c.redial.access()
	if err != nil {
		return err
	}
	if uses, _ := c.redial.state(); uses != now.Credentials.JWT {
		if err := c.again(c.Server()); err != nil {
			return err
		}
	}
	for {
		uses, changed := c.redial.state()
		if uses == now.Credentials.JWT && c.nc.IsConnected() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the bus does not take %s with new credentials in time: %w", c.redial.options.Name, context.Cause(ctx))
		}
	}
}

// again ends the connection and makes it again, to that server if it can be.
func (c *Conn) again(server string) error {
	c.redial.mu.Lock()
	c.redial.goal = server
	c.redial.mu.Unlock()
	if err := c.nc.ForceReconnect(); err != nil {
		return wrap(err, "connect to the bus again")
	}
	return nil
}

// reachLimit is how long a server may take to show that it is there.
const reachLimit = time.Second

// Move connects to another server of the bus that can be reached; without one, the
// connection stays where it is.
func (c *Conn) Move(ctx context.Context) error {
	now, err := c.redial.source()
	if err != nil {
		return err
	}
	present := c.Server()
	err = fmt.Errorf("the bus has no other server than %s: %w", present, messaging.ErrDisconnected)
	for _, address := range c.redial.ordered(now.URLs) {
		server := host(address)
		if server == present {
			continue
		}
		dialer := net.Dialer{Timeout: reachLimit}
		probe, dialErr := dialer.DialContext(ctx, "tcp", server)
		if dialErr != nil {
			err = fmt.Errorf("reach another server of the bus: %w", dialErr)
			continue
		}
		_ = probe.Close() // nothing was sent
		return c.again(server)
	}
	return err
}

// Refresh lets later attempts go to the servers that the source has now; the
// connection itself stays.
func (c *Conn) Refresh() error {
	now, err := c.redial.source()
	if err != nil {
		return err
	}
	if err := c.nc.SetServerPool(c.redial.ordered(now.URLs)); err != nil {
		return wrap(err, "take new servers of the bus")
	}
	return nil
}

// Server is the host:port that the connection goes to; empty while there is none.
func (c *Conn) Server() string { return host(c.nc.ConnectedUrl()) }
