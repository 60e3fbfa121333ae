package nats

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/busdoctor"
	"github.com/hansa-io/hansa/member/cluster/pki"
	"github.com/hansa-io/hansa/messaging/subject"
)

// openThree starts the servers a, b and c of one bus, with all buckets.
func openThree(t *testing.T) map[string]world {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	pair, err := authority.Issue(pki.Request{CommonName: "bus", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	must(t, os.WriteFile(crt, pair.Certificate, 0o600))
	must(t, os.WriteFile(key, pair.Key, 0o600))
	keys, err := MakeKeys(filepath.Join(dir, "keys"))
	must(t, err)
	names := []string{"a", "b", "c"}
	addresses := map[string]string{}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		addresses[name] = l.Addr().String()
		must(t, l.Close())
	}
	out := map[string]world{}
	for _, name := range names {
		cluster := Cluster{Listen: addresses[name], CA: authority.Pair().Certificate}
		for _, other := range names {
			if other != name {
				cluster.Routes = append(cluster.Routes, addresses[other])
			}
		}
		s, err := StartServer(ServerOptions{
			Dir: filepath.Join(dir, name), Keys: keys, Name: name, Listen: "127.0.0.1:0", CertFile: crt, KeyFile: key, Cluster: &cluster,
		})
		must(t, err)
		t.Cleanup(func() { s.server.Load().Shutdown(); s.server.Load().WaitForShutdown() })
		out[name] = world{server: s, servers: []*Server{s}, keys: keys, register: s.Accounts, ca: cluster.CA, accounts: map[string]string{}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn := out["a"].dial(t, HubRole)
	must(t, conn.AwaitBuckets(ctx, slog.New(slog.DiscardHandler)))
	return out
}

// inspect looks until the report satisfies ok.
func inspect(t *testing.T, i *Inspector, members map[string]string, ok func(federation.BusReport) bool) federation.BusReport {
	t.Helper()
	var last federation.BusReport
	until(t, "as wanted", func() bool {
		var err error
		last, err = i.Inspect(t.Context(), members)
		return err == nil && ok(last)
	})
	return last
}

// found is what the doctor says of a report, by check and subject.
func found(r federation.BusReport, members ...busdoctor.Member) []string {
	var out []string
	for _, f := range busdoctor.Check(busdoctor.World{Now: time.Now(), Report: r, Members: members}) {
		out = append(out, fmt.Sprintf("%s %s: %s", f.Check, f.About, f.Found))
	}
	return out
}

func TestInspectAlone(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	_, account := w.member(t, hub, "tokyo")
	works, err := hub.WorkBucket(t.Context(), account)
	must(t, err)
	for _, key := range []string{"a.a", "a.b"} {
		_, err = works.Put(t.Context(), key, []byte("x"), 0)
		must(t, err)
	}
	r, err := w.server.Inspector(hub).Inspect(t.Context(), map[string]string{"tokyo": account})
	must(t, err)
	if lines := found(r); len(lines) > 0 || len(r.Omitted) > 0 {
		t.Errorf("found %q, omitted %q", lines, r.Omitted)
	}
	if len(r.Servers) != 1 || r.Servers[0].Version == "" || r.Servers[0].Leads != int64(len(r.Streams)) || r.Servers[0].ClockOffset.Abs() > time.Second || !r.Servers[0].JetStream.SyncAlways {
		t.Errorf("servers %+v", r.Servers)
	}
	if len(r.Streams) != len(subject.Durable())+len(subject.Rebuilt())+1 {
		t.Errorf("%d streams", len(r.Streams))
	}
	if c := r.Consumers[0]; c.Member != "tokyo" || c.Pending != 2 || !c.Durable {
		t.Errorf("the first reader is %+v", c)
	}
	n := slices.IndexFunc(r.Connections, func(c federation.BusConnection) bool { return c.Member == "tokyo" })
	if n < 0 {
		t.Fatalf("connections %+v", r.Connections)
	}
	if c := r.Connections[n]; c.Name != "tokyo" || c.RTT <= 0 || c.Address != "127.0.0.1" || c.User == "" || time.Until(c.Expires) < 300*24*time.Hour {
		t.Errorf("connection %+v", c)
	}
	t.Run("orphans", func(t *testing.T) {
		_, strange := w.credentials(t, "osaka")
		_, gone := w.credentials(t, "paris")
		must(t, w.server.Accounts.Revoke(t.Context(), gone))
		r, err := w.server.Inspector(hub).Inspect(t.Context(), map[string]string{"tokyo": account, "rome": "A-NONE"})
		must(t, err)
		if !slices.Equal(r.Orphans, []string{strange}) || !slices.Equal(r.Servers[0].Lacks, []string{"rome"}) {
			t.Errorf("orphans %v, lacks %v, omitted %q", r.Orphans, r.Servers[0].Lacks, r.Omitted)
		}
	})
}

// TestInspectThree: three servers, a stream made wrong, one deleted, one member, and a
// server that goes away.
func TestInspectThree(t *testing.T) {
	all := openThree(t)
	a := all["a"]
	hub := a.dial(t, HubRole)
	_, account := a.member(t, hub, "tokyo")
	members := map[string]string{"tokyo": account}
	until(t, "gathered", func() bool {
		return a.server.Gather(t.Context(), hub) == nil && a.server.server.Load().JetStreamIsLeader()
	})
	inspector := a.server.Inspector(hub)
	well := inspect(t, inspector, members, func(r federation.BusReport) bool {
		r.Leader = "a"
		return len(found(r)) == 0
	})
	if len(well.Servers) != 3 || well.Wanted != 3 || len(well.Servers[1].Routes) != 2 || len(well.Omitted) > 0 {
		t.Errorf("servers %+v, omitted %q", well.Servers, well.Omitted)
	}
	for _, s := range well.Streams {
		if len(s.Replicas) != 2 || s.Leader != "a" {
			t.Errorf("stream %+v", s)
		}
	}

	config := bucketConfig(subject.Workloads, jetstream.FileStorage)
	config.Replicas, config.MaxAge = 1, time.Hour
	_, err := hub.js.UpdateStream(t.Context(), config)
	must(t, err)
	must(t, hub.js.DeleteStream(t.Context(), streamName(subject.Scores)))
	broken := inspect(t, inspector, members, func(r federation.BusReport) bool {
		return slices.ContainsFunc(r.Streams, func(s federation.BusStream) bool { return len(s.Wrong) == 2 })
	})
	broken.Leader = "a"
	text := strings.Join(found(broken), "\n")
	for _, want := range []string{
		"streams bucket scores: stream R_scores is not there",
		"streams bucket workloads: replicas is 1, want 3; max_age is 1h0m0s, want 0s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not found: %s\n%s", want, text)
		}
	}
	must(t, hub.EnsureBuckets(t.Context()))

	all["c"].server.server.Load().Shutdown()
	lost := inspect(t, inspector, members, func(r federation.BusReport) bool {
		return len(r.Servers) == 2 && slices.ContainsFunc(r.Streams, func(s federation.BusStream) bool {
			return slices.ContainsFunc(s.Replicas, func(o federation.BusReplica) bool { return o.Server == "c" && o.Offline })
		})
	})
	lost.Leader = "a"
	text = strings.Join(found(lost), "\n")
	for _, want := range []string{"servers bus: 2 of 3 servers answer: a, b", "its copy on c is offline"} {
		if !strings.Contains(text, want) {
			t.Errorf("not found: %s\n%s", want, text)
		}
	}
}
