package nats

import (
	"testing"
	"time"

	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestLeaderless: a server that has no leader to follow says what it has itself, which may
// lack what the others took together; that is not what the bucket holds.
func TestLeaderless(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes an election")
	}
	s, err := siteIn(t.TempDir())
	must(t, err)
	w, stop, err := startCluster(s)
	t.Cleanup(stop)
	must(t, err)
	conn, err := w.server.Dial(HubRole)
	must(t, err)
	t.Cleanup(conn.Close)
	b := conn.bucket(subject.Workloads)
	written, err := b.Put(t.Context(), "shop.web", []byte("1"), messaging.AnyRevision)
	must(t, err)

	w.servers[1].halt()
	w.servers[2].halt()
	said := ""
	lonely := func() bool {
		stream, err := conn.js.Stream(t.Context(), b.stream)
		if err != nil {
			return false
		}
		said = stream.CachedInfo().Cluster.Leader
		return said == ""
	}
	if !within(40*time.Second, lonely) {
		t.Fatalf("the last server says that %q leads", said)
	}
	if e, err := b.Extent(t.Context()); err == nil {
		t.Errorf("a bucket without a leader holds %+v", e)
	}

	w.servers[1], err = StartServer(w.servers[1].opts)
	must(t, err)
	again := func() bool {
		e, err := b.Extent(t.Context())
		return err == nil && e.Revision == written
	}
	if !within(40*time.Second, again) {
		t.Error("two of three servers do not say what the bucket holds")
	}
}
