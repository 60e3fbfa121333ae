package nats

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/federation"
)

// Inspector looks at the servers of the bus, by asking all of them over the system
// account. It works for embedded servers and for others alike. Safe for concurrent use.
type Inspector struct {
	account  string // HUB's
	system   *Conn
	hub      *Conn
	accounts *Accounts

	mu      sync.Mutex
	revoked map[string]bool // accounts; they stay so for ever
}

// NewInspector looks with two connections: of the system account, and with the hub's
// rights.
func NewInspector(keys *Keys, system, hub *Conn) *Inspector {
	return &Inspector{account: public(keys.hub), system: system, hub: hub, accounts: NewAccounts(keys, system), revoked: map[string]bool{}}
}

// Inspector looks at the server's bus.
func (s *Server) Inspector(hub *Conn) *Inspector { return NewInspector(s.keys, s.system, hub) }

// MeasureStreams keeps the metrics of the streams' sizes until ctx ends.
func (i *Inspector) MeasureStreams(ctx context.Context) error { return i.hub.MeasureStreams(ctx) }

// inspection is what the servers say.
type inspection struct {
	vars     []said[server.Varz]
	routes   []said[server.Routez]
	streams  []said[streamsOf]
	open     []said[server.Connz]
	closed   []said[server.Connz]
	accounts []said[[]string]

	mu      sync.Mutex
	omitted []string
}

func (i *inspection) omit(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.omitted = append(i.omitted, fmt.Sprintf(format, args...))
}

// mostConnections bounds the connections that one server tells, and mostClosed those
// that it closed.
const (
	mostConnections = 8192
	mostClosed      = 512
)

// Inspect reports how the bus is. members are the accounts of the federation's members,
// by name. What no server tells is named in Omitted; only that no server answers at all
// is an error.
func (i *Inspector) Inspect(ctx context.Context, members map[string]string) (federation.BusReport, error) {
	var seen inspection
	nc := i.system.nc
	var err error
	if seen.vars, err = askAll[server.Varz](ctx, nc, "$SYS.REQ.SERVER.PING.VARZ", nil); err != nil {
		return federation.BusReport{}, err
	}
	group, asking := errgroup.WithContext(ctx)
	question(asking, group, &seen, "routes", func() (err error) {
		seen.routes, err = askAll[server.Routez](asking, nc, "$SYS.REQ.SERVER.PING.ROUTEZ", nil)
		return err
	})
	question(asking, group, &seen, "streams and readers", func() (err error) {
		seen.streams, err = askAll[streamsOf](asking, nc, "$SYS.REQ.SERVER.PING.JSZ", server.JSzOptions{
			Account: i.account, Accounts: true, Streams: true, Consumer: true, Config: true,
		})
		return err
	})
	question(asking, group, &seen, "connections", func() (err error) {
		seen.open, err = askAll[server.Connz](asking, nc, "$SYS.REQ.SERVER.PING.CONNZ", server.ConnzOptions{Username: true, Limit: mostConnections})
		return err
	})
	question(asking, group, &seen, "connections that were cut off", func() (err error) {
		seen.closed, err = askAll[server.Connz](asking, nc, "$SYS.REQ.SERVER.PING.CONNZ", server.ConnzOptions{
			Username: true, Limit: mostClosed, State: server.ConnClosed, Sort: server.ByStop,
		})
		return err
	})
	question(asking, group, &seen, "the accounts that servers hold", func() (err error) {
		seen.accounts, err = askAll[[]string](asking, nc, "$SYS.REQ.CLAIMS.LIST", nil)
		return err
	})
	if err := group.Wait(); err != nil {
		return federation.BusReport{}, err
	}
	return i.report(ctx, &seen, members), nil
}

// question asks beside others. An answer that does not come is omitted.
func question(ctx context.Context, group *errgroup.Group, seen *inspection, what string, ask func() error) {
	group.Go(func() error {
		if err := ask(); err != nil {
			seen.omit("%s: %v", what, err)
		}
		return ctx.Err()
	})
}

