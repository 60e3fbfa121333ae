package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats"
	"github.com/hansa-io/hansa/messaging/subject"
)

// cluster is a bus of three servers.
type cluster struct {
	options []nats.ServerOptions
	servers []*nats.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	must(t, os.WriteFile(crt, pair.Certificate, 0o600))
	must(t, os.WriteFile(key, pair.Key, 0o600))
	keys, err := nats.MakeKeys(filepath.Join(dir, "keys"))
	must(t, err)
	routes := []string{freeAddress(t), freeAddress(t), freeAddress(t)}
	c := &cluster{servers: make([]*nats.Server, len(routes))}
	for i, route := range routes {
		name := fmt.Sprintf("hub-%d", i)
		c.options = append(c.options, nats.ServerOptions{
			Dir: filepath.Join(dir, name), Keys: keys, Name: name, Listen: freeAddress(t), CertFile: crt, KeyFile: key,
			Cluster: &nats.Cluster{Listen: route, Routes: []string{routes[(i+1)%3], routes[(i+2)%3]}, CA: authority.Pair().Certificate},
		})
	}
	var starting errgroup.Group // a server of a cluster waits for the others
	for i := range routes {
		starting.Go(func() (err error) {
			c.servers[i], err = nats.StartServer(c.options[i])
			return err
		})
	}
	must(t, starting.Wait())
	for _, s := range c.servers {
		t.Cleanup(s.Shutdown)
	}
	return c
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	s, err := nats.StartServer(c.options[i])
	must(t, err)
	c.servers[i] = s
	t.Cleanup(s.Shutdown)
}

// dial connects to one server. The caller closes it before the server stops.
func (c *cluster) dial(t *testing.T, i int) *nats.Conn {
	t.Helper()
	conn, err := c.servers[i].Dial(nats.HubRole)
	must(t, err)
	return conn
}

// await makes the buckets as a hub does that starts.
func (c *cluster) await(ctx context.Context, t *testing.T, i int) {
	t.Helper()
	conn := c.dial(t, i)
	defer conn.Close()
	must(t, conn.AwaitBuckets(ctx, slog.New(slog.DiscardHandler)))
}

// TestCluster: whichever server a mirror is connected to, a snapshot has what was
// written through another, and the loss of a server makes it forget nothing.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	c := newCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	log := &lines{}
	c.await(ctx, t, 0)
	mirrored := c.dial(t, 2)
	t.Cleanup(mirrored.Close)
	set, _ := run(t, mirrored, Options{Buckets: []string{subject.Workloads}, Log: log.logger()})
	m := set.mirrors[subject.Workloads]
	number := 0
	write := func(through int) {
		conn := c.dial(t, through)
		defer conn.Close()
		b := bucketOf(t, conn, subject.Workloads)
		for range 30 {
			number++
			key, value := fmt.Sprintf("shop.web-%d", number%20), fmt.Sprint(number)
			for {
				if _, err := b.Put(ctx, key, []byte(value), messaging.AnyRevision); err == nil {
					break
				}
				must(t, ctx.Err())
			}
			if got := snapshotOf(t, m)[key]; got != value {
				t.Fatalf("after %s was written, the snapshot has %q", value, got)
			}
		}
	}
	write(0)
	write(1)
	c.servers[0].Shutdown()
	write(1)
	c.start(t, 0)
	c.await(ctx, t, 0)
	write(0)
	if got, want := snapshotOf(t, m), snapshotOf(t, bucketOf(t, mirrored, subject.Workloads)); !maps.Equal(got, want) {
		t.Errorf("the mirror has %v, and the bus %v", got, want)
	}
	if n := log.count("read again"); n != 0 {
		t.Errorf("everything was read again %d times:\n%s", n, &log.b)
	}
}
