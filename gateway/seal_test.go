package gateway_test

import (
	"encoding/base64"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/hub"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	gatewayv1 "github.com/hansa-io/hansa/gateway/v1"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/nats/seal"
	"github.com/hansa-io/hansa/messaging/subject"
)

// sealing is how a hub on the world's bus seals.
func (w *world) sealing() hub.Sealing {
	w.t.Helper()
	keys, seed, err := w.bus.RecordKeys()
	must(w.t, err)
	return hub.Sealing{Seal: seal.Seal, Keys: keys, Open: func(s federation.Sealed) ([]byte, error) { return seal.Open(s, seed) }}
}

const guarded = `apiVersion: hansa.io/v1alpha1
kind: Placement
metadata: {namespace: shop, name: web}
spec:
  resources: [{apiVersion: apps/v1, kind: Deployment, name: web}, {apiVersion: v1, kind: Secret, name: db}]
---
apiVersion: v1
kind: Secret
metadata: {namespace: shop, name: db}
stringData: {password: correct-horse}
---
` + deployment

// TestApplyOfSecrets: they lie in the store sealed to the hub, and an apply that changes
// nothing writes nothing although the gateway cannot read what it wrote.
func TestApplyOfSecrets(t *testing.T) {
	w := newWorld(t)
	api := gatewayv1.NewWorkloadsServiceClient(w.conn)
	apply := func(text, want string) federation.Workload {
		t.Helper()
		got, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(text)})
		must(t, err)
		if action := got.GetResults()[0].GetAction(); action != want {
			t.Fatalf("it is %s, want %s", action, want)
		}
		load, err := federationv1.DecodeWorkload(w.stored(subject.Workloads)[subject.WorkloadKey(web)].Value)
		must(t, err)
		return load
	}
	_, err := api.Apply(w.as(operator), &gatewayv1.ApplyRequest{Files: files(guarded)})
	if status.Code(err) != codes.Unavailable || len(w.stored(subject.Workloads)) != 0 {
		t.Fatalf("without a hub: %v", err)
	}
	s := w.sealing()
	var away atomic.Bool
	w.hub(subject.HubSealKeys, func([]byte) ([]byte, error) {
		if away.Load() {
			return nil, messaging.Errorf(messaging.Unavailable, "the hub is starting")
		}
		return federationv1.EncodeSealKeys(s.Keys), nil
	})

	load := apply(guarded, "created")
	if record := string(federationv1.EncodeWorkload(load)) + string(load.Objects[0].Raw) + string(load.Objects[1].Raw); strings.Contains(record, "correct-horse") ||
		strings.Contains(record, base64.StdEncoding.EncodeToString([]byte("correct-horse"))) {
		t.Errorf("stored: %s", record)
	}
	open, err := sealed.OpenRecord(load, s.Open)
	must(t, err)
	if all := string(open.Objects[0].Raw) + string(open.Objects[1].Raw); !strings.Contains(all, "correct-horse") {
		t.Errorf("the hub reads %s", all)
	}
	apply(guarded, "unchanged")
	changed := apply(strings.Replace(guarded, "correct-horse", "battery-staple", 1), "configured")
	if string(changed.Digest) == string(load.Digest) {
		t.Error("another Secret has the same digest")
	}
	away.Store(true)
	apply(strings.Replace(guarded, "correct-horse", "while the hub is away", 1), "configured")
}