func (i *Inspector) report(ctx context.Context, seen *inspection, members map[string]string) federation.BusReport {
	names := make(map[string]string, len(members)) // by account
	for member, account := range members {
		names[account] = member
	}
	r := federation.BusReport{At: time.Now(), Wanted: i.hub.replicas}
	for _, v := range seen.vars {
		r.Servers = append(r.Servers, toServer(v, seen, names))
	}
	slices.SortFunc(r.Servers, func(a, b federation.BusServer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	r.Streams, r.Consumers = i.streams(seen, names)
	for _, s := range r.Streams {
		for n := range r.Servers {
			if s.Leader == r.Servers[n].Name {
				r.Servers[n].Leads++
			}
		}
	}
	r.Connections = i.connections(seen, names)
	r.Orphans = i.orphans(ctx, seen, names)
	r.Streams = cut(seen, "streams", r.Streams)
	r.Consumers = cut(seen, "readers", r.Consumers)
	r.Connections = cut(seen, "connections", r.Connections)
	r.Omitted = seen.omitted
	return r
}

// mostLines bounds each list of a report, which goes through the bus as one message.
const mostLines = 8000

func cut[T any](seen *inspection, what string, lines []T) []T {
	if len(lines) <= mostLines {
		return lines
	}
	seen.omit("%d more %s", len(lines)-mostLines, what)
	return lines[:mostLines]
}

func toServer(v said[server.Varz], seen *inspection, members map[string]string) federation.BusServer {
	s := federation.BusServer{
		Name: v.Data.Name, ID: v.Data.ID, Version: v.Data.Version, Started: v.Data.Start, ClockOffset: v.offset(v.Data.Now), CPU: v.Data.CPU,
		Memory: v.Data.Mem, Connections: int64(v.Data.Connections), SlowClients: v.Data.SlowConsumers,
		MaxPayload: int64(v.Data.MaxPayload), MaxControl: int64(v.Data.MaxControlLine), CertificateEnds: v.Data.TLSCertNotAfter,
	}
	if js := v.Data.JetStream; js.Config != nil && js.Config.StoreDir != "" {
		s.JetStream = federation.BusStore{Enabled: true, SyncAlways: js.Config.SyncAlways, Domain: js.Config.Domain}
		if js.Config.MaxStore < maxStore {
			s.JetStream.Limit = js.Config.MaxStore
		}
		if js.Stats != nil {
			s.JetStream.Used, s.JetStream.Memory = int64(js.Stats.Store), int64(js.Stats.Memory)
		}
		s.LeadsCluster = js.Meta != nil && js.Meta.Leader == s.Name
	}
	for _, r := range seen.routes {
		if r.Server.ID == s.ID {
			s.Routes = toRoutes(r.Data.Routes)
		}
	}
	for _, a := range seen.accounts {
		if a.Server.ID == s.ID {
			s.Lacks = lacks(a.Data, members)
		}
	}
	return s
}

// toRoutes joins the connections to one server: there are several.
func toRoutes(routes []*server.RouteInfo) []federation.BusRoute {
	var out []federation.BusRoute
	for _, r := range routes {
		n := slices.IndexFunc(out, func(o federation.BusRoute) bool { return o.Server == r.RemoteName })
		if n < 0 {
			n, out = len(out), append(out, federation.BusRoute{Server: r.RemoteName})
		}
		rtt, _ := time.ParseDuration(r.RTT) // empty before the first ping
		out[n].RTT, out[n].Pending = max(out[n].RTT, rtt), out[n].Pending+int64(r.Pending)
	}
	slices.SortFunc(out, func(a, b federation.BusRoute) int { return cmp.Compare(a.Server, b.Server) })
	return out
}

// lacks lists the members whose accounts are not held.
func lacks(held []string, members map[string]string) []string {
	has := make(map[string]bool, len(held))
	for _, account := range held {
		has[account] = true
	}
	var out []string
	for account, member := range members {
		if !has[account] {
			out = append(out, member)
		}
	}
	slices.Sort(out)
	return out
}
