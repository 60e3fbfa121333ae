package certfile

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-io/hansa/member/cluster/pki"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair is a new certificate of that name with its key, PEM.
func pair(t *testing.T, name string) pki.Pair {
	t.Helper()
	authority, err := pki.NewAuthority("test", time.Now())
	must(t, err)
	p, err := authority.Issue(pki.Request{CommonName: name, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	must(t, err)
	return p
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
	if _, err := Open(crt, key, nil); err == nil {
		t.Error("a missing file is taken")
	}
	change := time.Now()
	put := func(path string, text []byte) {
		t.Helper()
		must(t, os.WriteFile(path, text, 0o600))
		change = change.Add(time.Second) // whatever the clock of the file system
		must(t, os.Chtimes(path, change, change))
	}
	first, second := pair(t, "first"), pair(t, "second")
	put(crt, first.Certificate)
	put(key, second.Key)
	if _, err := Open(crt, key, nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a key of another certificate: %v", err)
	}
	put(key, first.Key)
	var log strings.Builder
	f, err := Open(crt, key, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	f.every = 0
	serves := func(want string) {
		t.Helper()
		got, err := f.Serve(nil)
		if err != nil || got.Leaf.Subject.CommonName != want {
			t.Errorf("it serves %v, want %s", got.Leaf.Subject, want)
		}
	}
	serves("first")
	put(crt, second.Certificate)
	serves("first") // the key is still the old one
	serves("first")
	put(key, second.Key)
	serves("second")
	must(t, os.Remove(key))
	serves("second")
	put(key, second.Key)
	serves("second")
	if n := strings.Count(log.String(), "cannot be used"); n != 2 {
		t.Errorf("told %d times:\n%s", n, &log)
	}
	f.every = time.Hour
	put(crt, first.Certificate)
	serves("second") // it does not look at every handshake
}
