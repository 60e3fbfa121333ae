package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/nats/natstest"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestReplacedServer: a server with the name of one that was lost, and nothing else,
// gets streams and accounts from the others, and then another one may be lost.
func TestReplacedServer(t *testing.T) {
	addresses := natstest.Addresses(t, 3)
	b := newBus(t, addresses...)
	b.options.Replicas = len(addresses)
	servers := natstest.Cluster(t, b.files, b.config(t, nats.Site{}), addresses)
	e := b.open(t)
	b.apply(t, e)
	m := joined(t, member{bus: b, hub: dial(t, e, nats.HubRole), accounts: e.Accounts})
	records, err := m.hub.Bucket(t.Context(), subject.Workloads)
	must(t, err)
	_, err = records.Put(bounded(t), "shop.web", []byte("kept"), 0)
	must(t, err)

	servers[0].Stop()
	servers[0].Wipe()
	servers[0].Restart()
	servers[0].Ready()
	began := time.Now()
	until(t, func() error { return whole(t.Context(), m.hub, len(servers)) })
	t.Logf("all streams are whole again %v after the start", time.Since(began))
	servers[1].Stop()
	until(t, func() error {
		_, err := records.Put(bounded(t), "shop.db", nil, messaging.AnyRevision)
		return err
	})
	if got, err := records.Get(bounded(t), "shop.web"); err != nil || string(got.Value) != "kept" {
		t.Errorf("got %q, %v", got.Value, err)
	}
	m.urls = b.options.URLs[:1]
	until(t, func() error { // the resolver asks the others every 10 s
		return m.letIn()
	})
}

// letIn connects a new user of the member's account.
func (m member) letIn() error {
	key, seed, err := nats.NewUserKey()
	if err != nil {
		return err
	}
	token, _, err := m.accounts.SignUser(m.account, key)
	if err != nil {
		return err
	}
	c, err := nats.Dial(nats.DialOptions{
		URLs: m.urls, CA: m.bus.files.CA, Credentials: nats.Credentials{JWT: token, Seed: seed}, Name: m.name, Account: m.account,
	})
	if err == nil {
		c.Close()
	}
	return err
}

// whole reports which stream has fewer replicas than wanted that are up to date.
func whole(ctx context.Context, hub *nats.Conn, wanted int) error {
	streams := nats.JetStream(hub).ListStreams(ctx)
	for info := range streams.Info() {
		current := 1 // the leader
		for _, r := range info.Cluster.Replicas {
			if r.Current {
				current++
			}
		}
		if current != wanted || info.Config.Replicas != wanted {
			return fmt.Errorf("stream %s has %d replicas up to date of %d", info.Config.Name, current, info.Config.Replicas)
		}
	}
	return streams.Err()
}

// TestFiveHubs: two embedded servers that are told of five join three that are told of
// three, and streams get five replicas before the three know it.
func TestFiveHubs(t *testing.T) {
	files, keys := natstest.Certificates(t), t.TempDir()
	signs, err := nats.MakeKeys(keys)
	must(t, err)
	listen, routes, dir := natstest.Addresses(t, 5), natstest.Addresses(t, 5), t.TempDir()
	start := func(i, n int) *nats.Server {
		o := nats.ServerOptions{
			Dir: filepath.Join(dir, fmt.Sprint(i)), Keys: signs, Name: fmt.Sprintf("hub-%d", i), Listen: listen[i], CertFile: files.CertFile, KeyFile: files.KeyFile,
			Cluster: &nats.Cluster{Listen: routes[i], CA: files.CA},
		}
		for j := range n {
			if j != i {
				o.Cluster.Routes = append(o.Cluster.Routes, routes[j])
			}
		}
		s, err := nats.StartServer(o)
		must(t, err)
		return s
	}
	await := func(s *nats.Server, n int) {
		c, err := s.Dial(nats.HubRole)
		must(t, err)
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*limit)
		defer cancel()
		must(t, c.AwaitBuckets(ctx, slog.New(slog.DiscardHandler)))
		until(t, func() error { return whole(ctx, c, n) })
	}
	var servers []*nats.Server
	for i := range 3 {
		servers = append(servers, start(i, 3))
	}
	await(servers[0], 3)
	for i := 3; i < 5; i++ {
		servers = append(servers, start(i, 5))
	}
	began := time.Now()
	await(servers[3], 5)
	t.Logf("five replicas after %v", time.Since(began))
	var stopping sync.WaitGroup
	for _, s := range servers {
		stopping.Go(s.Shutdown)
	}
	stopping.Wait()
}
