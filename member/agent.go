package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/authority"
	"github.com/hansa-io/hansa/member/access"
	"github.com/hansa-io/hansa/member/admit"
	"github.com/hansa-io/hansa/member/guard"
	"github.com/hansa-io/hansa/member/kube"
	"github.com/hansa-io/hansa/member/landing"
	"github.com/hansa-io/hansa/member/peer"
	"github.com/hansa-io/hansa/member/store"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/mailbox"
)

// talk is what is said over a connection.
type talk interface {
	messaging.Publisher
	messaging.Subscriber
	messaging.Requester
}

// Bus is what an agent asks of one connection to the bus.
type Bus interface {
	talk
	access.Link
	Close()
	// Works follows the orders of this member.
	Works() messaging.Orders
}

// Connection is one connection to the bus that an agent wants.
type Connection struct {
	Name    string // shown in the server's list
	Account string // of the member
	// Credentials are asked for at each attempt to connect.
	Credentials func() access.Credentials
	// First is the index of the server that is tried first, modulo their number.
	First int
	// Refused is to be called when the bus does not take the credentials.
	Refused func()
}

// Options of an agent.
type Options struct {
	// Name of the member: lower-case letters, digits and "-".
	Name   string
	Place  federation.Place
	Labels map[string]string
	// StateDir keeps the identity, the incarnation, the guard's state and its orders.
	StateDir string
	// Kubeconfig file and, optionally, context of the cluster; no file means the cluster
	// that this process is a pod of.
	Kubeconfig, Context string
	// ProbeURL and ProbeCA say where others can probe the API server; by default
	// what the kubeconfig says. NoProbe says that it cannot be reached.
	ProbeURL string
	ProbeCA  []byte // PEM
	NoProbe  bool
	// AdmissionListen is host:port where the cluster's API server asks before it
	// stores a pod of an at-most-one workload; AdmissionURL is how it reaches that, by
	// default the same. Empty means that nobody asks.
	AdmissionListen, AdmissionURL string
	// PeerListen is host:port of the agent's own port, where hubs and other agents ask
	// beside the bus; with port 0 a free one the first time, and that again afterwards.
	// Empty means that nobody can ask. PeerAddress is host:port where they reach it; by
	// default PeerListen, unless that means every address.
	PeerListen, PeerAddress string
	// JoinToken is needed once, while StateDir has no identity.
	JoinToken string
	Version   string
	// Keys make the agent's users of the bus.
	Keys access.Keys
	// NewSealKey makes a key pair that secrets are sealed to, and Unseal opens what was
	// sealed to the key of the seed.
	NewSealKey func() (public string, seed []byte, err error)
	Unseal     func(s federation.Sealed, seed []byte) ([]byte, error)
	// Dial connects to the bus, and goes on trying while it cannot be reached. An error
	// ends the agent.
	Dial func(Connection) (Bus, error)
	// Tunnels takes the tunnels to this member: control hears that they are asked for,
	// and bulk is the connection to make for them. nil: the cluster's API is not served.
	Tunnels func(control Bus, bulk Connection) messaging.TunnelServer
	Logger  *slog.Logger
}

// Agent is one life of the agent of one member.
type Agent struct {
	opts        Options
	log         *slog.Logger
	state       *stateDir
	cluster     *kube.Client
	home        home // cluster
	book        *book
	access      *access.Keeper
	incarnation federation.Incarnation

	control, beats Bus
	watch          *kube.Watch
	lander         *landing.Lander
	guard          *guard.Machine
	works          *store.Store // nil until it is open
	inbox          *inbox
	greeted        chan struct{} // closed once a hub has answered this life
	greet          sync.Once
	disowned       chan struct{} // a token when a gateway has said that the member is none any more
	reports        *reporter
	facts          *factsSource
	changes        *changes

	seals  *keyring
	offers uint64 // of seal keys, in this life; only keepSealKey uses it

	admission *admit.Server // nil without one
	port      *peer.Server  // nil without one
	papers    atomic.Pointer[authority.Identity]
	leases    atomic.Pointer[map[federation.Key]time.Time]

	hub     atomic.Pointer[hubHeard]
	refusal atomic.Pointer[string] // the hub's last one of a hello
	layers  atomic.Pointer[federation.Layers]
	lookout lookout
	attests mailbox.Pending[federation.AttestReply] // what other agents ask
	peers   *peer.Client                            // asks other agents
	leave   chan federation.Remains                 // the hub has the member leave
	probes  chan struct{}                           // a token for each look at another member that is under way
	exports map[federation.Key]federation.Export    // last reported; only reportExports uses it
	// imported has a token while what the cluster imports may differ from what it should.
	imported chan struct{}
	watched  chan struct{} // closed once the caches of watch are filled
	traces   traces
}

