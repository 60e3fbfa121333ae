package nats

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/busdoctor"
	"github.com/hansa-io/hansa/messaging/subject"
)

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
	if limit := r.Servers[0].JetStream.Limit; limit != 0 {
		t.Errorf("its store is bounded by %d bytes", limit)
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
	if c := r.Connections[n]; c.Name != "tokyo" || c.RTT <= 0 || c.Address != "127.0.0.1" || c.User == "" || time.Until(c.Expires) < 29*24*time.Hour {
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
	s, err := newSite()
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(s.dir)) })
	all, stop, err := startCluster(s)
	t.Cleanup(stop)
	must(t, err)
	all.accounts = map[string]string{}
	hub, err := all.server.Dial(HubRole)
	must(t, err)
	t.Cleanup(hub.Close)
	_, account := all.member(t, hub, "tokyo")
	members := map[string]string{"tokyo": account}
	until(t, "gathered", func() bool {
		return all.server.Gather(t.Context(), hub) == nil && all.server.server.Load().JetStreamIsLeader()
	})
	inspector := all.server.Inspector(hub)
	well := inspect(t, inspector, members, func(r federation.BusReport) bool {
		r.Leader = "hub0"
		return len(found(r)) == 0
	})
	if len(well.Servers) != 3 || well.Wanted != 3 || len(well.Servers[1].Routes) != 2 || len(well.Omitted) > 0 {
		t.Errorf("servers %+v, omitted %q", well.Servers, well.Omitted)
	}
	for _, s := range well.Streams {
		if len(s.Replicas) != 2 || s.Leader != "hub0" {
			t.Errorf("stream %+v", s)
		}
	}

	config := bucketConfig(subject.Workloads, jetstream.FileStorage)
	config.Replicas, config.MaxAge = 1, time.Hour
	_, err = hub.js.UpdateStream(t.Context(), config)
	must(t, err)
	must(t, hub.js.DeleteStream(t.Context(), streamName(subject.Scores)))
	broken := inspect(t, inspector, members, func(r federation.BusReport) bool {
		return slices.ContainsFunc(r.Streams, func(s federation.BusStream) bool { return len(s.Wrong) == 2 })
	})
	broken.Leader = "hub0"
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

	all.servers[2].stop()
	lost := inspect(t, inspector, members, func(r federation.BusReport) bool {
		return len(r.Servers) == 2 && slices.ContainsFunc(r.Streams, func(s federation.BusStream) bool {
			return slices.ContainsFunc(s.Replicas, func(o federation.BusReplica) bool { return o.Server == "hub2" && o.Offline })
		})
	})
	lost.Leader = "hub0"
	text = strings.Join(found(lost), "\n")
	for _, want := range []string{"servers bus: 2 of 3 servers answer: hub0, hub1", "its copy on hub2 is offline"} {
		if !strings.Contains(text, want) {
			t.Errorf("not found: %s\n%s", want, text)
		}
	}
}
