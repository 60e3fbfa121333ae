package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging/nats/seal"
)

func newKey(t testing.TB) (string, []byte) {
	t.Helper()
	public, seed, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return public, seed
}

func sealed(t testing.TB, plain []byte, to string) federation.Sealed {
	t.Helper()
	s, err := seal.Seal(plain, to)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	public, seed := newKey(t)
	for _, plain := range []string{"x", "a password", strings.Repeat("long ", 300_000)} {
		s := sealed(t, []byte(plain), public)
		got, err := seal.Open(s, seed)
		if err != nil || string(got) != plain {
			t.Errorf("%d bytes came back as %d: %v", len(plain), len(got), err)
		}
		if s.Recipient != public || len(s.Box) != len(plain)+44 {
			t.Errorf("sealed to %s, %d bytes of %d", s.Recipient, len(s.Box), len(plain))
		}
	}
}

// TestSealTellsNothing: no part of the plaintext is in the box, and equal plaintexts
// do not look equal.
func TestSealTellsNothing(t *testing.T) {
	public, _ := newKey(t)
	plain := []byte("correct horse battery staple")
	a, b := sealed(t, plain, public), sealed(t, plain, public)
	if bytes.Equal(a.Box, b.Box) || a.Sender == b.Sender {
		t.Error("two seals of one plaintext are alike")
	}
	for _, part := range []string{"horse", base64.StdEncoding.EncodeToString(plain)[:12]} {
		if bytes.Contains(a.Box, []byte(part)) {
			t.Errorf("%q is in the box", part)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	public, seed := newKey(t)
	other, otherSeed := newKey(t)
	whole := sealed(t, []byte("secret"), public)
	changed := func(change func(*federation.Sealed)) federation.Sealed {
		s := whole
		s.Box = bytes.Clone(s.Box)
		change(&s)
		return s
	}
	for _, c := range []struct {
		name   string
		sealed federation.Sealed
		seed   []byte
		text   string
	}{
		{"one bit of the ciphertext", changed(func(s *federation.Sealed) { s.Box[len(s.Box)-1] ^= 1 }), seed, "altered"},
		{"one bit of the nonce", changed(func(s *federation.Sealed) { s.Box[7] ^= 1 }), seed, "altered"},
		{"another version", changed(func(s *federation.Sealed) { s.Box[3] = '9' }), seed, "altered"},
		{"cut off", changed(func(s *federation.Sealed) { s.Box = s.Box[:20] }), seed, "altered"},
		{"empty", changed(func(s *federation.Sealed) { s.Box = nil }), seed, "altered"},
		{"another sender", changed(func(s *federation.Sealed) { s.Sender = other }), seed, "altered"},
		{"no sender", changed(func(s *federation.Sealed) { s.Sender = "" }), seed, "not a public curve key"},
		{"a sender that is too long", changed(func(s *federation.Sealed) { s.Sender += s.Sender }), seed, "not a public curve key"},
		{"a sender that is a user", changed(func(s *federation.Sealed) { s.Sender = "U" + s.Sender[1:] }), seed, "not a public curve key"},
		{"another member's seed", whole, otherSeed, "altered"},
		{"no seed", whole, nil, "this side's seed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, err := seal.Open(c.sealed, c.seed)
			if err == nil || plain != nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q, %v; want an error with %q", plain, err, c.text)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	public, seed := newKey(t)
	for _, to := range []string{"", "X", string(seed), public[1:], public + "A", "A" + public[1:], strings.Repeat("X", 1000), public[:55] + "\x00"} {
		if s, err := seal.Seal([]byte("secret"), to); err == nil || s.Box != nil {
			t.Errorf("sealed to %q", to)
		}
	}
}

func FuzzOpen(f *testing.F) {
	public, seed := newKey(f)
	s := sealed(f, []byte("secret"), public)
	f.Add(s.Recipient, s.Sender, s.Box)
	f.Add("", "", []byte(nil))
	f.Add("X", strings.Repeat("X", 300), []byte("xkv1"))
	f.Fuzz(func(t *testing.T, recipient, sender string, box []byte) {
		plain, err := seal.Open(federation.Sealed{Recipient: recipient, Sender: sender, Box: box}, seed)
		if err == nil && string(plain) != "secret" {
			t.Errorf("opened as %q", plain)
		}
		_, _ = seal.Seal(box, recipient) // must not panic
	})
}

func BenchmarkSeal(b *testing.B) { bench(b, false) }

func BenchmarkOpen(b *testing.B) { bench(b, true) }

func bench(b *testing.B, open bool) {
	public, seed := newKey(b)
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			plain := make([]byte, size)
			_, _ = rand.Read(plain) // never fails
			s := sealed(b, plain, public)
			b.SetBytes(int64(size))
			for b.Loop() {
				if !open {
					sealed(b, plain, public)
				} else if _, err := seal.Open(s, seed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