// New checks the options and takes the state directory. It makes no connection.
func New(opts Options) (*Agent, error) {
	switch {
	case opts.Name == "":
		return nil, errors.New("agent: the member's name is missing")
	case opts.StateDir == "":
		return nil, fmt.Errorf("agent of %s: the state directory is missing", opts.Name)
	case opts.PeerListen != "" && opts.PeerAddress == "" && everywhere(opts.PeerListen):
		return nil, fmt.Errorf("agent of %s: its own port is to listen at %s, which is no address where others reach it: say that too (peer.address, --peer-address)", opts.Name, opts.PeerListen)
	case opts.Logger == nil || opts.Dial == nil || !opts.Keys.Whole() || opts.NewSealKey == nil || opts.Unseal == nil:
		return nil, fmt.Errorf("agent of %s: Logger, Dial, Keys, NewSealKey and Unseal are needed", opts.Name)
	}
	state, err := openState(opts.StateDir)
	if err != nil {
		return nil, err
	}
	return &Agent{
		opts: opts, log: opts.Logger.With("member", opts.Name), state: state,
		inbox: newInbox(), greeted: make(chan struct{}), leave: make(chan federation.Remains, 1), disowned: make(chan struct{}, 1), probes: make(chan struct{}, mostProbes), exports: map[federation.Key]federation.Export{},
		imported: make(chan struct{}, 1), watched: make(chan struct{}),
	}, nil
}

// Run joins if needed and serves until ctx ends. The error says what to do.
func (a *Agent) Run(ctx context.Context) error {
	defer a.state.close()
	defer a.closeAdmission()
	defer a.closePort()
	defer a.closeWorks()
	if err := a.prepare(ctx); err != nil {
		if errors.Is(err, errLeft) {
			a.log.Info("there is nothing to do", "reason", err)
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("agent of %s: %w", a.opts.Name, err)
	}
	defer a.control.Close()
	defer a.beats.Close()
	roles, running := errgroup.WithContext(ctx)
	for _, role := range []func(context.Context) error{a.beat, a.listen, a.access.Run, a.servePort, a.live} {
		roles.Go(func() error { return role(running) })
	}
	err := roles.Wait()
	a.goodbye()
	switch {
	case errors.Is(err, errLeft):
		return a.forget()
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return nil
	}
	return err
}

// live serves until ctx ends, or the hub has the member leave; then it does its part in
// that. The hub hears it beat throughout.
func (a *Agent) live(ctx context.Context) error {
	if a.book.read().Leaving == "" {
		if err := a.serve(ctx); !errors.Is(err, errLeave) {
			return err
		}
	}
	if err := a.part(ctx); err != nil {
		return err
	}
	return errLeft
}

// serve is the work of a member that stays.
func (a *Agent) serve(ctx context.Context) error {
	roles, running := errgroup.WithContext(ctx)
	for _, role := range []func(context.Context) error{
		a.admit, a.decide, a.look, a.onlook, a.lander.Run, a.reports.run, a.followWorks, a.observe, a.keepFacts, a.keepStatuses, a.keepSealKey, a.keepCertificate,
		a.keepApart, a.reach, a.awaitLeave, a.keepImports,
	} {
		roles.Go(func() error { return role(running) })
	}
	return roles.Wait()
}

// prepare brings up everything that the roles need, in order.
func (a *Agent) prepare(ctx context.Context) error {
	var err error
	if a.cluster, err = kube.Open(a.opts.Kubeconfig, a.opts.Context); err != nil {
		return err
	}
	a.home = a.cluster
	clusterID, err := a.clusterID(ctx)
	if err != nil {
		return err
	}
	id, err := a.admitted(ctx, clusterID)
	if err != nil {
		return err
	}
	a.book = &book{id: id, write: a.state.writeIdentity}
	if a.incarnation, err = a.state.nextIncarnation(); err != nil {
		return err
	}
	if err := a.openPort(); err != nil {
		return err
	}
	if a.guard, err = a.openGuard(clusterID); err != nil {
		return err
	}
	if err := a.moveIn(ctx); err != nil {
		return err
	}
	a.seals = a.openKeyring()
	a.changes = newChanges()
	a.watch = a.cluster.Watch(a.changed)
	a.lander = landing.New(landing.Options{Cluster: a.cluster, Views: a.watch, Done: a.landed, Changed: a.statusChanged, GuardEnv: a.guardEnv, Open: a.openWork, Logger: a.log})
	if err := a.lander.Prepare(ctx); err != nil {
		return err
	}
	if err := a.mark(ctx); err != nil {
		return err
	}
	if err := a.connect(); err != nil {
		return err
	}
	a.reports = newReporter(a.control, a.log)
	a.facts = newFacts()
	a.hub.Store(&hubHeard{})
	a.layers.Store(&federation.Layers{})
	a.log.Info("agent starts", "incarnation", a.incarnation, "cluster", clusterID)
	return nil
}

// moveIn brings what an agent needs in the cluster, unless it is about to leave.
func (a *Agent) moveIn(ctx context.Context) error {
	if a.book.read().Leaving != "" {
		return nil
	}
	if err := a.cluster.InstallServiceAPI(ctx); err != nil {
		return err
	}
	return a.openAdmission(ctx)
}

func (a *Agent) openGuard(clusterID string) (*guard.Machine, error) {
	works, err := a.openWorks()
	if err != nil {
		return nil, err
	}
	opts := guard.Options{Member: a.opts.Name, ClusterID: clusterID, Incarnation: a.incarnation, Store: works}
	if opts.Held, err = a.readLeases(); err != nil {
		return nil, err
	}
	state, err := a.state.read(guardFile)
	if err != nil || state == nil {
		return guard.New(opts), err
	}
	m, err := guard.Restore(opts, state)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.state.path(guardFile), err)
	}
	return m, nil
}

// wait waits for d and reports whether ctx is still alive.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
