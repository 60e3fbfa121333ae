package nats

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging/subject"
)

var kills = flag.Int("kills", 6, "how often TestKills kills a server")

// TestKills kills the servers of a cluster in turn, as kill -9 does, under load: no
// acknowledged write is lost, nobody reads back in time or stale for long, and never two
// hold the lease.
func TestKills(t *testing.T) {
	s, err := siteIn(t.TempDir())
	must(t, err)
	all, err := s.clustered()
	must(t, err)
	w := world{ca: s.ca, keys: s.keys, replicas: len(all)}
	var servers []*process
	for _, o := range all {
		p, err := s.begin(o)
		must(t, err)
		t.Cleanup(p.end)
		servers, w.urls = append(servers, p), append(w.urls, p.url)
	}
	must(t, w.elect())
	hub := w.dialHub(t)
	l := startLoad(t, func() (*Conn, error) { return w.connect(HubRole, w.urls) })
	for i := range *kills {
		victim := servers[i%len(servers)]
		if !l.more(200, 30*time.Second) {
			t.Fatalf("kill %d: nothing is written before it: %v", i, l.faults)
		}
		victim.kill()
		began := time.Now()
		if !l.more(50, 30*time.Second) {
			t.Fatalf("kill %d: nothing is written after it: %v", i, l.faults)
		}
		again := time.Since(began)
		must(t, victim.start())
		hub.awaitWhole(t)
		t.Logf("kill %d, of %s: 50 writes after %v, whole after %v", i, victim.Options.Name, again.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	}
	l.check(t, hub)
}

func (w world) dialHub(t *testing.T) *Conn {
	t.Helper()
	c, err := w.connect(HubRole, w.urls)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// awaitWhole waits until every stream has a leader and every server all of it.
func (c *Conn) awaitWhole(t *testing.T) {
	t.Helper()
	why := ""
	if !within(90*time.Second, func() bool { why = c.lacks(t.Context()); return why == "" }) {
		t.Fatalf("the bus does not become whole: %s", why)
	}
}

// lacks says what a cluster is short of.
func (c *Conn) lacks(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	streams, n := c.js.ListStreams(ctx), 0
	for info := range streams.Info() {
		n++
		if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != c.replicas-1 {
			return fmt.Sprintf("stream %s: %+v", info.Config.Name, info.Cluster)
		}
		for _, peer := range info.Cluster.Replicas {
			if !peer.Current || peer.Offline {
				return fmt.Sprintf("stream %s: %+v", info.Config.Name, *peer)
			}
		}
	}
	if err := streams.Err(); err != nil {
		return err.Error()
	}
	if wanted := len(subject.Durable()) + len(subject.Rebuilt()); n < wanted {
		return fmt.Sprintf("%d streams of %d", n, wanted)
	}
	return ""
}
