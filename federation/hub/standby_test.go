package hub_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// opinions hears what hubs say that do not lead.
func (w *world) opinions() <-chan federation.Opinion {
	w.t.Helper()
	out := make(chan federation.Opinion, 1024)
	_, err := w.asks.Subscribe(w.t.Context(), subject.HubOpinion(), func(m messaging.Message) {
		if o, err := federationv1.DecodeOpinion(m.Data); err == nil {
			out <- o
		}
	})
	must(w.t, err)
	return out
}

// agree waits until each of the hubs has said something that satisfies ok.
func (w *world) agree(from <-chan federation.Opinion, ok func(federation.Opinion) bool, hubs ...string) {
	w.t.Helper()
	missing := map[string]bool{}
	for _, name := range hubs {
		missing[name] = true
	}
	limit := time.After(patience)
	for len(missing) > 0 {
		select {
		case o := <-from:
			if ok(o) {
				delete(missing, o.Name)
			}
		case <-limit:
			w.t.Fatalf("nothing like it of %v", missing)
		}
	}
}

// TestStandbys: hubs that do not lead hear what the leader hears, and say so without a
// store; the next leader need not measure a silence anew.
func TestStandbys(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.newAgent("frankfurt", "eu-central")
	w.newAgent("virginia", "us-east")
	w.healthy("tokyo", "frankfurt", "virginia")
	said := w.opinions()
	w.startHub("hub-2")
	w.startHub("hub-3")
	term := w.nextTerm(0)
	w.agree(said, func(o federation.Opinion) bool { return o.Term == term && len(o.Members) == 0 }, "hub-2", "hub-3")
	w.agree(said, func(federation.Opinion) bool { return w.observed("tokyo", "hub/hub-2", "hub/hub-3") }, "hub-2")

	w.seize(first)
	tokyo.kill()
	tokyo.api.Close()
	began := time.Now()
	w.agree(said, func(o federation.Opinion) bool {
		line, unwell := o.Of("tokyo")
		return unwell && line.Silent && line.Withdrawn && line.API == federation.Red && len(o.Members) == 1
	}, "hub-2", "hub-3")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they agree after %s only", took)
	}
	if r := await(w, healths, subject.MemberKey("tokyo"), func(federation.HealthRecord) bool { return true }); r.Health != federation.Healthy {
		t.Errorf("%v is written while no hub leads", r.Health)
	}

	beats := w.linesOf("tokyo", term)
	w.release()
	limit := time.After(patience)
	for n := 0; ; n++ {
		select {
		case line := <-beats:
			if n == 0 && line.Health != federation.Suspect {
				t.Errorf("the next leader begins with %v", line.Health)
			}
			if line.Health == federation.Unreachable {
				r := await(w, healths, subject.MemberKey("tokyo"), func(r federation.HealthRecord) bool { return r.Health == federation.Unreachable })
				t.Logf("%s: %s", r.Verdict, r.Reason)
				return
			}
		case <-limit:
			t.Fatal("the next leader comes to no verdict")
		}
	}
}

// observed reports whether the evidence says that each of the observers hears the member.
func (w *world) observed(member string, observers ...string) bool {
	w.t.Helper()
	described, err := w.ask(subject.HubDescribe, federationv1.EncodeDescribeRequest(member))
	must(w.t, err)
	evidence, err := federationv1.DecodeEvidence(described)
	must(w.t, err)
	seen := map[string]bool{}
	for _, e := range evidence {
		if e.What == "beat" && e.Signal == federation.Green && strings.HasPrefix(e.Detail, "hears it") {
			seen[e.Observer] = true
		}
	}
	return !slices.ContainsFunc(observers, func(o string) bool { return !seen[o] })
}

// other holds the lease in place of a hub.
const other = "nobody"

// seize stops the hub that leads, and keeps the others from leading.
func (w *world) seize(leader running) {
	w.t.Helper()
	leases, err := w.records.Bucket(w.t.Context(), subject.Leases)
	must(w.t, err)
	_, err = leases.Put(w.t.Context(), "hub", []byte(other), messaging.AnyRevision)
	must(w.t, err)
	leader.stop()
}

// release lets a hub lead again.
func (w *world) release() {
	w.t.Helper()
	leases, err := w.records.Bucket(w.t.Context(), subject.Leases)
	must(w.t, err)
	must(w.t, leases.Delete(w.t.Context(), "hub", messaging.AnyRevision))
}

// linesOf are what hubs of later terms say of a member.
func (w *world) linesOf(member string, after uint64) <-chan federation.MemberBeat {
	w.t.Helper()
	out := make(chan federation.MemberBeat, 1024)
	_, err := w.asks.Subscribe(w.t.Context(), subject.HubBeat(), func(m messaging.Message) {
		b, err := federationv1.DecodeHubBeat(m.Data)
		if err != nil || b.Term <= after {
			return
		}
		for _, line := range b.Members {
			if line.Member == member {
				out <- line
			}
		}
	})
	must(w.t, err)
	return out
}
