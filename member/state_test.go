package member

import (
	"bytes"
	"encoding/base64"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/hansa-io/hansa/member/access"
)

func open(t *testing.T, dir string) *stateDir {
	t.Helper()
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// TestIncarnation: every life of an agent has a larger number, also after a crash.
func TestIncarnation(t *testing.T) {
	dir := t.TempDir()
	for want := range 3 {
		s := open(t, dir)
		got, err := s.nextIncarnation()
		if err != nil || int(got) != want+1 {
			t.Fatalf("got %d, %v, want %d", got, err, want+1)
		}
		s.close()
	}
	s := open(t, dir)
	if err := os.WriteFile(s.path(incarnationFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.nextIncarnation(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged number counts on: %v", err)
	}
}

// TestStateIsTaken: two agents cannot have one directory.
func TestStateIsTaken(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := openState(dir); err == nil || !strings.Contains(err.Error(), "used by another agent") {
		t.Errorf("got %v", err)
	}
}

// TestIdentity: it is kept for the owner only, and a damaged one is no new member.
func TestIdentity(t *testing.T) {
	s := open(t, t.TempDir())
	if _, joined, err := s.readIdentity(); joined || err != nil {
		t.Fatalf("joined %v, %v", joined, err)
	}
	want := identity{Member: "tokyo", ClusterID: "c", State: access.State{Credentials: access.Credentials{Account: "A", JWT: "j", Seed: []byte("s"), BusURLs: []string{"tls://x:1"}}, Next: &access.KeyPair{Public: "N", Seed: []byte("n")}}, Gateway: gateway{Address: "g:1", Pin: []byte("p")}, SealKeys: []sealKey{{Public: "X", Seed: []byte("x"), Made: began}}}
	if err := s.writeIdentity(want); err != nil {
		t.Fatal(err)
	}
	got, joined, err := s.readIdentity()
	if err != nil || !joined || got.Member != want.Member || got.ClusterID != want.ClusterID || !bytes.Equal(got.Seed, want.Seed) || got.Account != want.Account || !reflect.DeepEqual(got.SealKeys, want.SealKeys) {
		t.Errorf("got %+v, %v", got, err)
	}
	info, err := os.Stat(s.path(identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(s.path(identityFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.readIdentity(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged identity: %v", err)
	}
}

func TestParseToken(t *testing.T) {
	pin := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	got, err := parseToken("127.0.0.1:7443#" + pin + "#id.secret")
	if err != nil || got.Address != "127.0.0.1:7443" || got.id != "id" || got.secret != "secret" || len(got.Pin) != 32 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "a#b#c", "a#" + pin + "#id", "#" + pin + "#id.secret", "a#" + pin[:8] + "#id.secret", "a#" + pin + "#.secret"} {
		if _, err := parseToken(bad); err == nil || !strings.Contains(err.Error(), "hansa token create") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
