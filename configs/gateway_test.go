package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadGateway(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"good", "bus: {urls: [\"tls://h:1\"], credentialsFile: g.creds}\nlisten: 127.0.0.1:1\nsnapshotDir: s\n", ""},
		{"no bus", "listen: 127.0.0.1:1\n", "bus.urls must name"},
		{"no address", "bus: {urls: [\"tls://h:1\"]}\nlisten: \"\"\n", "listen must be set"},
		{"no port", "bus: {urls: [\"tls://h:1\"]}\nmetricsListen: localhost\n", `metricsListen: "localhost" is not HOST:PORT`},
		{"places", "bus: {urls: [\"tls://h:1\"]}\nplaces: [{name: Nord}]\n", `gateway.yaml: places[0]: `},
		{"unknown field", "bus: {url: x}\n", `gateway.yaml:1: unknown field "url": did you mean "urls"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gateway.yaml")
			if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
				t.Fatal(err)
			}
			g, err := LoadGateway(path)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("got %v, want %q in it", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if g.Bus.CredentialsFile != filepath.Join(filepath.Dir(path), "g.creds") || g.SnapshotDir != filepath.Join(filepath.Dir(path), "s") || g.Listen != "127.0.0.1:1" || g.CertFile != "/etc/hansa/pki/server.crt" {
				t.Errorf("got %+v", g)
			}
		})
	}
}
