package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/subject"
)

// Placement says where servers keep streams.
type Placement struct {
	Cluster string   // of several that are linked by gateways; empty: any
	Tags    []string // that a server must have
}

// config is the placement in a stream's configuration.
func (p Placement) config() *jetstream.Placement {
	if p.Cluster == "" && len(p.Tags) == 0 {
		return nil
	}
	return &jetstream.Placement{Cluster: p.Cluster, Tags: p.Tags}
}

// ExternalOptions says where a bus is that others run.
type ExternalOptions struct {
	URLs []string // tls://host:port
	CA   []byte   // PEM; of the servers' certificates
	Keys *Keys
	// System are the credentials of a user of the servers' system account. Nil: the
	// servers have the operator of Keys, and with it its system account.
	System    *Credentials
	Replicas  int // how many servers keep each stream
	Placement Placement
	Log       *slog.Logger
	Metrics   prometheus.Registerer // of the connections; nil means that nobody looks
}

// External is a bus of nats-servers that others run.
type External struct {
	Accounts *Accounts
	Found    []Found // the servers at the start

	opts   ExternalOptions
	system *Conn
	given  []string // accounts that the servers had not, or otherwise
}

// OpenExternal connects to an external bus, checks that its servers can carry a hub, and
// brings the federation's own accounts there up to date.
func OpenExternal(ctx context.Context, o ExternalOptions) (*External, error) {
	e := &External{opts: o}
	var err error
	if e.system, err = e.Dial(SystemRole); err != nil {
		return nil, err
	}
	e.Accounts = NewAccounts(o.Keys, e.system)
	if err := e.ready(ctx); err != nil {
		e.Shutdown()
		return nil, err
	}
	return e, nil
}

func (e *External) ready(ctx context.Context) error {
	if err := e.survey(ctx, 1); err != nil {
		return err
	}
	claims, err := e.opts.Keys.ownAccounts()
	if err != nil {
		return err
	}
	if e.opts.System == nil {
		claims = append(claims, e.opts.Keys.systemClaims())
	}
	for _, c := range claims {
		changed, err := e.Accounts.bring(ctx, c)
		if err != nil {
			return err
		}
		if changed {
			e.given = append(e.given, c.Name)
		}
	}
	return e.trusted()
}

// trusted checks that servers of another operator believe what Keys sign: they store an
// account whoever signed it, and believe it only when somebody connects.
func (e *External) trusted() error {
	if e.opts.System == nil {
		return nil
	}
	conn, err := e.Dial(HubRole)
	if err != nil {
		key := public(e.opts.Keys.operator)
		return fmt.Errorf("the bus's servers do not believe account HUB; their operator has to name the signing key %s (nsc edit operator --sk %s): %w", key, key, err)
	}
	conn.Close()
	return nil
}

// surveyWithin is how long servers that keep streams are waited for: they may have been
// started just now, or be behind a link that is made just now.
const surveyWithin = 20 * time.Second

// survey looks for servers until so many may keep streams, and refuses what cannot carry
// a hub.
func (e *External) survey(ctx context.Context, least int) (err error) {
	for until := time.Now().Add(surveyWithin); ; {
		if e.Found, err = e.system.Survey(ctx); err != nil {
			return err
		}
		err = missing(e.Found, e.opts.Placement)
		few := err == nil && len(keepers(e.Found, e.opts.Placement)) < least
		if !few && !errors.Is(err, errNoKeepers) || time.Now().After(until) {
			return err
		}
	}
}

// Dial connects a role.
func (e *External) Dial(role Role) (*Conn, error) {
	credentials, err := e.credentials(role)
	if err != nil {
		return nil, err
	}
	return Dial(DialOptions{
		URLs: e.opts.URLs, CA: e.opts.CA, Credentials: credentials, Name: string(role),
		Replicas: e.opts.Replicas, Placement: e.opts.Placement, OnDisk: true, Log: e.opts.Log, Metrics: e.opts.Metrics,
	})
}

func (e *External) credentials(role Role) (Credentials, error) {
	if role == SystemRole && e.opts.System != nil {
		return *e.opts.System, nil
	}
	return e.opts.Keys.Credentials(role, 0)
}

