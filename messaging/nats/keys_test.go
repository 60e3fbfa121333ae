package nats_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/hansa-io/hansa/messaging/nats"
)

// TestAuthoritySeed: every hub with the same keys certifies with the same key, in every
// life, and nobody else does; it is none of the other keys that follow from them.
func TestAuthoritySeed(t *testing.T) {
	dir := t.TempDir()
	seedOf := func(open func(string) (*nats.Keys, error), dir string) []byte {
		t.Helper()
		keys, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := keys.AuthoritySeed()
		if err != nil || len(seed) != ed25519.SeedSize {
			t.Fatalf("a seed of %d bytes: %v", len(seed), err)
		}
		records, opens, err := keys.RecordKeys()
		if err != nil || bytes.Equal(seed, records.Digest) || bytes.Contains(opens, seed) {
			t.Fatalf("the key of the authority is one of the records: %v", err)
		}
		return seed
	}
	first := seedOf(nats.MakeKeys, dir)
	if !bytes.Equal(first, seedOf(nats.ReadKeys, dir)) {
		t.Error("another hub with the same keys certifies with another one")
	}
	if bytes.Equal(first, seedOf(nats.MakeKeys, t.TempDir())) {
		t.Error("another federation certifies with the same key")
	}
}
