package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestDefaultHub(t *testing.T) {
	h, err := DefaultHub()
	if err != nil {
		t.Fatal(err)
	}
	if h.Bus.Listen != "127.0.0.1:7422" || h.Gateway.Listen != "127.0.0.1:7443" || h.Stabilise != 3*time.Second {
		t.Errorf("got %+v", h)
	}
}

// TestSize: a size is written as it is read.
func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"auto": 0, "none": -1, "512KiB": 512 << 10, "1536MiB": 1536 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40} {
		var got struct {
			Room Size `yaml:"room"`
		}
		if err := Decode([]byte("room: "+text), &got); err != nil || got.Room != want {
			t.Errorf("%s is %d, %v", text, got.Room, err)
		}
		if again, err := yaml.Marshal(got); err != nil || string(again) != "room: "+text+"\n" {
			t.Errorf("%s is written as %s, %v", text, again, err)
		}
	}
}

func TestLoadHub(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"relative paths", "dataDir: data\nbus: {certFile: a.crt, keyFile: a.key, caFile: ca.crt}\n", ""},
		{"unknown field", "datadir: x\n", `hub.yaml:1: unknown field "datadir": did you mean "dataDir"?`},
		{"no port", "bus: {listen: localhost}\n", `bus.listen: "localhost" is not HOST:PORT`},
		{"share", "safety: {headroom: 20}\n", `safety.headroom: 20 is not a share between 0 and 1`},
		{"no places", "safety: {places: 0}\n", `safety.places: 0 is less than 1`},
		{"always frozen", "safety: {most: 0}\n", `to stop automation: hansa freeze`},
		{"places", "places: [{name: Nord}]\n", `hub.yaml: places[0]: `},
		{"no size", "bus: {minFree: 512}\n", `hub.yaml:1: "512" is not a size: want a whole number with KiB, MiB, GiB or TiB, "auto" or "none"`},
		{"huge size", "bus: {minFree: 9999999999TiB}\n", "is not a size"},
		{"negative", "stabilise: -1s\n", "stabilise: -1s is negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "hub.yaml")
			if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := LoadHub(path)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want %q in it", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(filepath.Dir(path), "a.crt"); h.Bus.CertFile != want || h.Gateway.CertFile != "/etc/hansa/pki/server.crt" {
				t.Errorf("got %q and %q", h.Bus.CertFile, h.Gateway.CertFile)
			}
		})
	}
}
