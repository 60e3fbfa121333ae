package hub_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestNoRoom: while the bus's disk is nearly full the hub says so in its beats, once in
// its history, and to those who want something new of it. Decisions go on.
func TestNoRoom(t *testing.T) {
	w := newWorld(t)
	beats := make(chan string, 10_000)
	_, err := w.asks.Subscribe(t.Context(), subject.HubBeat(), func(m messaging.Message) {
		if b, err := federationv1.DecodeHubBeat(m.Data); err == nil {
			beats <- b.Full
		}
	})
	must(t, err)
	w.startHub("hub")
	w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	full := "the bus's disk has 9 MiB left, below the floor of 64 MiB: make room on /data"
	w.full.Store(&full)
	told(t, beats, full)
	const refused = "nothing was written: the bus's disk has 9 MiB left, below the floor of 64 MiB: make room on /data"
	_, err = w.ask(subject.HubToken, federationv1.EncodeTokenRequest(federation.TokenRequest{Member: "osaka", TTL: time.Hour}))
	refusal(t, err, messaging.Unavailable, refused)
	_, err = w.ask(subject.HubJoin, federationv1.EncodeJoinRequest(federation.JoinRequest{Member: "osaka"}))
	refusal(t, err, messaging.Unavailable, refused)
	_, err = w.restoreStep(federation.RestoreRequest{Action: federation.RestoreOpen})
	refusal(t, err, messaging.Unavailable, refused)
	w.put(workload(web, 2), 0)
	w.stands(web, 2)
	w.full.Store(new(string))
	told(t, beats, "")
	w.token("osaka")
	want := map[string]bool{"desired state is refused: " + full: true, "desired state is accepted again: the bus's disk has room": true}
	b, err := w.records.Bucket(t.Context(), subject.Events)
	must(t, err)
	all := errors.New("all were seen")
	err = b.Follow(t.Context(), "", func(c messaging.Change) error {
		e, err := federationv1.DecodeEvent(c.Value)
		if delete(want, e.Text); len(want) == 0 {
			return all
		}
		return err
	})
	if !errors.Is(err, all) {
		t.Errorf("%v; not in the history: %v", err, want)
	}
}

// told waits for a beat that says so.
func told(t *testing.T, beats <-chan string, full string) {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case said := <-beats:
			if said == full {
				return
			}
		case <-limit:
			t.Fatalf("no beat says %q", full)
		}
	}
}
