package sealed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/federation/sealed"
	federationv1 "github.com/hansa-io/hansa/federation/v1"
	"github.com/hansa-io/hansa/messaging/nats/seal"
)

func record(objects ...federation.Object) federation.Workload {
	return federation.Workload{Key: federation.Key{Namespace: "shop", Name: "web"}, Source: "dir", AppliedBy: "ann", Objects: objects}
}

// hubs are the keys of the hubs.
func hubs(t testing.TB) (side, federation.SealKeys) {
	s := newSide(t)
	return s, federation.SealKeys{Key: s.public, Digest: bytes.Repeat([]byte{7}, 32)}
}

func sealedRecord(t testing.TB, w federation.Workload, keys federation.SealKeys) federation.Workload {
	t.Helper()
	out, err := sealed.SealRecord(w, keys, seal.Seal)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRecordRoundTrip(t *testing.T) {
	hub, keys := hubs(t)
	for _, want := range []federation.Workload{record(), record(deployment), record(secret("db"), deployment, secret("tls"))} {
		before := slices.Clone(want.Objects)
		message := federationv1.EncodeWorkload(sealedRecord(t, want, keys))
		stored, err := federationv1.DecodeWorkload(message)
		if err != nil {
			t.Fatal(err)
		}
		texts := message
		for _, o := range stored.Objects {
			texts = append(texts, o.Raw...)
		}
		sum := sha256.Sum256([]byte(password))
		for _, trace := range [][]byte{[]byte(password), []byte(base64.StdEncoding.EncodeToString([]byte(password))), sum[:8], []byte("last-applied")} {
			if bytes.Contains(texts, trace) {
				t.Errorf("the record has %q", trace)
			}
		}
		got, err := sealed.OpenRecord(stored, hub.open)
		got.Placement = want.Placement // the store gives it its defaults
		if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(want.Objects, before) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

// TestDigest: it tells whether Secrets changed, and nothing else.
func TestDigest(t *testing.T) {
	_, keys := hubs(t)
	base := sealedRecord(t, record(secret("db"), deployment), keys)
	other := record(secret("db"), deployment)
	other.Key.Name = "api"
	changed := secret("db")
	changed.Raw = bytes.Replace(slices.Clone(changed.Raw), []byte(password), []byte("another"), 1)
	strange := keys
	strange.Digest = bytes.Repeat([]byte{8}, 32)
	for _, c := range []struct {
		name string
		work federation.Workload
		keys federation.SealKeys
		same bool
	}{
		{"the same again", record(secret("db"), deployment), keys, true},
		{"what is not secret changed", record(secret("db")), keys, true},
		{"a secret changed", record(changed, deployment), keys, false},
		{"one secret more", record(secret("db"), secret("tls")), keys, false},
		{"another workload with the same", other, keys, false},
		{"under another key", record(secret("db"), deployment), strange, false},
	} {
		got := sealedRecord(t, c.work, c.keys)
		if bytes.Equal(got.Digest, base.Digest) != c.same {
			t.Errorf("%s: digests are equal: %v", c.name, !c.same)
		}
		if bytes.Equal(got.Sealed.Box, base.Sealed.Box) {
			t.Errorf("%s: the ciphertexts are equal", c.name)
		}
	}
}

func TestOpenRecordRefuses(t *testing.T) {
	hub, keys := hubs(t)
	for _, c := range []struct {
		name   string
		change func(*federation.Workload)
		text   string
	}{
		{"of another workload", func(w *federation.Workload) { w.Key.Name = "api" }, "v1/Secret shop/db cannot be opened: what is sealed is of workload shop/web: the store was tampered with"},
		{"a work", func(w *federation.Workload) {
			w.Sealed = sealedFor(t, work(secret("db")), hub).Sealed
		}, "v1/Secret shop/db cannot be opened: what is sealed is a work of member tokyo: the store was tampered with"},
		{"altered", func(w *federation.Workload) { w.Sealed.Box[50] ^= 1 }, "v1/Secret shop/db cannot be opened: the ciphertext was altered"},
		{"taken away", func(w *federation.Workload) { w.Sealed.Box = nil }, "v1/Secret shop/db cannot be opened: the ciphertext is missing"},
	} {
		w := sealedRecord(t, record(secret("db")), keys)
		c.change(&w)
		if got, err := sealed.OpenRecord(w, hub.open); err == nil || !strings.HasPrefix(err.Error(), c.text) || got.Objects != nil {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if _, err := sealed.SealRecord(record(secret("db")), federation.SealKeys{Key: keys.Key, Digest: []byte("short")}, seal.Seal); err == nil {
		t.Error("sealed with a short key for digests")
	}
	if _, err := sealed.SealRecord(record(secret("db")), federation.SealKeys{Digest: keys.Digest}, seal.Seal); err == nil {
		t.Error("sealed to nobody")
	}
}
