package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var tokyo = Record{Member: "tokyo", ServiceCIDR: "10.96.0.0/16", PodCIDR: "10.244.0.0/16"}

func open(t *testing.T, path string) *Dir {
	t.Helper()
	dir, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dir.Close)
	return dir
}

func TestOpenIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	dir := open(t, path)
	_, err := Open(path)
	want := fmt.Sprintf("data directory %s is in use by pid %d: stop it or choose another", path, os.Getpid())
	if err == nil || err.Error() != want {
		t.Fatalf("got %v\nwant %s", err, want)
	}
	dir.Close()
	open(t, path)
}

// TestOpenAfterKill covers what a killed process leaves: the lock file with its
// pid, and nobody who holds the lock.
func TestOpenAfterKill(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, lockName), []byte("99999999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := open(t, path)
	data, err := dir.Read(lockName)
	if err != nil || strings.TrimSpace(string(data)) != fmt.Sprint(os.Getpid()) {
		t.Fatalf("lock holds %q, %v", data, err)
	}
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	dir := open(t, path)
	if err := dir.Write("pki/ca.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir.Path("run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Private("run"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, "run": 0o700, "pki": 0o700, "pki/ca.key": 0o600, lockName: 0o600} {
		info, err := os.Stat(dir.Path(name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestWriteReplacesWhole(t *testing.T) {
	dir := open(t, t.TempDir())
	for _, text := range []string{"first and long", "second"} {
		if err := dir.Write("file", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := dir.Read("file"); err != nil || string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

func TestReadOrWriteMakesOnce(t *testing.T) {
	dir := open(t, t.TempDir())
	for i := range 3 {
		got, err := dir.ReadOrWrite("file", func() ([]byte, error) { return fmt.Append(nil, i), nil })
		if err != nil || string(got) != "0" {
			t.Fatalf("round %d: got %q, %v", i, got, err)
		}
	}
	failure := errors.New("no")
	_, err := dir.ReadOrWrite("other", func() ([]byte, error) { return nil, failure })
	if !errors.Is(err, failure) {
		t.Fatalf("got %v", err)
	}
	if _, err := dir.Read("other"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a failed make left a file: %v", err)
	}
}

func TestAdopt(t *testing.T) {
	tests := []struct {
		name, found string
		change      func(*Record)
		want        string
	}{
		{name: "new directory"},
		{name: "same", found: `{"format":1,"member":"tokyo","serviceCIDR":"10.96.0.0/16","podCIDR":"10.244.0.0/16"}`},
		{name: "newer format", found: `{"format":2}`, want: "has format 2 and this program knows up to 1: use the newer program"},
		{name: "no format", found: `{}`, want: "has a damaged cluster.json"},
		{name: "damaged", found: `{"format":`, want: "has a damaged cluster.json"},
		{name: "another member", found: `{"format":1,"member":"osaka"}`, want: "belongs to member osaka, not to tokyo: choose another directory"},
		{name: "another service range", found: `{"format":1,"member":"tokyo","serviceCIDR":"10.0.0.0/16"}`, want: "serviceCIDR is 10.0.0.0/16 in data directory"},
		{name: "another pod range", found: `{"format":1,"member":"tokyo","serviceCIDR":"10.96.0.0/16","podCIDR":"10.1.0.0/16"}`, want: "podCIDR is 10.1.0.0/16 in data directory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := open(t, t.TempDir())
			if test.found != "" {
				if err := dir.Write(recordName, []byte(test.found)); err != nil {
					t.Fatal(err)
				}
			}
			record, err := dir.Adopt(tokyo)
			checkAdopted(t, record, err, test.want)
			if got, _ := dir.Read(recordName); test.want != "" && string(got) != test.found {
				t.Fatalf("a refused directory was changed to %s", got)
			}
		})
	}
}

func checkAdopted(t *testing.T, record Record, err error, want string) {
	t.Helper()
	if want != "" {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("got %v, want %q", err, want)
		}
		return
	}
	expected := tokyo
	expected.Format = Format
	if err != nil || record != expected {
		t.Fatalf("got %+v, %v", record, err)
	}
}

func TestListenKeepsPort(t *testing.T) {
	dir := open(t, t.TempDir())
	record, err := dir.Adopt(tokyo)
	if err != nil {
		t.Fatal(err)
	}
	first := listen(t, dir, record, 0)
	port := first.Addr().(*net.TCPAddr).Port
	first.Close()
	record, err = dir.Adopt(tokyo)
	if err != nil || record.APIPort != port {
		t.Fatalf("recorded %d, %v, want %d", record.APIPort, err, port)
	}
	second := listen(t, dir, record, 0)
	if got := second.Addr().(*net.TCPAddr).Port; got != port {
		t.Fatalf("got port %d, want the kept %d", got, port)
	}
	_, err = dir.Listen(record, netip.MustParseAddrPort("127.0.0.1:0"))
	want := fmt.Sprintf("port %d of 127.0.0.1 for the API server is taken: stop what uses it or set apiPort to another", port)
	if err == nil || err.Error() != want {
		t.Fatalf("got %v\nwant %s", err, want)
	}
}

func TestListenTakesConfiguredPort(t *testing.T) {
	dir := open(t, t.TempDir())
	probe, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := probe.Addr().(*net.TCPAddr).Port
	probe.Close()
	listener := listen(t, dir, Record{APIPort: 1}, port)
	if got := listener.Addr().(*net.TCPAddr).Port; got != port {
		t.Fatalf("got port %d, want %d", got, port)
	}
}

func listen(t *testing.T, dir *Dir, record Record, port int) net.Listener {
	t.Helper()
	listener, err := dir.Listen(record, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func TestStamp(t *testing.T) {
	for _, c := range []struct{ name, found, want string }{
		{"fresh", "", ""},
		{"same", "hansa-hub 2\n", ""},
		{"older", "hansa-hub 1\n", ""},
		{"newer", "hansa-hub 3\n", "has format 3 and this program knows up to 2"},
		{"another's", "hansa-agent 1\n", "belongs to a hansa-agent, not to a hansa-hub"},
		{"damaged", "???", "has a damaged file format"},
		{"zero", "hansa-hub 0\n", "has a damaged file format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if c.found != "" {
				if err := d.Write("format", []byte(c.found)); err != nil {
					t.Fatal(err)
				}
			}
			err = d.Stamp("hansa-hub", 2)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got, _ := d.Read("format"); c.found == "" && string(got) != "hansa-hub 2\n" || c.found != "" && string(got) != c.found {
				t.Errorf("the file is now %q", got)
			}
		})
	}
}
