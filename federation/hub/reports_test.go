package hub_test

import (
	"testing"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestReportsOfTheStore: what agents tell a new leader again, and the store has, is not
// written again; what is newer is.
func TestReportsOfTheStore(t *testing.T) {
	w := newWorld(t)
	first := w.startHub("hub")
	tokyo := w.newAgent("tokyo", "ap-northeast")
	w.healthy("tokyo")
	status := federation.WorkStatus{Member: "tokyo", Incarnation: tokyo.life, Sequence: 7, Workload: web, State: federation.WorkReady, Replicas: 1, Ready: 1}
	revision := func() federation.Revision { return w.entries(subject.Status)[subject.StatusKey("tokyo", web)].Revision }
	tokyo.say(t.Context(), subject.UpStatus, federationv1.EncodeWorkStatus(status))
	stored, term := revision(), w.nextTerm(0)
	if stored == 0 {
		t.Fatal("the status is not stored")
	}

	first.stop()
	w.startHub("hub")
	w.nextTerm(term)
	tokyo.say(t.Context(), subject.UpStatus, federationv1.EncodeWorkStatus(status))
	if now := revision(); now != stored {
		t.Errorf("the same status was written again: revision %d, then %d", stored, now)
	}
	status.Sequence++
	tokyo.say(t.Context(), subject.UpStatus, federationv1.EncodeWorkStatus(status))
	if now := revision(); now <= stored {
		t.Errorf("a newer status was not written: revision %d, then %d", stored, now)
	}
}
