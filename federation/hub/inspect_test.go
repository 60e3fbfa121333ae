package hub_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestBusReport: the leader tells how its bus is, and whose the clients are.
func TestBusReport(t *testing.T) {
	w := newWorld(t)
	w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	b, err := w.ask(subject.HubBus, federationv1.EncodeBusRequest(struct{}{}))
	must(t, err)
	r, err := federationv1.DecodeBusReport(b)
	must(t, err)
	if r.Leader != "hub" || len(r.Servers) != 1 || r.Wanted != 1 || len(r.Omitted) > 0 {
		t.Errorf("got %+v", r)
	}
	own := 0
	for _, c := range r.Connections {
		if c.Member == "tokyo" && c.Account == tokyo.account {
			own++
		}
	}
	if own == 0 {
		t.Errorf("tokyo has no connection: %+v", r.Connections)
	}
	spec, err := federationv1.DecodeMemberSpec(w.entries(subject.Members)[subject.MemberKey("tokyo")].Value)
	must(t, err)
	if time.Until(spec.User.ExpiresAt) < 29*24*time.Hour {
		t.Errorf("its credentials end at %s", spec.User.ExpiresAt)
	}
}

// TestExpiry: credentials that end soon are told once, also by the next leader, and again
// when they have ended.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	put := func(ends time.Time) {
		w.putMember(federation.MemberSpec{Name: "tokyo", Account: "ATOKYO", User: federation.BusUser{Key: "U", IssuedAt: ends.Add(-30 * 24 * time.Hour), ExpiresAt: ends}})
	}
	told := func() (texts []string) {
		for _, e := range w.entries(subject.Events) {
			if event, err := federationv1.DecodeEvent(e.Value); err == nil && event.Type == "Expiry" {
				texts = append(texts, event.About+": "+event.Text)
			}
		}
		return texts
	}
	await := func(n int) []string {
		deadline := time.After(patience)
		for {
			if texts := told(); len(texts) >= n {
				return texts
			}
			select {
			case <-deadline:
				t.Fatalf("told %q, want %d", told(), n)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	soon := time.Now().Add(3*24*time.Hour + time.Minute).Truncate(time.Second)
	put(soon)
	first := w.startHub("hub")
	want := "member/tokyo: credentials of member tokyo end in 3 days, on " + soon.UTC().Format("2006-01-02 15:04")
	if texts := await(1); texts[0] != want {
		t.Errorf("told %q, want %q", texts, want)
	}
	first.metric("hansa_hub_expiry_seconds", "credentials", 3*24*3600, 3*24*3600+60)
	first.stop()
	second := w.startHub("another")
	second.metric("hansa_hub_expiry_seconds", "credentials", 3*24*3600, 3*24*3600+60)
	second.stop()
	put(time.Now().Add(-time.Hour))
	w.startHub("third")
	if texts := await(2); len(texts) != 2 || !strings.Contains(fmt.Sprint(texts), "ended on") {
		t.Errorf("told %q", texts)
	}
}

// putMember writes a member's record.
func (w *world) putMember(spec federation.MemberSpec) {
	w.t.Helper()
	b, err := w.records.Bucket(w.t.Context(), subject.Members)
	must(w.t, err)
	_, err = b.Put(w.t.Context(), subject.MemberKey(spec.Name), federationv1.EncodeMemberSpec(spec), messaging.AnyRevision)
	must(w.t, err)
}

// metric waits until a metric is in a range.
func (r running) metric(name, label string, from, to float64) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		families, err := r.metrics.Gather()
		must(r.t, err)
		last := 0.0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
					last = m.GetGauge().GetValue()
				}
			}
		}
		if last >= from && last <= to {
			return
		}
		select {
		case <-deadline:
			r.t.Fatalf("%s is %v, want %v to %v", name, last, from, to)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
