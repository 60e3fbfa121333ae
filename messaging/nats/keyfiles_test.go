package nats

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/hansa-io/hansa/federation"
	"github.com/hansa-io/hansa/messaging"
	"github.com/hansa-io/hansa/messaging/subject"
)

// TestKeyFiles: what was exported is imported elsewhere, and the keys are the same.
func TestKeyFiles(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "deep", "keys")
	if missing, err := KeyFiles(to).Missing(); err != nil || !missing {
		t.Fatalf("a directory that is not there has keys: %v", err)
	}
	before, err := MakeKeys(from)
	must(t, err)
	files, err := KeyFiles(from).Export()
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(to), 0o700))
	must(t, os.MkdirAll(to+".new", 0o700)) // of an import that was interrupted
	must(t, KeyFiles(to).Import(files))
	after, err := ReadKeys(to)
	must(t, err)
	if public(after.hub) != public(before.hub) || public(after.signer) != public(before.signer) || public(after.gateway) != public(before.gateway) {
		t.Error("the keys are others")
	}
	copied, err := KeyFiles(to).Export()
	must(t, err)
	if !maps.EqualFunc(files, copied, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Errorf("%d files, then %d", len(files), len(copied))
	}
	info, err := os.Stat(filepath.Join(to, "operator.nk"))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("keys have mode %v", info.Mode())
	}
	if err := KeyFiles(to).Import(files); err == nil {
		t.Error("keys are overwritten")
	}
	if err := KeyFiles(filepath.Join(t.TempDir(), "keys")).Import(map[string][]byte{"../x.nk": nil}); err == nil {
		t.Error("a file is written beside the directory")
	}
}

// TestMadeAnew: a stream of a store that takes the place of a lost one begins where it
// is told; one that is there already goes on, also after a restart.
func TestMadeAnew(t *testing.T) {
	w := open(t)
	hub := w.dial(t, HubRole)
	must(t, hub.EnsureBuckets(t.Context()))
	put := func(c *Conn, key string) federation.Revision {
		t.Helper()
		b, err := c.Bucket(t.Context(), subject.Workloads)
		must(t, err)
		revision, err := b.Put(t.Context(), key, []byte("x"), messaging.AnyRevision)
		must(t, err)
		return revision
	}
	if got := put(hub, "a"); got != 1 {
		t.Fatalf("the first revision is %d", got)
	}
	const first = 1 << 50
	hub.MadeAnew(first)
	must(t, hub.EnsureBuckets(t.Context()))
	if got := put(hub, "b"); got != 2 {
		t.Errorf("a stream that was there goes on with %d", got)
	}
	account, err := w.server.Accounts.AddMember(t.Context(), federation.MemberSpec{Name: "tokyo"})
	must(t, err)
	for range 2 {
		works, err := hub.WorkBucket(t.Context(), account)
		must(t, err)
		revision, err := works.Put(t.Context(), "shop.web", []byte("x"), messaging.AnyRevision)
		must(t, err)
		if revision < first || revision > first+1 {
			t.Errorf("a new stream begins with %d", revision)
		}
	}
}
