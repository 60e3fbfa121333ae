package nats_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// far is a bus of two clusters that are linked by gateways: "home", three servers that
// keep the streams, and "far", one server.
type far struct {
	*bus
	servers []*natstest.Server
	links   []*natstest.Link // all ways between the clusters
	home    []string         // URLs
	away    []string
}

// homeServers is how many servers "home" has; the one of "far" comes after them.
const homeServers = 3

// farBus starts both. The configuration of the far server is that of the site.
func farBus(t *testing.T, site nats.Site) *far {
	t.Helper()
	const n = homeServers + 1
	addresses, routes, listen := natstest.Addresses(t, n), natstest.Addresses(t, n), natstest.Addresses(t, n)
	f := &far{bus: newBus(t, addresses...)}
	f.home, f.away = f.options.URLs[:homeServers], f.options.URLs[homeServers:]
	home, away := f.config(t, nats.Site{URLs: f.home, Home: "home"}), f.config(t, site)
	var ways []string
	for _, address := range listen {
		f.links = append(f.links, natstest.NewLink(t, address))
		ways = append(ways, f.links[len(f.links)-1].Address)
	}
	gateways := fmt.Sprintf(`[{name: home, urls: %s}, {name: far, urls: %s}]`,
		natstest.Linked(t, home, ways[:homeServers]), natstest.Linked(t, home, ways[homeServers:]))
	for i, address := range addresses {
		values := f.files.Values(t, fmt.Sprintf("nats-%d", i), address)
		config, near := home, routes[:homeServers]
		if i == homeServers {
			config, near = away, routes[homeServers:]
		}
		if i == homeServers && site.Home != site.Cluster {
			delete(values, "jetstream.store_dir")
		}
		f.files.Clustered(values, routes[i], natstest.Linked(t, home, near))
		f.files.Gatewayed(values, listen[i], ways[i], gateways)
		f.servers = append(f.servers, natstest.Begin(t, natstest.Change(t, config, values)))
	}
	for _, s := range f.servers {
		s.Ready()
	}
	f.options.URLs, f.options.Replicas, f.options.Placement.Cluster = f.home, homeServers, "home"
	return f
}

func (f *far) each(do func(*natstest.Link)) {
	for _, l := range f.links {
		do(l)
	}
}

// join lets a member in that knows only the URLs.
func (f *far) join(t *testing.T, e *nats.External, urls ...string) member {
	t.Helper()
	return joined(t, member{bus: f.bus, hub: dial(t, e, nats.HubRole), accounts: e.Accounts, urls: urls})
}

// median is that of the times that do takes.
func median(t *testing.T, times int, do func() error) time.Duration {
	t.Helper()
	var all []time.Duration
	for range times {
		began := time.Now()
		must(t, do())
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// TestFarMember: a member in another cluster speaks to the hub through the link between
// them; when the link is cut it is told so, and what it missed comes afterwards.
func TestFarMember(t *testing.T) {
	f := farBus(t, nats.Site{Home: "home", Cluster: "far"})
	e := f.open(t)
	f.apply(t, e)
	m := f.join(t, e, f.away...)
	m.speaks(t)
	works, err := m.hub.WorkBucket(bounded(t), m.account)
	must(t, err)
	seen := m.follows(t)
	_, err = works.Put(bounded(t), "shop.web", nil, messaging.AnyRevision)
	must(t, err)
	arrives(t, seen, "shop.web")

	near := joined(t, member{bus: f.bus, hub: m.hub, accounts: e.Accounts, urls: f.home})
	t.Logf("request and answer at home %v, through the link %v", median(t, 200, near.ask), median(t, 200, m.ask))
	const delay = 20 * time.Millisecond
	f.each(func(l *natstest.Link) { l.Delay(delay) })
	slow := median(t, 20, m.ask)
	t.Logf("and through a link of %v each way %v", delay, slow)
	if slow < 2*delay || slow > 10*delay {
		t.Errorf("a request takes %v over a link of %v: one round trip is wanted", slow, 2*delay)
	}
	f.each(func(l *natstest.Link) { l.Delay(0) })

	f.each((*natstest.Link).Cut)
	began := time.Now()
	until(t, func() error {
		err := m.ask()
		if errors.Is(err, messaging.ErrNoResponder) || errors.Is(err, messaging.ErrTimeout) {
			t.Logf("told after %v: %v", time.Since(began), err)
			return nil
		}
		return fmt.Errorf("a request over a link that is cut ends with %w", err)
	})
	t.Logf("a write at home meanwhile %v", median(t, 5, func() error {
		_, err := works.Put(bounded(t), "shop.missed", nil, messaging.AnyRevision)
		return err
	}))
	f.each((*natstest.Link).Mend)
	began = time.Now()
	until(t, m.ask)
	t.Logf("requests go through %v after the link is back", time.Since(began))
	arrives(t, seen, "shop.missed")
	t.Logf("and works %v", time.Since(began))
	m.revoked(t)
}

// follows reads the member's works until the test ends.
func (m member) follows(t *testing.T) <-chan string {
	t.Helper()
	seen := make(chan string, 100)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- m.conn.Works().Follow(ctx, func(changes []messaging.Change) error {
			for _, c := range changes {
				seen <- c.Key
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("following ended with %v", err)
		}
	})
	return seen
}

// arrives waits for a work.
func arrives(t *testing.T, seen <-chan string, key string) {
	t.Helper()
	for late := time.After(2 * limit); ; {
		select {
		case got := <-seen:
			if got == key {
				return
			}
		case <-late:
			t.Fatalf("work %s does not arrive", key)
		}
	}
}

// TestFarServerLost: a member that knows servers of both clusters goes to the other one.
func TestFarServerLost(t *testing.T) {
	f := farBus(t, nats.Site{Home: "home", Cluster: "far"})
	e := f.open(t)
	f.apply(t, e)
	m := f.join(t, e, append(slices.Clone(f.away), f.home...)...)
	m.speaks(t)
	for m.conn.Server() != strings.TrimPrefix(f.away[0], "tls://") { // it begins with any
		m.conn.Close()
		m.conn = m.dial(t)
	}
	f.servers[homeServers].Stop()
	until(t, m.ask)
	m.works(t)
}

// TestPlacement: with servers in both clusters that could keep streams, all are kept at
// home, also the works of a member that is far.
func TestPlacement(t *testing.T) {
	f := farBus(t, nats.Site{Home: "far", Cluster: "far"})
	e := f.open(t)
	f.apply(t, e)
	m := f.join(t, e, f.away...)
	m.works(t)
	if got := f.kept(t); got["far"] > 0 {
		t.Errorf("streams are kept in %v", got)
	}
	f.options.Placement, f.options.Replicas = nats.Placement{Cluster: "far"}, 1
	err := f.open(t).Apply(bounded(t), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "one after the other") {
		t.Errorf("streams that are to be moved and scaled at once: %v", err)
	}
}

// kept counts streams by cluster.
func (f *far) kept(t *testing.T) map[string]int {
	t.Helper()
	e := f.open(t)
	out := map[string]int{}
	streams := nats.JetStream(dial(t, e, nats.HubRole)).ListStreams(context.Background())
	for info := range streams.Info() {
		out[info.Cluster.Name]++
	}
	must(t, streams.Err())
	if out["home"]+out["far"] < len(subject.Durable()) {
		t.Fatalf("streams are kept in %v", out)
	}
	return out
}
