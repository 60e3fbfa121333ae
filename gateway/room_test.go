package gateway_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hansa-io/hansa/federation"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestNoRoom: while the hub says that the bus's disk is full, desired state is refused
// in its words; deletions make room, and are not.
func TestNoRoom(t *testing.T) {
	w := newWorld(t)
	api, events := gatewayv1.NewWorkloadsServiceClient(w.conn), gatewayv1.NewEventsServiceClient(w.conn)
	apply := func() error {
		_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(good)})
		return err
	}
	score := func() error {
		_, err := api.SetScore(w.as(operator), &gatewayv1.SetScoreRequest{Name: "cost", MaxAge: durationpb.New(time.Hour), Values: map[string]float64{"tokyo": 1}})
		return err
	}
	must(t, apply())
	const full = "the bus's disk has 9 MiB left, below the floor of 64 MiB: make room on /data"
	w.hubSays(full)
	for name, do := range map[string]func() error{"apply": apply, "score": score} {
		t.Run(name, func(t *testing.T) { refused(t, do(), codes.Unavailable, "nothing was written: "+full) })
	}
	status, err := events.GetStatus(w.as(viewer), &gatewayv1.GetStatusRequest{})
	if err != nil || status.GetFull() != full {
		t.Errorf("the status is %v, %v", status, err)
	}
	_, err = api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(good), DryRun: true})
	must(t, err)
	_, err = api.Delete(w.as(operator), &gatewayv1.DeleteRequest{Namespace: "shop", Name: "web"})
	must(t, err)
	w.hubSays("")
	must(t, apply())
	must(t, score())
}

// hubSays sends a beat of a hub whose disk is full, or is not.
func (w *world) hubSays(full string) {
	w.t.Helper()
	w.beats++
	must(w.t, w.records.Publish(subject.HubBeat(), federationv1.EncodeHubBeat(federation.HubBeat{Term: 7, Sequence: w.beats, Full: full})))
	w.until("told of the disk", func() bool { return w.gateway.Table().Sequence == w.beats })
}