// Advertised returns the URLs that agents are told: addresses (host:port), or those of
// the options when there are none.
func (e *External) Advertised(addresses []string) []string {
	if len(addresses) == 0 {
		return e.opts.URLs
	}
	return tlsURLs(addresses)
}

// Gather does nothing: no server is nearer to this hub than another one.
func (e *External) Gather(context.Context, *Conn) error { return nil }

// Inspector looks at the servers.
func (e *External) Inspector(hub *Conn) *Inspector { return NewInspector(e.opts.Keys, e.system, hub) }

// RecordKeys are those of the options' Keys.
func (e *External) RecordKeys() (keys federation.SealKeys, seed []byte, err error) {
	return e.opts.Keys.RecordKeys()
}

// Shutdown closes what External itself has opened. The servers go on.
func (e *External) Shutdown() { e.system.Close() }

// Check tells what the servers are, and what could be better, a line for each.
func (e *External) Check(ctx context.Context, tell func(string)) error {
	if err := e.survey(ctx, e.opts.Replicas); err != nil {
		return err
	}
	for _, f := range e.Found {
		tell("server " + f.String())
	}
	for _, line := range advice(e.Found, e.opts.Placement) {
		tell(line)
	}
	if keep := keepers(e.Found, e.opts.Placement); len(keep) < e.opts.Replicas {
		return fmt.Errorf("%d servers may keep streams, and each stream is to have %d replicas: start more, or lower bus.replicas", len(keep), e.opts.Replicas)
	}
	tell("accounts " + orAsBefore(strings.Join(e.given, " and ")+" given", len(e.given) > 0))
	return nil
}

// Apply is Check, and makes the federation's streams on the servers, or brings them up to
// date, those of members' works as well.
func (e *External) Apply(ctx context.Context, tell func(string)) error {
	if err := e.Check(ctx, tell); err != nil {
		return err
	}
	conn, err := e.Dial(HubRole)
	if err != nil {
		return err
	}
	defer conn.Close()
	var before, after map[string]jetstream.StreamConfig
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) (err error) { before, err = conn.streamConfigs(ctx); return err },
		func(ctx context.Context) error { return conn.ensureAll(ctx, before) },
		func(ctx context.Context) (err error) { after, err = conn.streamConfigs(ctx); return err },
	} {
		if err := conn.await(ctx, e.log(), step); err != nil {
			return err
		}
	}
	tell(compared(before, after))
	return nil
}

// HasStreams reports whether the federation has streams on the servers.
func (e *External) HasStreams(ctx context.Context) (bool, error) {
	conn, err := e.Dial(HubRole)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var found map[string]jetstream.StreamConfig
	err = conn.await(ctx, e.log(), func(ctx context.Context) (err error) { found, err = conn.streamConfigs(ctx); return err })
	return len(found) > 0, err
}

func (e *External) log() *slog.Logger {
	if e.opts.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.opts.Log
}

// ensureAll is EnsureBuckets, and the same for those of the streams that have the works
// of members.
func (c *Conn) ensureAll(ctx context.Context, streams map[string]jetstream.StreamConfig) error {
	if err := c.EnsureBuckets(ctx); err != nil {
		return err
	}
	for name := range streams {
		if account, ok := strings.CutPrefix(name, subject.WorkBucket("")); ok {
			if _, err := c.WorkBucket(ctx, account); err != nil {
				return err
			}
		}
	}
	return nil
}

func orAsBefore(what string, changed bool) string {
	if changed {
		return what
	}
	return "as before"
}

// compared says how streams changed.
func compared(before, after map[string]jetstream.StreamConfig) string {
	made, changed := 0, 0
	for name, now := range after {
		was, known := before[name]
		switch {
		case !known:
			made++
		case !reflect.DeepEqual(was, now):
			changed++
		}
	}
	return fmt.Sprintf("streams: %d made, %d changed, %d as before", made, changed, len(after)-made-changed)
}

// streamConfigs are those of all streams, by name.
func (c *Conn) streamConfigs(ctx context.Context) (map[string]jetstream.StreamConfig, error) {
	out := map[string]jetstream.StreamConfig{}
	streams := c.js.ListStreams(ctx)
	for info := range streams.Info() {
		out[info.Config.Name] = info.Config
	}
	if err := streams.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, wrap(err, "list streams")
	}
	return out, nil
}
